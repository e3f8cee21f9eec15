import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Approval, ApprovalInFull, Doer } from '#governance/approvals'
import type { ControlPlane } from './control-plane.ts'
import { callerOf, contextOf, demand, permits, systemPart } from './guard.ts'

const approvalId = z.strictObject({ id: z.string().regex(/^apr_[A-Za-z0-9_-]{22}$/) })
const digest = z.string().regex(/^[0-9a-f]{64}$/)
/** What people write of why. */
export const words = z.string().trim().min(1).max(1_000)

export const doerOf = (request: FastifyRequest): Doer => ({ uid: callerOf(request).facts, requestId: request.redoubtRequestId })

/** Four eyes: what policy refuses for want of approvals is asked for here, and approved by others, who see exactly what they approve. */
export const approvalRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    const isOwn = (request: FastifyRequest, { principal }: Approval): boolean => {
      const { type, id } = callerOf(request).facts
      return principal.type === type && principal.id === id
    }
    /** Demanded of whoever looks at or decides what is not their own request. */
    const demandApprover = (request: FastifyRequest, { resourceFacts }: ApprovalInFull) => demand(plane, request, 'approve', resourceFacts)

    app.get(
      '/approvals',
      { schema: { summary: 'Approval requests: one’s own, and those that one may approve; without what they hold' } },
      async (request) => {
        const shown = plane.exceptions.fourEyes.list(
          (approval, resource) => isOwn(request, approval) || permits(plane, request, 'approve', resource),
        )
        return {
          approvals: shown.map(({ payload: _payload, reason: _reason, votes, resourceFacts: _facts, ...approval }) => ({
            ...approval,
            votes: votes.length,
          })),
        }
      },
    )

    app.post(
      '/approvals',
      {
        schema: {
          summary: 'Ask for approval of what was refused with `ERR_APPROVAL_REQUIRED`',
          body: z.strictObject({ offer: z.string().regex(/^off_[A-Za-z0-9_-]{22}$/), reason: words }),
        },
      },
      async (request, reply) => {
        await demand(plane, request, 'view', systemPart('approvals'))
        return reply.code(201).send(await plane.exceptions.fourEyes.request(request.body.offer, request.body.reason, doerOf(request)))
      },
    )

    app.get(
      '/approvals/:id',
      { schema: { summary: 'An approval request with all that is approved', params: approvalId } },
      async (request) => {
        const approval = plane.exceptions.fourEyes.get(request.params.id)
        if (isOwn(request, approval)) await demand(plane, request, 'view', systemPart('approvals'))
        else await demandApprover(request, approval)
        return shown(approval)
      },
    )

    app.post(
      '/approvals/:id/approve',
      {
        schema: {
          summary: 'Approve exactly what has this digest; by people other than who asked and who made it',
          params: approvalId,
          body: z.strictObject({ digest, comment: z.string().max(1_000).default('') }),
        },
      },
      async (request) => {
        const { id } = request.params
        const { resourceFacts } = plane.exceptions.fourEyes.get(id)
        const principal = await demand(plane, request, 'approve', resourceFacts, { notDelegated: true })
        const { digest, comment } = request.body
        return shown(
          await plane.exceptions.fourEyes.approve(
            id,
            digest,
            comment,
            doerOf(request),
            contextOf(plane, request, principal, 'approve', resourceFacts),
          ),
        )
      },
    )

    app.post(
      '/approvals/:id/deny',
      { schema: { summary: 'Refuse it for good', params: approvalId, body: z.strictObject({ reason: words }) } },
      async (request) => {
        const { id } = request.params
        const { resourceFacts } = plane.exceptions.fourEyes.get(id)
        const principal = await demand(plane, request, 'approve', resourceFacts, { notDelegated: true })
        return shown(
          await plane.exceptions.fourEyes.deny(
            id,
            request.body.reason,
            doerOf(request),
            contextOf(plane, request, principal, 'approve', resourceFacts),
          ),
        )
      },
    )

    app.post('/approvals/:id/withdraw', { schema: { summary: 'Withdraw one’s own request', params: approvalId } }, async (request) => {
      await demand(plane, request, 'view', systemPart('approvals'))
      return shown(await plane.exceptions.fourEyes.withdraw(request.params.id, doerOf(request)))
    })
  }

/** The payload as JSON for people and as the text of which the digest is, for whoever checks it. */
function shown({ resourceFacts: _facts, votes, payload, ...approval }: ApprovalInFull) {
  return {
    ...approval,
    votes: votes.map(({ approver, at, comment }) => ({ approver, at, comment })),
    payload: JSON.parse(payload) as unknown,
    canonicalPayload: payload,
  }
}
