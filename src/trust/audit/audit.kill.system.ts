import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { nodeFolder } from '#foundation/storage'
import { AppendLog } from './append-log.ts'
import { seededRandom, TEST_ORIGIN, testSigner } from './audit-testing.ts'
import { logVerifierKey } from './checkpoint.ts'
import { formatVerifierKey } from './signed-note.ts'
import { verifyLog } from './verify-log.ts'

const KILLS = Number(process.env['REDOUBT_KILLS'] ?? 200)
const SEED = Number(process.env['REDOUBT_SEED'] ?? Date.now() % 1_000_000)
const MAX_LOAD_MS = 120

const root = mkdtempSync(join(tmpdir(), 'redoubt-kill-'))
/** What the writers are compiled to: half of the processor time of a short life. */
const compiled = mkdtempSync(join(tmpdir(), 'redoubt-kill-compiled-'))
afterAll(() => [root, compiled].forEach((folder) => rmSync(folder, { recursive: true, force: true })))

interface Life {
  readonly openedSize: number
  readonly recoveryMs: number
  readonly acknowledged: readonly (readonly [number, string])[]
  readonly notes: readonly string[]
}

/** Runs a writer and kills it without warning, `loadMs` after it acknowledged its first record. */
function live(run: number, loadMs: number): Promise<Life> {
  const child = spawn(process.execPath, [new URL('log-writer.child.fixtures.ts', import.meta.url).pathname, root, String(run)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE: compiled },
  })
  return new Promise((resolve, reject) => {
    let output = ''
    let armed = false
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
      if (armed || !output.includes('\nack ')) return
      armed = true
      setTimeout(() => child.kill('SIGKILL'), loadMs)
    })
    child.on('error', reject)
    child.on('close', (_code, signal) => {
      if (signal !== 'SIGKILL') return reject(new Error(`the writer ended by itself: ${output.slice(-300)}`))
      // A last line without its end was not wholly written, so it promises nothing.
      const lines = output.slice(0, output.lastIndexOf('\n')).split('\n')
      const of = (word: string): string[] => lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1))
      const [size = '-1', ms = '0'] = of('open')[0]?.split(' ') ?? []
      resolve({
        openedSize: Number(size),
        recoveryMs: Number(ms),
        acknowledged: of('ack').map((text) => [Number(text.split(' ')[0]), text.split(' ')[1] ?? ''] as const),
        notes: of('note').map((text) => Buffer.from(text, 'base64').toString()),
      })
    })
  })
}

describe(`kill -9 under load (seed ${SEED})`, () => {
  it(`loses no acknowledged record and forks nowhere in ${KILLS} kills (E3, E5)`, async () => {
    const random = seededRandom(SEED)
    const acknowledged = new Map<number, string>()
    const notes: string[] = []
    let slowest = 0
    let highest = -1
    for (let run = 0; run < KILLS; run++) {
      const life = await live(run, random() * MAX_LOAD_MS)
      expect(life.openedSize).toBeGreaterThan(highest)
      for (const [index, leaf] of life.acknowledged) {
        expect(acknowledged.has(index), `index ${index} was given twice`).toBe(false)
        acknowledged.set(index, leaf)
        highest = Math.max(highest, index)
      }
      notes.push(...life.notes)
      slowest = Math.max(slowest, life.recoveryMs)
    }
    const folder = nodeFolder(root)
    const signer = testSigner()
    const log = await AppendLog.open({ folder, origin: TEST_ORIGIN, signer, segmentBytes: 65_536, spareSegments: 2 })
    let lost = 0
    for (const [index, leaf] of acknowledged) {
      const bytes = log.entry(index)
      if (bytes === null || Buffer.from(bytes).toString() !== leaf) lost++
      else if (Number(leaf.split('.')[2]) % 5 === 0 && Buffer.from(log.body(index)!).toString() !== `body of ${leaf}`) lost++
    }
    expect(lost).toBe(0)
    const verifierKey = formatVerifierKey(logVerifierKey(TEST_ORIGIN, signer))
    const step = Math.ceil(notes.length / 40)
    for (const olderCheckpoint of notes.filter((_, i) => i % step === 0 || i === notes.length - 1)) {
      const verdict = await verifyLog({ read: (path) => folder.read(path), verifierKey, olderCheckpoint })
      expect(verdict.findings).toEqual([])
    }
    log.close()
    console.log(
      JSON.stringify({
        seed: SEED,
        kills: KILLS,
        acknowledged: acknowledged.size,
        size: log.size,
        checkpoints: notes.length,
        slowestRecoveryMs: slowest,
      }),
    )
    expect(slowest).toBeLessThan(2_000)
  })
})
