import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { type EntityFacts, RedoubtError } from '#foundation/core'
import { isStricter } from '#gateway/pipeline'
import type { Review } from '#governance/oversight'
import { doerOf, words } from './approval-routes.ts'
import { answeredCall, contestAsk } from './contest.ts'
import type { ControlPlane } from './control-plane.ts'
import { callerOf, demand, demandDecision, demandTogether, permits, systemPart, theLog } from './guard.ts'
import { subjectName } from './names.ts'
import { resourceFacts } from './resource-facts.ts'

const reviewId = z.strictObject({ id: z.string().regex(/^rev_[A-Za-z0-9_-]{22}$/) })
const requestId = z.string().regex(/^req_[A-Za-z0-9_-]{22}$/)
const MAX_VALUES = 1_000
const MAX_TEXT = 100_000
const value = z.union([z.string().max(1_000), z.number(), z.boolean()])
const overrideBody = z.strictObject({
  override: z.union([
    z.strictObject({ text: z.string().min(1).max(MAX_TEXT) }),
    z.strictObject({ outputs: z.record(z.string().min(1).max(64), z.array(value).min(1).max(MAX_VALUES)) }),
  ]),
  reason: words,
})

/** Human review: what waits for a person, what people decided of it, and answers that were contested. */
export const reviewRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    const { reviews } = plane
    const isOwn = (request: FastifyRequest, { asker }: Review): boolean => {
      const { type, id } = callerOf(request).facts
      return asker.type === type && asker.id === id
    }
    const mayReview = (request: FastifyRequest, review: Review): boolean => {
      const facts = presentFacts(plane, review)
      return facts !== null && permits(plane, request, 'review', facts) && reviews.isIndependent(review, callerOf(request).facts)
    }
    /** Demanded of whoever looks at what is held, or decides it. */
    const demandReviewer = async (request: FastifyRequest): Promise<string> => {
      const { id } = request.params as { id: string }
      const { facts, mfaLevel } = await demand(plane, request, 'review', resourceFacts(plane, reviews.get(id).resource), {
        notDelegated: true,
      })
      // The policies say so too; a file of the operator's that replaces them must not open this to programs.
      if (plane.profile === 'production' && (facts.type !== 'User' || mfaLevel < 2))
        throw new RedoubtError('ERR_POLICY_DENIED', 'in production a person with two factors reviews')
      return id
    }

    app.get(
      '/reviews',
      { schema: { summary: 'Reviews: one’s own, and those that one may decide; without what is held' } },
      async (request) => {
        await demand(plane, request, 'view', systemPart('reviews'))
        const shown = reviews.list((review) => isOwn(request, review) || mayReview(request, review))
        // Who decided is nothing for who asked: they are told that a person did, and why.
        return { reviews: shown.map((review) => (isOwn(request, review) ? { ...review, reviewer: null } : review)) }
      },
    )

    app.post(
      '/reviews',
      {
        schema: {
          summary: 'Contest an answer: by whose call it was, or for the person whom it was about',
          body: z.strictObject({ requestId, reason: words, subject: subjectName.optional() }),
        },
      },
      async (request, reply) => {
        const { requestId, reason, subject = null } = request.body
        const found = answeredCall(plane, requestId, null)
        const { type, id } = callerOf(request).facts
        const own = found.caller.type === type && found.caller.id === id
        if (own) await demand(plane, request, 'invoke', found.resource)
        else {
          // GDPR art. 22(3): whoever answers people’s requests contests for them. To look into the calls of others is to read the record.
          const resource = (): EntityFacts => resourceFacts(plane, found.resource)
          await demandTogether(plane, request, [
            { action: 'explain', resource, about: {} },
            { action: 'readAudit', resource: () => theLog, about: {} },
          ])
        }
        // INVARIANT: whom a call was about is told, also by its absence, to nobody who was refused.
        const call = subject === null ? found : answeredCall(plane, requestId, subject)
        if (!own && subject === null) throw new RedoubtError('ERR_INPUT_INVALID', 'name the person for whom you contest it, as `subject`')
        reviews.demandUncontested(requestId)
        const ticket = await reviews.ask(await contestAsk(plane, { call, requestId, asker: { type, id }, subject, reason }))
        return reply.code(201).send(reviews.get(ticket.id))
      },
    )

    app.get(
      '/reviews/:id',
      { schema: { summary: 'A review: its state to whoever asked, all that is held to a reviewer; on record', params: reviewId } },
      async (request) => {
        const review = reviews.get(request.params.id)
        if (isOwn(request, review)) {
          await demand(plane, request, 'view', systemPart('reviews'))
          return reviews.reasonOf(review.id)
        }
        return reviews.open(await demandReviewer(request), doerOf(request))
      },
    )

    app.post(
      '/reviews/:id/release',
      {
        schema: {
          summary: 'Let it go on as it is',
          params: reviewId,
          body: z.strictObject({ comment: z.string().max(1_000).default('') }),
        },
      },
      async (request) => reviews.release(await demandReviewer(request), request.body.comment, doerOf(request)),
    )

    app.post(
      '/reviews/:id/reject',
      { schema: { summary: 'Refuse it; what is held is gone', params: reviewId, body: z.strictObject({ reason: words }) } },
      async (request) => reviews.reject(await demandReviewer(request), request.body.reason, doerOf(request)),
    )

    app.post(
      '/reviews/:id/override',
      { schema: { summary: 'Decide otherwise than the model: a text, or other values of outputs', params: reviewId, body: overrideBody } },
      async (request) => {
        const { override, reason } = request.body
        return reviews.override(await demandReviewer(request), override, reason, doerOf(request))
      },
    )

    app.get(
      '/reviews/:id/answer',
      { schema: { summary: 'The answer that was released, or that a person decided; to whoever asked, decided anew', params: reviewId } },
      async (request) => {
        const review = reviews.get(request.params.id)
        if (!isOwn(request, review)) throw new RedoubtError('ERR_NOT_FOUND', 'there is no such review of yours')
        const forPerson = review.asker.type !== review.caller.type || review.asker.id !== review.caller.id
        const facts = resourceFacts(plane, review.resource)
        // As when it was contested: it is an answer to another account.
        if (forPerson) await demand(plane, request, 'readAudit', theLog)
        const { decision } = await demandDecision(plane, request, forPerson ? 'explain' : 'invoke', facts)
        const { reason, contentType, answer } = await reviews.answer(review.id, doerOf(request), (held) => {
          if (review.kind !== 'contest' && isStricter(decision.obligations.filterOutput, held as typeof decision.obligations.filterOutput))
            throw new RedoubtError('ERR_POLICY_DENIED', 'the policies now ask for a stricter filter than this answer went through')
        })
        return { review: review.id, state: review.state, decidedBy: 'person', decidedAt: review.decidedAt, reason, contentType, answer }
      },
    )
  }

/** Null for what is there no more: nobody may review it, and it expires. */
function presentFacts(plane: ControlPlane, { resource }: Review): EntityFacts | null {
  try {
    return resourceFacts(plane, resource)
  } catch {
    return null
  }
}
