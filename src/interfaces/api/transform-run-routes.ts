import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { demandGoesOn, type TransformRun } from '#assets/transforms'
import { type EntityFacts, RedoubtError } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'
import { callerOf, demand, permits } from './guard.ts'
import { transformFacts } from './transform-facts.ts'

const runId = z.strictObject({ id: z.string().regex(/^run_[A-Za-z0-9_-]{22}$/) })

/** Runs of transforms: how they go, and their end before it comes. */
export const transformRunRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    const factsOf = ({ transform: { name, version } }: TransformRun): EntityFacts =>
      transformFacts(plane, name, plane.transforms.get(name, version))

    app.get(
      '/transform-runs',
      { schema: { summary: 'Runs of transforms that wait, go on or ended lately, newest first: the caller’s own, and those that the caller may cancel' } }, // prettier-ignore
      async (request) => {
        const { type, id } = callerOf(request).facts
        return {
          runs: plane.transformRuns
            .list()
            .filter((run) => (run.by.type === type && run.by.id === id) || permits(plane, request, 'cancelTransform', factsOf(run))),
        }
      },
    )

    app.post(
      '/transform-runs/:id/cancel',
      { schema: { summary: 'Cancel a run of a transform; answers when nothing of it is left', params: runId } },
      async (request) => {
        const run = plane.transformRuns.get(request.params.id)
        if (!run) throw new RedoubtError('ERR_NOT_FOUND', `there is no run \`${request.params.id}\``)
        const { facts: by } = await demand(plane, request, 'cancelTransform', factsOf(run))
        demandGoesOn(plane.transformRuns.get(run.id) ?? run)
        await plane.transforms.recordCancel(run, { by, requestId: request.redoubtRequestId })
        return { run: await plane.transformRuns.cancel(run.id) }
      },
    )
  }
