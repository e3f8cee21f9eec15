import { type EntityUid, type Obligations, RedoubtError } from '#foundation/core'
import { type Exceeded, type LimitAsk, limitHeaders, type Taken } from '#gateway/limits'
import type { Principal } from '#trust/identity'
import { actorOf } from './decide.ts'
import type { House } from './house.ts'
import type { Authorised, Limited, Refused } from './states.ts'

/** Reserves requests, rows and tokens under every limit of the decision, all or none (C4). */
export function takeLimits(house: House, state: Authorised): Limited | Refused {
  const { received, call, principal, decision } = state
  const answer = takeFor(house, principal, call, decision.obligations)
  if (answer instanceof RedoubtError) return { refused: answer, state }
  if (answer.allowed) {
    // Whatever is answered from here on, a stream too, tells the caller what is left.
    received.reply.setHeaders(limitHeaders(answer.states))
    return { ...state, taken: answer }
  }
  const { retryAfterMs, states: limits } = answer
  return { refused: exceededError(answer), state, limits, retryAfterMs }
}

/**
 * What one call of this caller takes. A service that acts for a person is charged beside the person: with many people's tokens it gets no
 * more than with one.
 * @returns what was taken, the limit that is used up, or the error of a call that is too large whatever was used.
 */
export function takeFor(
  { limits }: Pick<House, 'limits'>,
  principal: Pick<Principal, 'facts' | 'onBehalfBy'>,
  { endpoint, cost }: { readonly endpoint: string; readonly cost: Pick<LimitAsk, 'rows' | 'tokens'> },
  { maxRowsPerCall, limits: rules }: Pick<Obligations, 'maxRowsPerCall' | 'limits'>,
): Taken | Exceeded | RedoubtError {
  if (maxRowsPerCall !== null && (cost.rows ?? 0) > maxRowsPerCall)
    return new RedoubtError('ERR_LIMIT_CALL_SIZE', `one call carries at most ${maxRowsPerCall} rows`, { evidence: { maxRowsPerCall } })
  return limits.take({
    principal: nameOf(principal.facts),
    ...(principal.onBehalfBy === '' ? {} : { actor: nameOf(actorOf(principal)) }),
    endpoint,
    rules,
    requests: 1,
    ...cost,
  })
}

export function exceededError({ code, rule, retryAfterMs }: Exceeded): RedoubtError {
  return new RedoubtError(code, `at most ${rule.amount} ${rule.unit} in ${rule.windowMs / 1000} seconds`, {
    evidence: { limit: rule.amount, windowMs: rule.windowMs, retryAfterMs },
  })
}

/** With its type: a person and a program may bear the same name. */
const nameOf = ({ type, id }: EntityUid): string => `${type}::${id}`
