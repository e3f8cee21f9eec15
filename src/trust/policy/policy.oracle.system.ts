import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import type { OracleReport } from './oracle-run.ts'
import type { OracleShare } from './oracle.worker.ts'

const THREADS = 2
/** Compared in every run, however long it takes: the same on a fast machine and on a slow one. */
const PAIRS = Number(process.env['REDOUBT_ORACLE_PAIRS'] ?? 100_000)
// A million take a quarter of an hour to an hour.
const TIMEOUT_MS = 6 * 3_600_000

function share(seed: number): Promise<OracleReport> {
  const workerData: OracleShare = { seed, pairs: Math.ceil(PAIRS / THREADS) }
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./oracle.worker.ts', import.meta.url), { workerData })
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error('a thread of the oracle ended without a report')))
  })
}

const added = <K>(maps: readonly ReadonlyMap<K, number>[]): ReadonlyMap<K, number> => {
  const sum = new Map<K, number>()
  for (const [name, count] of maps.flatMap((map) => [...map])) sum.set(name, (sum.get(name) ?? 0) + count)
  return sum
}

it(
  'decides as Cedar does, in effect, reasons and errors, over generated policies that use every operator (B1, B7)',
  { timeout: TIMEOUT_MS },
  async () => {
    const seed = Number(process.env['REDOUBT_ORACLE_SEED'] ?? Date.now() % 2 ** 31)
    const started = performance.now()
    const reports = await Promise.all(Array.from({ length: THREADS }, (_, thread) => share(seed + thread)))
    const sum = (of: (report: OracleReport) => number): number => reports.reduce((total, report) => total + of(report), 0)
    const [pairs, allowed, erred] = [sum((report) => report.pairs), sum((report) => report.allowed), sum((report) => report.erred)]
    const [operators, traps] = [added(reports.map((report) => report.operators)), added(reports.map((report) => report.traps))]
    const mismatches = reports.flatMap((report) => report.mismatches)
    const lines = (counts: ReadonlyMap<string, number>): readonly string[] =>
      [...counts].map(([name, count]) => `  ${name.padEnd(44)} ${count}`)
    console.log(
      [
        `oracle: seeds ${seed} to ${seed + THREADS - 1}, ${pairs} pairs in ${((performance.now() - started) / 1000).toFixed(1)} s, ${mismatches.length} mismatches`,
        `allowed ${allowed}, with errors ${erred}; pairs whose policies use`,
        ...lines(operators),
        'pairs whose policies hold the constructs that are easily got wrong',
        ...lines(traps),
      ].join('\n'),
    )
    expect(mismatches).toEqual([])
    expect(pairs).toBeGreaterThanOrEqual(PAIRS)
    for (const [name, count] of [...operators, ...traps]) expect(count, `pairs with \`${name}\``).toBeGreaterThan(0)
    // Both answers and the error paths are common, or the comparison would say little.
    expect(allowed / pairs).toBeGreaterThan(0.1)
    expect(erred / pairs).toBeGreaterThan(0.1)
    expect(erred / pairs).toBeLessThan(0.9)
  },
)
