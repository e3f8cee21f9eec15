import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { type EntityFacts, RedoubtError } from '#foundation/core'
import type { Hold, HoldTarget } from '#governance/erasure'
import type { KeyUse } from '#trust/keys'
import { words } from './approval-routes.ts'
import type { ControlPlane } from './control-plane.ts'
import { demand, permits, systemPart } from './guard.ts'
import { objectName, subjectName } from './names.ts'
import type { Principal } from '#trust/identity'

const SUBJECTS = systemPart('subjects')

/** Legal holds: what must be kept for now. `hold` is asked of the data set, or of the people as a whole: a request names nobody. */
export const holdRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    /** Of a data set that is gone, what is known of it is its name. */
    const factsOf = ({ kind, target }: HoldTarget): EntityFacts => {
      if (kind === 'subject') return SUBJECTS
      const version = plane.datasets.get(target)
      return version ? plane.datasets.facts(version) : systemPart(`dataset:${target}`)
    }
    const useOf = (request: FastifyRequest, principal: Principal, { type, id }: EntityFacts): KeyUse => ({
      principal: principal.facts,
      purpose: principal.purpose,
      resource: { type, id },
      requestId: request.redoubtRequestId,
    })

    app.post(
      '/holds',
      {
        schema: {
          summary: 'Set a legal hold on a person or a data set, until a date; nothing of it is erased meanwhile',
          body: z.strictObject({
            on: z.union([z.strictObject({ subject: subjectName }), z.strictObject({ dataset: objectName })]),
            until: z.iso.datetime().describe('UTC'),
            reason: words,
          }),
        },
      },
      async (request): Promise<Hold> => {
        const { on, until, reason } = request.body
        const target: HoldTarget =
          'subject' in on ? { kind: 'subject', target: plane.pseudonym(on.subject) } : { kind: 'dataset', target: on.dataset }
        if (target.kind === 'dataset' && plane.datasets.get(target.target) === null)
          throw new RedoubtError('ERR_DATA_UNKNOWN', `there is no data set \`${target.target}\``)
        const facts = factsOf(target)
        const principal = await demand(plane, request, 'hold', facts)
        return plane.holds.set(target, { until: Date.parse(until), reason }, useOf(request, principal, facts))
      },
    )

    app.get(
      '/holds',
      { schema: { summary: 'Legal holds, newest first, ended ones too; those that the caller may set' } },
      async (request) => {
        await demand(plane, request, 'view', systemPart('holds'))
        return { holds: plane.holds.list().filter((hold) => permits(plane, request, 'hold', factsOf(hold))) }
      },
    )

    app.post(
      '/holds/:id/lift',
      {
        schema: {
          summary: 'Lift a legal hold before its date',
          params: z.strictObject({ id: z.string().regex(/^hold_[A-Za-z0-9_-]{22}$/) }),
          body: z.strictObject({ reason: words }),
        },
      },
      async (request): Promise<Hold> => {
        const { id } = request.params
        const facts = factsOf(plane.holds.get(id))
        const principal = await demand(plane, request, 'hold', facts)
        return plane.holds.lift(id, request.body.reason, useOf(request, principal, facts))
      },
    )
  }
