import { type DecisionQuery, type FactValue, RedoubtError } from '#foundation/core'
import type { Authorization } from './authorize.ts'
import type { Cedar } from './cedar.ts'
import type { PolicySchema } from './schema.ts'

/** Two engines decided the same request differently: the policies must be treated as unreliable until it is understood. */
export interface Mismatch {
  readonly ours: Authorization
  /** null if Cedar's engine gave no answer. */
  readonly cedar: Authorization | null
  readonly query: Pick<DecisionQuery, 'action'> & { readonly principal: string; readonly resource: string }
}

type CedarJson = Parameters<Cedar['statefulIsAuthorized']>[0]['context'][string]
type CedarEntity = Parameters<Cedar['statefulIsAuthorized']>[0]['entities'][number]

/** Cedar's own engine beside ours, on a sample of the decisions. Its calls take some 0.1 to 1 ms each. */
export class Shadow {
  readonly #cedar: Cedar
  readonly #policySet: string
  readonly #actions: readonly CedarEntity[]
  readonly #rate: number
  readonly #onMismatch: (mismatch: Mismatch) => void
  #untilNext: number
  compared = 0
  mismatches = 0

  constructor(
    cedar: Cedar,
    schema: PolicySchema,
    digest: string,
    policies: readonly { readonly id: string; readonly text: string }[],
    rate: number,
    onMismatch: (mismatch: Mismatch) => void,
  ) {
    this.#cedar = cedar
    this.#policySet = `redoubt@${digest}`
    this.#rate = rate
    this.#untilNext = rate
    this.#onMismatch = onMismatch
    this.#actions = [...schema.actionEntities.values()].map(({ uid, ancestors }) => ({
      uid: { type: uid.type, id: uid.id },
      attrs: {},
      parents: [...ancestors].map((key) => ({ type: 'Action', id: key.slice(key.indexOf('\0') + 1) })),
    }))
    const answer = cedar.preparsePolicySet(this.#policySet, {
      staticPolicies: Object.fromEntries(policies.map(({ id, text }) => [id, text])),
    })
    if (answer.type === 'failure') throw new RedoubtError('ERR_POLICY_INVALID', answer.errors[0]?.message)
  }

  /** Whether this decision is one of the sample. */
  due(): boolean {
    if (--this.#untilNext > 0) return false
    this.#untilNext = this.#rate
    return true
  }

  /** @returns whether Cedar's engine comes to the same effect, reasons and errors. Never throws. */
  agrees(query: DecisionQuery, ours: Authorization): boolean {
    this.compared++
    const cedar = this.#ask(query)
    if (cedar && same(ours, cedar)) return true
    this.mismatches++
    try {
      const { principal, resource } = query
      this.#onMismatch({
        ours,
        cedar,
        query: { action: query.action, principal: `${principal.type}::${principal.id}`, resource: `${resource.type}::${resource.id}` },
      })
    } catch {
      // A listener that fails changes nothing: the decision is a deny either way.
    }
    return false
  }

  #ask({ principal, action, resource, context }: DecisionQuery): Authorization | null {
    try {
      const { now, sourceAddress, ...rest } = context
      const answer = this.#cedar.statefulIsAuthorized({
        principal: { type: principal.type, id: principal.id },
        action: { type: 'Action', id: action },
        resource: { type: resource.type, id: resource.id },
        context: {
          ...rest,
          now: { __extn: { fn: 'datetime', arg: new Date(now).toISOString() } },
          sourceAddress: { __extn: { fn: 'ip', arg: sourceAddress } },
        },
        preparsedPolicySetId: this.#policySet,
        entities: [
          ...this.#actions,
          ...[principal, resource].map(({ type, id, attributes, parents }) => ({
            uid: { type, id },
            attrs: Object.fromEntries(Object.entries(attributes).map(([name, fact]) => [name, cedarJson(fact)])),
            parents: parents.map((parent) => ({ type: parent.type, id: parent.id })),
          })),
        ],
      })
      if (answer.type === 'failure') return null
      const { decision, diagnostics } = answer.response
      return { effect: decision, reasons: diagnostics.reason.toSorted(), errors: diagnostics.errors.map(({ policyId }) => policyId).sort() }
    } catch {
      return null
    }
  }
}

function same(ours: Authorization, cedar: Authorization): boolean {
  return (
    ours.effect === cedar.effect &&
    ours.reasons.length === cedar.reasons.length &&
    ours.errors.length === cedar.errors.length &&
    ours.reasons.every((id, index) => id === cedar.reasons[index]) &&
    ours.errors.every((id, index) => id === cedar.errors[index])
  )
}

/** A fact in Cedar's JSON form of values. */
function cedarJson(fact: FactValue): CedarJson {
  if (typeof fact !== 'object') return fact
  if (Array.isArray(fact)) return (fact as readonly FactValue[]).map(cedarJson)
  const record = fact as Readonly<Record<string, unknown>>
  const { __fact: kind, value } = record
  if (kind === 'entity') return { __entity: value as { type: string; id: string } }
  if (kind === 'datetime') return { __extn: { fn: 'datetime', arg: new Date(value as number).toISOString() } }
  if (kind === 'ipaddr') return { __extn: { fn: 'ip', arg: value as string } }
  if (kind === 'decimal') return { __extn: { fn: 'decimal', arg: value as string } }
  return Object.fromEntries(Object.entries(record).map(([name, inner]) => [name, cedarJson(inner as FactValue)]))
}
