import { asRedoubtError, type EntityFacts, type JsonObject, RedoubtError } from '#foundation/core'
import { conditionRequest, decisionContext } from './decide.ts'
import { asksForMore } from './decide-again.ts'
import type { House } from './house.ts'
import { inferenceEvent } from './inference-event.ts'
import type { Admitted } from './states.ts'

/**
 * Whether an admitted request may be sent to another place, such as another vendor's server when the first does not answer: decided
 * anew for that place, and on record before anything is sent there (D4, E3). The input was filtered and the limits were taken for the first place, so
 * a place for which the policies ask for more is none.
 * @returns null when it may go there; else why not.
 */
export async function admitElsewhere(
  house: House,
  state: Admitted,
  resource: EntityFacts,
  details: JsonObject,
): Promise<RedoubtError | null> {
  const { principal, received, call, decision: first } = state
  try {
    const request = conditionRequest(
      principal,
      { receivedAt: house.clock.now(), sourceAddress: received.sourceAddress, userAgent: received.userAgent },
      call.endpoint,
    )
    const context = decisionContext(house, principal, request)
    const decision = house.decider.decide({ principal: principal.facts, action: 'invoke', resource, context })
    // Broken glass was for the first place and opens no other.
    if (decision.effect !== 'allow') return new RedoubtError(decision.code ?? 'ERR_POLICY_DENIED')
    if (asksForMore(decision.obligations, first.obligations))
      return new RedoubtError('ERR_POLICY_DENIED', 'the policies ask for more there than this request went through')
    const elsewhere = { ...state, decision, call: { ...call, resource, details } }
    await house.audit.record(
      inferenceEvent('inference.failover', elsewhere, { outcome: 'success', details: { admission: state.admission.index } }),
    )
    return null
  } catch (thrown) {
    return asRedoubtError(thrown, 'ERR_AUDIT_UNAVAILABLE')
  }
}
