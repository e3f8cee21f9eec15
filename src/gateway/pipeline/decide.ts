import { type DecisionContext, ORDINARY_REQUEST, RedoubtError } from '#foundation/core'
import type { Principal } from '#trust/identity'
import type { House } from './house.ts'
import type { Authorised, Refused, Resolved } from './states.ts'

/** Whether this principal may invoke this model now, for this purpose: the one decision (B1, B7). */
export function decide(house: House, state: Resolved): Authorised | Refused {
  const { received, principal, call } = state
  const context = decisionContext(house, principal, received)
  if (received.purposeHeader !== undefined && received.purposeHeader !== principal.purpose)
    return {
      refused: new RedoubtError('ERR_POLICY_PURPOSE', 'the header `redoubt-purpose` asks for more than the account is bound to'),
      state,
    }
  const decision = house.decider.decide({ principal: principal.facts, action: 'invoke', resource: call.resource, context })
  const authorised: Authorised = { ...state, context, decision }
  return decision.effect === 'allow' ? authorised : { refused: new RedoubtError(decision.code ?? 'ERR_POLICY_DENIED'), state: authorised }
}

/** The facts of a request that are not of the principal or the resource. */
export function decisionContext(
  house: Pick<House, 'localTime' | 'profile'>,
  principal: Pick<Principal, 'purpose' | 'legalBasis' | 'mfaLevel' | 'tokenBinding' | 'onBehalfBy'>,
  request: { readonly receivedAt: number; readonly sourceAddress: string },
): DecisionContext {
  const { hour, weekday } = house.localTime.at(request.receivedAt)
  return {
    now: request.receivedAt,
    hour,
    weekday,
    purpose: principal.purpose,
    legalBasis: principal.legalBasis,
    sourceAddress: request.sourceAddress,
    profile: house.profile,
    mfaLevel: principal.mfaLevel,
    // No detector scores callers yet; the fact is there so that policies may name it.
    risk: 0,
    ...ORDINARY_REQUEST,
    tokenBinding: principal.tokenBinding,
    onBehalfBy: principal.onBehalfBy,
  }
}
