import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Decision, type EntityFacts, RedoubtError } from '#foundation/core'
import { limitHeaders } from '#gateway/limits'
import { exceededError, takeFor } from '#gateway/pipeline'
import type { ControlPlane } from './control-plane.ts'
import { callerOf, decisionOn, recordRefusal } from './guard.ts'

/**
 * To explain a row is to ask the model about it: it tells the score, and more. So it takes what an inference of one row takes, out of the same
 * windows, under the limits of both: of what lets the caller explain, and of what lets it invoke. Stays taken whatever becomes of the explanation.
 * @throws {RedoubtError} `ERR_LIMIT_REQUESTS`, `ERR_LIMIT_ROWS`, `ERR_LIMIT_CALL_SIZE`, recorded; what `take` throws.
 */
export async function takeForRow(
  plane: ControlPlane,
  request: FastifyRequest,
  reply: FastifyReply,
  model: EntityFacts,
  explaining: Decision,
): Promise<void> {
  const { limits, maxRowsPerCall } = explaining.obligations
  const invoking = decisionOn(plane, request, 'invoke', model)
  const others = invoking.effect === 'allow' ? invoking.obligations : { limits: [], maxRowsPerCall: null }
  const most = [maxRowsPerCall, others.maxRowsPerCall].filter((each) => each !== null)
  const answer = takeFor(
    plane,
    callerOf(request),
    { endpoint: `Model/${model.id}`, cost: { rows: 1 } },
    { limits: [...limits, ...others.limits], maxRowsPerCall: most.length === 0 ? null : Math.min(...most) },
  )
  if (!(answer instanceof RedoubtError) && answer.allowed) {
    void reply.headers(limitHeaders(answer.states))
    answer.settle({})
    return
  }
  const refusal = answer instanceof RedoubtError ? answer : exceededError(answer)
  if (!(answer instanceof RedoubtError)) void reply.headers(limitHeaders(answer.states, answer))
  await recordRefusal(plane, request, 'explain', model, refusal.code)
  throw refusal
}
