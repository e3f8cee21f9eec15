import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { EVERY_ROW_WHOLE } from '#assets/datasets'
import { filesBelow, searchFiles } from '../../../test/house/search-canaries.ts'
import { DEFINITION, OBJECTS, openRooms } from './rooms.fixtures.ts'
import { ADA } from './transforms.fixtures.ts'

const KILLS = Number(process.env['REDOUBT_KILLS'] ?? 10)
const SEED = Number(process.env['REDOUBT_SEED'] ?? 134_711)
/** Of the time that one run takes here. */
const LATEST = 1.6
const ROWS = 60_000
const KEPT = Array.from({ length: ROWS }, (_, n) => n % 90).filter((age) => age >= 20).length
const CANARY = 'patient-canary-4711'

const root = mkdtempSync(join(tmpdir(), 'redoubt-transforms-kill-'))
/** What the runners are compiled to: much of the processor time of a short life. */
const compiled = mkdtempSync(join(tmpdir(), 'redoubt-transforms-compiled-'))
afterAll(() => [root, compiled].forEach((folder) => rmSync(folder, { recursive: true, force: true })))

async function* visits(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('patient,age\n')
  const lines = Array.from({ length: ROWS }, (_, n) => `${n === 30 ? CANARY : `patient-${n}`},${n % 90}`)
  yield Buffer.from(`${lines.join('\n')}\n`)
}

/**
 * Runs transforms and kills them without warning, `afterMs` after the rooms are open, or when the first run is over.
 * @returns `VERSION DIGEST` of each that was acknowledged, how many files each left that was cancelled, and how long it lived with open rooms.
 */
function live(
  afterMs: number | null,
  begin: 'cancel' | 'whole',
): Promise<{ readonly acknowledged: readonly string[]; readonly left: readonly number[]; readonly ms: number }> {
  const child = spawn(process.execPath, [new URL('transform-runner.child.fixtures.ts', import.meta.url).pathname, root, begin], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE: compiled },
  })
  return new Promise((resolve, reject) => {
    let output = ''
    let openedAt: number | null = null
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
      if (openedAt === null) {
        openedAt = performance.now()
        if (afterMs !== null) setTimeout(() => child.kill('SIGKILL'), afterMs)
      }
      if (afterMs === null && /^(ack|cancelled) /m.test(output)) child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('close', (_code, signal) => {
      if (signal !== 'SIGKILL') return reject(new Error(`the runner ended by itself: ${output.slice(-300)}`))
      // A last line without its end was not wholly written, so it promises nothing.
      const lines = output.slice(0, output.lastIndexOf('\n')).split('\n')
      const acknowledged = lines.filter((line) => line.startsWith('ack ')).map((line) => line.slice(4))
      const left = lines.filter((line) => line.startsWith('cancelled ')).map((line) => Number(line.slice(10)))
      resolve({ acknowledged, left, ms: performance.now() - (openedAt ?? 0) })
    })
  })
}

describe(`kill -9 while transforms run (seed ${SEED})`, () => {
  it(`leaves whole versions, nothing of others or of what was cancelled, and no row in clear, in ${KILLS} kills (A9)`, async () => {
    const before = await openRooms(root)
    await before.datasets.import(visits(), { name: 'visits', subject: 'patient', sensitivity: 'restricted', purposes: ['care'], legalBasis: 'contract', by: ADA }) // prettier-ignore
    await before.close()
    const first = await live(null, 'whole')
    const acknowledged = [...first.acknowledged]
    const cancelled = [...(await live(null, 'cancel')).left]
    let withRemains = 0
    // A life that ends between two runs leaves nothing to find: more of them until one is cut off in the middle of one.
    for (let run = 0; run < KILLS || (withRemains === 0 && run < 4 * KILLS); run++) {
      const part = ((SEED * (run + 7) * 2_654_435_761) % 1000) / 1000
      const { acknowledged: made, left } = await live(part * LATEST * first.ms, run % 2 === 0 ? 'cancel' : 'whole')
      acknowledged.push(...made)
      cancelled.push(...left)
      const known = filesOf()
      const rooms = await openRooms(root)
      if (filesOf().length < known.length) withRemains++
      // What is there after the start belongs to a version that is there.
      const ids = new Set(rooms.datasets.list().map(({ id }) => id))
      expect(filesOf().filter((file) => ![...ids].some((id) => file.includes(id)))).toEqual([])
      await rooms.close()
    }
    const rooms = await openRooms(root)
    const versions = rooms.datasets.list().filter(({ name }) => name === 'made')
    const there = new Set(versions.map(({ version, digest }) => `${version} ${digest}`))
    expect(withRemains).toBeGreaterThan(0)
    expect(cancelled.length).toBeGreaterThan(0)
    expect(cancelled.filter((files) => files > 0)).toEqual([])
    expect(acknowledged.filter((one) => !there.has(one))).toEqual([])
    const use = { principal: ADA, purpose: 'care', resource: { type: 'Dataset', id: 'made' } }
    for (const version of versions) {
      let rows = 0
      for await (const group of rooms.datasets.read(version, use, EVERY_ROW_WHOLE)) rows += group.rows
      expect(rows).toBe(KEPT)
      expect(rooms.datasets.derivedFrom(version)).toMatchObject({ transform: { name: 'made', version: 1 } })
    }
    await rooms.run(DEFINITION)
    await rooms.close()
    expect(searchFiles(filesBelow(root), [{ name: 'a patient', value: Buffer.from(CANARY) }])).toEqual([])
    console.log(
      JSON.stringify({
        seed: SEED,
        kills: KILLS,
        acknowledged: acknowledged.length,
        versions: versions.length,
        cancelled: cancelled.length,
        withRemains,
      }),
    )
  })
})

const filesOf = (): string[] =>
  readdirSync(join(root, OBJECTS), { recursive: true, withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [entry.name] : []))
