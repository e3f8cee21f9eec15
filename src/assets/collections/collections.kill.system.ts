import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { filesBelow, searchFiles } from '../../../test/house/search-canaries.ts'
import { MAKER, USE } from './visits.fixtures.ts'
import { openRooms } from './rooms.fixtures.ts'

const KILLS = Number(process.env['REDOUBT_KILLS'] ?? 12)
const SEED = Number(process.env['REDOUBT_SEED'] ?? Date.now() % 1_000_000)
const MAX_LOAD_MS = 250

const root = mkdtempSync(join(tmpdir(), 'redoubt-collections-kill-'))
/** What the writers are compiled to: much of the processor time of a short life. */
const compiled = mkdtempSync(join(tmpdir(), 'redoubt-collections-compiled-'))
afterAll(() => [root, compiled].forEach((folder) => rmSync(folder, { recursive: true, force: true })))

/** Runs programs that add rows and kills them without warning, `loadMs` after the first acknowledgement. */
function live(run: number, loadMs: number): Promise<readonly string[]> {
  const child = spawn(process.execPath, [new URL('collection-writer.child.fixtures.ts', import.meta.url).pathname, root, String(run)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE: compiled },
  })
  return new Promise((resolve, reject) => {
    let output = ''
    let armed = false
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
      if (armed) return
      armed = true
      setTimeout(() => child.kill('SIGKILL'), loadMs)
    })
    child.on('error', reject)
    child.on('close', (_code, signal) => {
      if (signal !== 'SIGKILL') return reject(new Error(`the writer ended by itself: ${output.slice(-300)}`))
      // A last line without its end was not wholly written, so it promises nothing.
      const lines = output.slice(0, output.lastIndexOf('\n')).split('\n')
      resolve(lines.filter((line) => line.startsWith('ack ')).map((line) => line.slice(4)))
    })
  })
}

describe(`kill -9 while rows come in and versions are made (seed ${SEED})`, () => {
  it(`loses no acknowledged row, doubles none, and leaves none in clear, in ${KILLS} kills (A1, A9)`, async () => {
    const acknowledged: string[] = []
    for (let run = 0; run < KILLS; run++) acknowledged.push(...(await live(run, ((SEED * (run + 7) * 2_654_435_761) % 1000) * (MAX_LOAD_MS / 1000)))) // prettier-ignore
    expect(acknowledged.length).toBeGreaterThan(KILLS)
    const rooms = await openRooms(root)
    await rooms.collections.cut('visits', { by: MAKER }).catch(() => undefined)
    const version = rooms.datasets.get('visits')!
    const found: string[] = []
    for await (const group of rooms.datasets.read(version, USE, { action: 'test', rows: null, masks: {} }))
      found.push(...(group.columns[0]!.values as string[]))
    await rooms.close()
    const there = new Set(found)
    expect(found.length - there.size).toBe(0)
    expect(acknowledged.filter((patient) => !there.has(patient))).toEqual([])
    const canaries = acknowledged.filter((one) => one.length > 8).slice(0, 3).map((name) => ({ name, value: Buffer.from(name) })) // prettier-ignore
    expect(searchFiles(filesBelow(root), canaries)).toEqual([])
    console.log(
      JSON.stringify({ seed: SEED, kills: KILLS, acknowledged: acknowledged.length, rows: found.length, version: version.version }),
    )
  })
})
