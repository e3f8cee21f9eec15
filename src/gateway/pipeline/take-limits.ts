import { type EntityUid, RedoubtError } from '#foundation/core'
import { limitHeaders } from '#gateway/limits'
import { actorOf } from './decide.ts'
import type { House } from './house.ts'
import type { Authorised, Limited, Refused } from './states.ts'

/**
 * Reserves requests, rows and tokens under every limit of the decision, all or none (C4). A service that acts for a person is charged
 * beside the person: with many people's tokens it gets no more than with one.
 */
export function takeLimits(house: House, state: Authorised): Limited | Refused {
  const { received, call, principal, decision } = state
  const { maxRowsPerCall, limits: rules } = decision.obligations
  if (maxRowsPerCall !== null && (call.cost.rows ?? 0) > maxRowsPerCall) {
    const refused = new RedoubtError('ERR_LIMIT_CALL_SIZE', `one call carries at most ${maxRowsPerCall} rows`, {
      evidence: { maxRowsPerCall },
    })
    return { refused, state }
  }
  const answer = house.limits.take({
    principal: nameOf(principal.facts),
    ...(principal.onBehalfBy === '' ? {} : { actor: nameOf(actorOf(principal)) }),
    endpoint: call.endpoint,
    rules,
    requests: 1,
    ...call.cost,
  })
  if (answer.allowed) {
    // Whatever is answered from here on, a stream too, tells the caller what is left.
    received.reply.setHeaders(limitHeaders(answer.states))
    return { ...state, taken: answer }
  }
  const { rule, retryAfterMs, states: limits } = answer
  const refused = new RedoubtError(answer.code, `at most ${rule.amount} ${rule.unit} in ${rule.windowMs / 1000} seconds`, {
    evidence: { limit: rule.amount, windowMs: rule.windowMs, retryAfterMs },
  })
  return { refused, state, limits, retryAfterMs }
}

/** With its type: a person and a program may bear the same name. */
const nameOf = ({ type, id }: EntityUid): string => `${type}::${id}`
