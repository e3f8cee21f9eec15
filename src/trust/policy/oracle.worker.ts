import { parentPort, workerData } from 'node:worker_threads'
import { loadCedar } from './cedar.ts'
import { type OracleReport, runOracle } from './oracle-run.ts'

/** One thread's share of a comparison with Cedar. */
export interface OracleShare {
  readonly seed: number
  readonly pairs: number
}

const { seed, pairs } = workerData as OracleShare
const report: OracleReport = runOracle(await loadCedar(), seed, pairs)
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
parentPort?.postMessage(report)
