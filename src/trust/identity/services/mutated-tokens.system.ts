import { randomInt } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import type { MutationResult, MutationWork } from './mutated-tokens.child.fixtures.ts'

const THREADS = 2
const TOTAL = 1_000_000
/** Of each thread: what is refused without a signature check, with one, and proofs, each of which has to be signed first. */
const SHARE: Omit<MutationWork, 'seed'> = { cheapTokens: 375_000, signedTokens: 85_000, proofs: 40_000 }
/** Of processor time a thread: what it takes in minutes where each has a core of its own, however busy the machine is. */
const WITHIN_SECONDS = 300

const work = (seed: number): Promise<MutationResult> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./mutated-tokens.child.fixtures.ts', import.meta.url), {
      workerData: { seed, ...SHARE } satisfies MutationWork,
    })
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', (code) => {
      if (code !== 0) reject(new Error(`the worker ended with ${code}`))
    })
  })

it('accepts none of a million mutated access tokens and proofs, and every good one in between (B5, B8)', async () => {
  const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31))
  console.log(`seed ${seed} (SEED=${seed} repeats this run)`)
  const started = Date.now()
  const before = process.cpuUsage()
  const results = await Promise.all(Array.from({ length: THREADS }, (_, i) => work(seed + i)))
  const seconds = (Date.now() - started) / 1000
  const { user, system } = process.cpuUsage(before)
  const processorSeconds = (user + system) / 1e6 / THREADS
  const sum = (member: 'codes' | 'kinds'): [string, number][] => {
    const all = new Map<string, number>()
    for (const result of results) for (const [name, count] of Object.entries(result[member])) all.set(name, (all.get(name) ?? 0) + count)
    return [...all].sort(([, a], [, b]) => b - a)
  }
  const presented = results.reduce((total, result) => total + result.presented, 0)
  const list = (title: string, rows: readonly [string, number][]): string =>
    [title, ...rows.map(([name, count]) => `${String(count).padStart(9)}  ${name}`)].join('\n')
  console.log(
    `${presented} presented in ${seconds.toFixed(0)} s, ${processorSeconds.toFixed(0)} s of processor time a thread\n${list('by refusal', sum('codes'))}\n${list('by kind', sum('kinds'))}`,
  )

  // The first few say how; a list of a thousand says no more.
  expect(results.flatMap(({ accepted }) => accepted).slice(0, 5)).toEqual([])
  expect(presented).toBeGreaterThanOrEqual(TOTAL)
  for (const { controls } of results) {
    expect(controls.presented).toBeGreaterThan(100)
    expect(controls.accepted).toBe(controls.presented)
  }
  const codes = new Set(sum('codes').map(([code]) => code))
  for (const code of [
    ...['MALFORMED', 'TOO_LARGE', 'ALGORITHM', 'HEADER', 'TYPE', 'KEY_UNKNOWN', 'SIGNATURE', 'CLAIMS', 'ISSUER', 'AUDIENCE'].map(
      (name) => `ERR_TOKEN_${name}`,
    ),
    ...['EXPIRED', 'LIFETIME', 'NOT_YET_VALID'].map((name) => `ERR_TOKEN_${name}`),
    ...['MALFORMED', 'TYPE', 'ALGORITHM', 'KEY', 'SIGNATURE', 'METHOD', 'URL', 'TIME', 'TOKEN', 'NONCE', 'REPLAYED', 'BINDING'].map(
      (name) => `ERR_DPOP_${name}`,
    ),
  ])
    expect(codes).toContain(code)
  expect(processorSeconds).toBeLessThan(WITHIN_SECONDS)
})
