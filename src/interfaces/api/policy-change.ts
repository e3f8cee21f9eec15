import { asRedoubtError, type AuditSink, type EntityUid } from '#foundation/core'
import type { Activation, Approved, PolicyStore } from './policy-store.ts'

export interface PolicyChange {
  readonly type: 'policy.put' | 'policy.remove' | 'policy.reload'
  /** Which part of the system, e.g. `policy:closed-hour`. */
  readonly part: string
  readonly actor: EntityUid
  readonly requestId?: string
}

/** Where policies are kept, and where that they changed is recorded. */
interface Changing {
  readonly policies: PolicyStore
  readonly audit: AuditSink
}

/** Makes a change and records it with the digests before and after, or that it was refused, and why. */
export async function recorded(
  { policies, audit }: Changing,
  { type, part, actor, requestId }: PolicyChange,
  work: () => Promise<Activation>,
): Promise<Activation> {
  const event = {
    type,
    actor: { type: actor.type, id: actor.id },
    action: 'administer',
    resource: { type: 'System', id: part },
    ...(requestId === undefined ? {} : { requestId }),
  }
  const { digest } = policies.engine
  let activation: Activation
  try {
    activation = await work()
  } catch (thrown) {
    const { code } = asRedoubtError(thrown)
    await audit.record({ ...event, outcome: 'failed', code, details: { policySetBefore: digest, policySetAfter: policies.engine.digest } })
    throw thrown
  }
  const { before, after, cases, invariants } = activation
  await audit.record({ ...event, outcome: 'success', details: { policySetBefore: before, policySetAfter: after, cases, invariants } })
  return activation
}

/** Reads the operator's folder again; all or nothing. @throws {RedoubtError} `ERR_POLICY_INVALID`, `ERR_POLICY_TEST`. */
export function reloadPolicies(changing: Changing, actor: EntityUid, requestId?: string, approved: Approved = {}): Promise<Activation> {
  const change: PolicyChange = { type: 'policy.reload', part: 'policies', actor, ...(requestId === undefined ? {} : { requestId }) }
  return recorded(changing, change, () => changing.policies.reload(approved))
}
