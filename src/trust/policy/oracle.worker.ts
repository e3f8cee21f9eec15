import { parentPort, workerData } from 'node:worker_threads'
import { loadCedar } from './cedar.ts'
import { type OracleReport, runOracle } from './oracle-run.ts'

/** One thread's share of a comparison with Cedar. */
export interface OracleShare {
  readonly seed: number
  readonly pairs: number
  readonly stopAfterMs: number
  readonly atLeast: number
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
const say = (report: OracleReport): void => parentPort?.postMessage(report)

const { seed, pairs, stopAfterMs, atLeast } = workerData as OracleShare
say(runOracle(await loadCedar(), seed, pairs, { stopAfterMs, atLeast }))
