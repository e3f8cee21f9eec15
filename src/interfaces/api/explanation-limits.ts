import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Decision, EntityFacts } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'
import { decisionOn } from './guard.ts'
import { takeRows } from './take-rows.ts'

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
  await takeRows(plane, request, reply, {
    action: 'explain',
    resource: model,
    rows: 1,
    obligations: { limits: [...limits, ...others.limits], maxRowsPerCall: most.length === 0 ? null : Math.min(...most) },
  })
}
