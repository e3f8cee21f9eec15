import { parentPort, workerData } from 'node:worker_threads'
import { asRedoubtError } from '#foundation/core'
import { loadPolicies } from '../load.ts'
import type { FromProver, ProverInput } from './prove-in-time.ts'
import { proveInvariants } from './prove.ts'

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
const say = (message: FromProver): void => parentPort?.postMessage(message)

try {
  const { files, invariants, proven, vocabulary, maxRequests } = workerData as ProverInput
  const engine = await loadPolicies({ files, vocabulary })
  const provenFor = proven === null ? undefined : (await loadPolicies({ files: proven, vocabulary })).set
  say({ kind: 'done', report: await proveInvariants(engine, invariants, { maxRequests, provenFor }) })
} catch (thrown) {
  const { code, message, evidence } = asRedoubtError(thrown, 'ERR_POLICY_INVALID')
  say({ kind: 'failed', code, message, evidence })
}
