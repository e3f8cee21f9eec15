import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { EntityUid, Role } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'
import { reportFilters } from './filter-report.ts'
import { demand, theLog } from './guard.ts'
import type { Lanes } from './heavy-work.ts'

const DEFAULT_PERIOD_MS = 30 * 86_400_000
const query = z.strictObject({ from: z.coerce.number().int().min(0).optional() })

/** What filters did. Reading it is reading the log. */
export const filterRoutes =
  (plane: ControlPlane, lanes: Lanes): FastifyPluginAsyncZod =>
  async (app) => {
    const rolesOf = ({ type, id }: EntityUid): readonly Role[] =>
      (type === 'User' ? plane.identity.people.find(id)?.roles : plane.identity.serviceAccounts.get(id)?.roles) ?? []

    app.get(
      '/filters/report',
      {
        schema: {
          summary: 'Values that filters found, by endpoint, role and entity, and what was or in a dry run would have been done',
          querystring: query,
        },
      },
      async (request) => {
        const { facts } = await demand(plane, request, 'readAudit', theLog)
        const to = plane.clock.now()
        const { from = to - DEFAULT_PERIOD_MS } = request.query
        return lanes.downloads.run(() => reportFilters({ log: plane.log, from, to, rolesOf }), undefined, `${facts.type}::${facts.id}`)
      },
    )
  }
