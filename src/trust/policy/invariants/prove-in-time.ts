import { Worker } from 'node:worker_threads'
import { asRedoubtError, DEFAULT_MAX_REQUESTS, type ErrorCode, RedoubtError } from '#foundation/core'
import type { FilterVocabulary } from '../obligations.ts'
import type { PolicyFile } from '../policy-file.ts'
import type { Counterexample, ProofReport } from './prove.ts'

/** What the thread is handed. */
export interface ProverInput {
  /** All policies that would be in force. */
  readonly files: readonly PolicyFile[]
  readonly invariants: readonly PolicyFile[]
  /** Policies for which these invariants are known to hold; null when there are none. */
  readonly proven: readonly PolicyFile[] | null
  readonly vocabulary: FilterVocabulary
  readonly maxRequests: number
}
export type FromProver =
  | { readonly kind: 'done'; readonly report: ProofReport }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string; readonly evidence: RedoubtError['evidence'] }

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
/** A set that needs more is refused as one that needs too long. */
const MAX_HEAP_MB = 1_024

/**
 * Decides the invariants in a thread of its own, so that requests are answered meanwhile and that it ends.
 * @throws {RedoubtError} `ERR_POLICY_PROOF_TIME` when it is not through within `timeoutMs`; what `proveInvariants` throws.
 */
export async function proveInTime(input: Omit<ProverInput, 'maxRequests'>, timeoutMs: number): Promise<ProofReport> {
  const workerData: ProverInput = { ...input, maxRequests: DEFAULT_MAX_REQUESTS }
  const worker = new Worker(new URL(`./prover.worker.${EXTENSION}`, import.meta.url), {
    workerData,
    name: 'prover',
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  })
  const { promise, resolve, reject } = Promise.withResolvers<ProofReport>()
  const timer = setTimeout(() => reject(new RedoubtError('ERR_POLICY_PROOF_TIME', `not decided within ${timeoutMs} ms`)), timeoutMs)
  worker.on('message', (message: FromProver) => {
    if (message.kind === 'done') resolve(message.report)
    else reject(new RedoubtError(message.code, message.message, { evidence: message.evidence }))
  })
  worker.on('error', (cause) => reject(asRedoubtError(cause, 'ERR_POLICY_PROOF_TIME')))
  worker.on('exit', () => reject(new RedoubtError('ERR_POLICY_PROOF_TIME', 'the thread that decides ended without a result')))
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    await worker.terminate()
  }
}

/** @throws {RedoubtError} `ERR_POLICY_INVARIANT` with the first counterexample. A statement that describes no request rules nothing out. */
export function demandInvariants(report: ProofReport): ProofReport {
  const failed = report.proofs.filter(({ verdict }) => verdict === 'fails')
  const [first] = failed
  if (!first?.counterexample) return report
  const { query, policies } = first.counterexample
  const others = failed.length > 1 ? `; and ${failed.length - 1} more invariants do not hold` : ''
  const roles = query.principal.parents.map(({ id }) => id).join(', ') || 'no role'
  const may = first.expect === 'never' ? 'may' : 'may not'
  throw new RedoubtError(
    'ERR_POLICY_INVARIANT',
    `\`${first.id}\`: ${first.statement}; but a ${query.principal.type} with ${roles} ${may} ${query.action} a ${query.resource.type}${others}`,
    {
      evidence: {
        invariant: first.id,
        decidedBy: policies.join(', '),
        counterexample: JSON.stringify(counterexampleOf(first.counterexample)),
        invariantsBroken: failed.length,
      },
    },
  )
}

/** What of the request matters: whoever reads it need not look for it among what does not. */
function counterexampleOf({ query: { principal, action, resource }, facts }: Counterexample) {
  return {
    principal: { type: principal.type, roles: principal.parents.map(({ id }) => id) },
    action,
    resource: { type: resource.type, id: resource.id },
    facts,
  }
}
