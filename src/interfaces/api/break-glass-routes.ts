import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { ACTIONS, RedoubtError } from '#foundation/core'
import { doerOf, words } from './approval-routes.ts'
import type { ControlPlane } from './control-plane.ts'
import { callerOf, contextOf, demand, permits, systemPart } from './guard.ts'
import { resourceFacts } from './resource-facts.ts'

const DEFAULT_MINUTES = 30
const grantId = z.strictObject({ id: z.string().regex(/^bg_[A-Za-z0-9_-]{22}$/) })
const startBody = z.strictObject({
  action: z.enum(ACTIONS),
  resource: z.strictObject({
    type: z.enum(['Dataset', 'Model', 'Endpoint', 'Key', 'Log', 'System', 'Pipeline', 'Transform', 'Account']),
    id: z.string().min(1).max(128),
  }),
  reason: words,
  minutes: z.number().int().min(1).max(60).default(DEFAULT_MINUTES),
})

/** Break-glass: access for minutes when nobody answers, told at once and reviewed by another person. */
export const breakGlassRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    const theGlass = systemPart('break-glass')
    const reviews = systemPart('break-glass-reviews')

    app.get('/break-glass', { schema: { summary: 'Break-glass grants: one’s own; all, for those who review them' } }, async (request) => {
      const { facts } = await demand(plane, request, 'view', theGlass)
      const all = permits(plane, request, 'respond', reviews)
      return {
        grants: plane.exceptions.grants
          .list()
          .filter(({ principal }) => all || (principal.type === facts.type && principal.id === facts.id)),
      }
    })

    app.post(
      '/break-glass',
      { schema: { summary: 'Break the glass: one action on one object for minutes; raises a critical alert', body: startBody } },
      async (request, reply) => {
        const principal = await demand(plane, request, 'respond', theGlass, { notDelegated: true })
        // The policies say so too; a file of the operator's that replaces them must not open this to programs.
        if (plane.profile === 'production' && (principal.facts.type !== 'User' || principal.mfaLevel < 2))
          throw new RedoubtError('ERR_BREAK_GLASS', 'in production the glass is broken by people with two factors')
        const { action, resource, reason, minutes } = request.body
        const facts = resourceFacts(plane, resource, action)
        const query = {
          principal: principal.facts,
          action,
          resource: facts,
          context: contextOf(plane, request, principal, action, facts),
        }
        if (plane.policies.decide(query).effect === 'allow')
          throw new RedoubtError('ERR_CONFLICT', 'you may do this without break-glass, as far as policy can tell beforehand')
        if (plane.policies.decide({ ...query, context: { ...query.context, breakGlass: true } }).effect !== 'allow')
          throw new RedoubtError('ERR_BREAK_GLASS')
        return reply.code(201).send(await plane.exceptions.grants.start({ action, resource, reason, minutes }, doerOf(request)))
      },
    )

    app.post('/break-glass/:id/end', { schema: { summary: 'End a grant at once', params: grantId } }, async (request) => {
      const { principal } = plane.exceptions.grants.get(request.params.id)
      const { type, id } = callerOf(request).facts
      await demand(plane, request, 'respond', principal.type === type && principal.id === id ? theGlass : reviews)
      return plane.exceptions.grants.end(request.params.id, doerOf(request))
    })

    app.post(
      '/break-glass/:id/review',
      {
        schema: { summary: 'Say what a grant was used for; by another person', params: grantId, body: z.strictObject({ finding: words }) },
      },
      async (request) => {
        const { facts } = await demand(plane, request, 'respond', reviews, { notDelegated: true })
        if (plane.profile === 'production' && facts.type !== 'User')
          throw new RedoubtError('ERR_BREAK_GLASS', 'in production a person reviews it')
        return plane.exceptions.grants.review(request.params.id, request.body.finding, doerOf(request))
      },
    )
  }
