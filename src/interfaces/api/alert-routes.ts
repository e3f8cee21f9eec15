import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { ALERT_SEVERITIES } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'
import { demand, systemPart } from './guard.ts'

const alertsQuery = z.strictObject({
  state: z.enum(['open', 'acknowledged', 'all']).default('open'),
  severity: z.enum(ALERT_SEVERITIES).optional(),
  kind: z.string().min(1).max(64).optional(),
  before: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(50),
})
const alertId = z.strictObject({ id: z.string().regex(/^alr_[A-Za-z0-9_-]{22}$/) })

/** Alerts: what asks for attention, and who took note of it. */
export const alertRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    app.get('/alerts', { schema: { summary: 'Alerts, newest first', querystring: alertsQuery } }, async (request) => {
      await demand(plane, request, 'view', systemPart('alerts'))
      const { severity, kind, before, ...rest } = request.query
      return plane.alerts.list({
        ...rest,
        ...(severity === undefined ? {} : { severity }),
        ...(kind === undefined ? {} : { kind }),
        ...(before === undefined ? {} : { before }),
      })
    })

    app.post('/alerts/test', { schema: { summary: 'Send a test message to every place, and answer what each said' } }, async (request) => {
      const principal = await demand(plane, request, 'respond', systemPart('alerts'))
      return { places: await plane.alerts.test(principal.facts, request.redoubtRequestId) }
    })

    app.post(
      '/alerts/:id/acknowledge',
      { schema: { summary: 'Take note of an alert; recorded with who did', params: alertId } },
      async (request) => {
        const principal = await demand(plane, request, 'respond', systemPart('alerts'))
        return plane.alerts.acknowledge(request.params.id, principal.facts, request.redoubtRequestId)
      },
    )
  }
