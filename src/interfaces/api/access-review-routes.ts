import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { RedoubtError } from '#foundation/core'
import { doerOf } from './approval-routes.ts'
import type { ControlPlane } from './control-plane.ts'
import { accountOf, demand, permits, systemPart, theLog } from './guard.ts'

const reviewId = z.strictObject({ id: z.string().regex(/^rev_[A-Za-z0-9_-]{22}$/) })
const itemOf = reviewId.extend({ item: z.coerce.number().int().min(1).max(100_000) })

/** Access reviews: who holds which role, line by line attested or revoked by a date. */
export const accessReviewRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    const access = systemPart('access')
    /** Those who manage access, and those who audit it. */
    const demandReader = (request: FastifyRequest) =>
      permits(plane, request, 'readAudit', theLog)
        ? demand(plane, request, 'readAudit', theLog)
        : demand(plane, request, 'manageAccess', access)

    app.get('/access/reviews', { schema: { summary: 'Access reviews, newest first' } }, async (request) => {
      await demandReader(request)
      return { reviews: plane.exceptions.accessReviews.list() }
    })

    app.post(
      '/access/reviews',
      {
        schema: {
          summary: 'Begin an access review of all accounts and roles as they are now',
          body: z.strictObject({ days: z.number().int().min(1).max(365).optional() }),
        },
      },
      async (request, reply) => {
        await demand(plane, request, 'manageAccess', access, { notDelegated: true })
        return reply
          .code(201)
          .send(await plane.exceptions.accessReviews.start(request.body.days ?? plane.accessReviewDays, doerOf(request)))
      },
    )

    app.get('/access/reviews/:id', { schema: { summary: 'An access review with its items', params: reviewId } }, async (request) => {
      await demandReader(request)
      return plane.exceptions.accessReviews.get(request.params.id)
    })

    for (const verdict of ['attest', 'revoke'] as const)
      app.post(
        `/access/reviews/:id/items/:item/${verdict}`,
        {
          schema: {
            summary:
              verdict === 'attest'
                ? 'Attest that the account still needs the role'
                : 'Take the role away, from the account’s next request on',
            params: itemOf,
          },
        },
        async (request) => {
          const { id, item } = request.params
          const found = plane.exceptions.accessReviews.get(id).items.find((one) => one.item === item)
          if (!found) throw new RedoubtError('ERR_NOT_FOUND', `the review has no item ${item}`)
          await demand(plane, request, 'manageAccess', accountOf(found.account.id), { notDelegated: true })
          return plane.exceptions.accessReviews[verdict](id, item, doerOf(request))
        },
      )
  }
