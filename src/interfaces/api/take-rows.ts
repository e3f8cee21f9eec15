import type { FastifyReply, FastifyRequest } from 'fastify'
import { type EntityFacts, RedoubtError } from '#foundation/core'
import { limitHeaders } from '#gateway/limits'
import { exceededError, takeFor } from '#gateway/pipeline'
import type { ControlPlane } from './control-plane.ts'
import { callerOf, recordRefusal } from './guard.ts'

/**
 * Takes rows out of the caller's windows, as an inference does. They stay taken whatever becomes of the request.
 * @param action as which a refusal is recorded.
 * @throws {RedoubtError} `ERR_LIMIT_REQUESTS`, `ERR_LIMIT_ROWS`, `ERR_LIMIT_CALL_SIZE`, recorded; what `take` throws.
 */
export async function takeRows(
  plane: ControlPlane,
  request: FastifyRequest,
  reply: FastifyReply,
  {
    action,
    resource,
    rows,
    obligations,
  }: {
    readonly action: 'appendRows' | 'explain'
    readonly resource: EntityFacts
    readonly rows: number
    readonly obligations: Parameters<typeof takeFor>[3]
  },
): Promise<void> {
  const endpoint = `${resource.type}/${resource.id}`
  const answer = takeFor(plane, callerOf(request), { endpoint, cost: { rows } }, obligations)
  if (!(answer instanceof RedoubtError) && answer.allowed) {
    void reply.headers(limitHeaders(answer.states))
    answer.settle({})
    return
  }
  const refusal = answer instanceof RedoubtError ? answer : exceededError(answer)
  if (!(answer instanceof RedoubtError)) void reply.headers(limitHeaders(answer.states, answer))
  await recordRefusal(plane, request, action, resource, refusal.code)
  throw refusal
}
