import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { type EntityUid, type LimitRule, RedoubtError, type Role } from '#foundation/core'
import { decisionContext } from '#gateway/pipeline'
import type { ControlPlane } from './control-plane.ts'
import { demand, theLog } from './guard.ts'
import type { Lanes } from './heavy-work.ts'
import { suggestFromRecord } from './limit-suggestions.ts'
import { resourceFacts } from './resource-facts.ts'
import { supposedCaller } from './supposed-caller.ts'

const DEFAULT_PERIOD_MS = 30 * 86_400_000
const query = z.strictObject({
  from: z.coerce.number().int().min(0).optional(),
  keep: z.coerce.number().gt(0).max(1).default(0.999),
  headroom: z.coerce.number().min(1).max(100).default(1.25),
})

/** Limits from past use. Reading them is reading the log. */
export const limitRoutes =
  (plane: ControlPlane, lanes: Lanes): FastifyPluginAsyncZod =>
  async (app) => {
    const rolesOf = ({ type, id }: EntityUid): readonly Role[] =>
      (type === 'User' ? plane.identity.people.find(id)?.roles : plane.identity.serviceAccounts.get(id)?.roles) ?? []

    const limitsOf = ({ id }: EntityUid, endpoint: EntityUid): readonly LimitRule[] | null => {
      const principal = supposedCaller(plane, id)
      if (!principal) return null
      try {
        const context = decisionContext(plane, principal, { receivedAt: plane.clock.now(), sourceAddress: '127.0.0.1', endpoint: '' })
        const decision = plane.policies.engine.decide({
          principal: principal.facts,
          action: 'invoke',
          resource: resourceFacts(plane, endpoint),
          context,
        })
        return decision.effect === 'allow' ? decision.obligations.limits : null
      } catch (thrown) {
        // A model that is gone has no limits.
        if (thrown instanceof RedoubtError && thrown.code === 'ERR_NOT_FOUND') return null
        throw thrown
      }
    }

    app.get(
      '/limits/suggestions',
      { schema: { summary: 'Limits per endpoint and role from past use, with what they would have refused', querystring: query } },
      async (request) => {
        const { facts } = await demand(plane, request, 'readAudit', theLog)
        const to = plane.clock.now()
        const { from = to - DEFAULT_PERIOD_MS, keep, headroom } = request.query
        const work = () => suggestFromRecord({ log: plane.log, from, to, rolesOf, limitsOf }, { keep, headroom })
        return lanes.downloads.run(work, undefined, `${facts.type}::${facts.id}`)
      },
    )
  }
