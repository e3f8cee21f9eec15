import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { checkedTransform, demandName, malformedTransform, planOf, type TransformVersion } from '#assets/transforms'
import { RedoubtError } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'
import { demand, demandTogether, permits } from './guard.ts'
import type { Lanes } from './heavy-work.ts'
import { objectName } from './names.ts'
import { transformFacts } from './transform-facts.ts'
import { answerRun, runSources, versionsOf } from './transform-run.ts'

const transformName = z.strictObject({ name: objectName })
const versionQuery = z.strictObject({ version: z.coerce.number().int().min(1).optional() })
/** Looked at whole by the room, which names the place of what it refuses. */
const definitionBody = z.record(z.string().max(64), z.unknown()).superRefine((written, context) => {
  const message = malformedTransform(written)
  if (message !== null) context.addIssue({ code: 'custom', message })
})
const runBody = z
  .strictObject({
    version: z.number().int().min(1).optional(),
    /** Of the version that is meant: another is not run in its place. */
    digest: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
  })
  .nullish()

/** Transforms of data sets: what makes data sets of others, as a thing of its own that may be looked at, edited and run. */
export const transformRoutes =
  (plane: ControlPlane, lanes: Lanes): FastifyPluginAsyncZod =>
  async (app) => {
    const known = (name: string, version?: number): TransformVersion => {
      const found = plane.transforms.get(name, version)
      if (!found)
        throw new RedoubtError('ERR_NOT_FOUND', `there is no transform \`${name}\`${version === undefined ? '' : ` version ${version}`}`)
      return found
    }

    app.get('/transforms', { schema: { summary: 'Transforms that the caller may view, each in its latest version' } }, async (request) => ({
      transforms: plane.transforms.list().filter((one) => permits(plane, request, 'view', transformFacts(plane, one.name, one))),
    }))

    app.get(
      '/transforms/:name',
      {
        schema: {
          summary: 'The newest versions of a transform, or the one that is named',
          params: transformName,
          querystring: versionQuery,
        },
      },
      async (request) => {
        const { name } = request.params
        const { version } = request.query
        await demand(plane, request, 'view', transformFacts(plane, name, known(name, version)))
        const versions = version === undefined ? plane.transforms.versions(name) : [known(name, version)]
        // Versions read data sets of their own: who may see one need not see another.
        return { name, versions: versions.filter((one) => permits(plane, request, 'view', transformFacts(plane, name, one))) }
      },
    )

    app.put(
      '/transforms/:name',
      { schema: { summary: 'Save a new version of a transform', params: transformName, body: definitionBody } },
      async (request) => {
        const { name } = request.params
        // Nobody is to agree to what cannot be saved.
        demandName(name)
        const definition = checkedTransform(request.body)
        const latest = plane.transforms.get(name)
        const replaces = latest?.digest ?? null
        const principal = await demand(plane, request, 'editTransform', transformFacts(plane, name, latest, definition), {
          meant: { replaces },
        })
        versionsOf(plane, definition)
        const { redoubtRequestId: requestId } = request
        return { transform: await plane.transforms.save({ name, definition, replaces, by: principal.facts, requestId }) }
      },
    )

    app.post(
      '/transforms/check',
      {
        schema: {
          summary: 'What would come out of a transform: its columns and bounds, or the place of its first fault',
          body: definitionBody,
        },
      },
      async (request) => {
        const definition = checkedTransform(request.body)
        const versions = versionsOf(plane, definition)
        const { decisions } = await demandTogether(
          plane,
          request,
          versions.map((source) => ({ action: 'transform' as const, resource: () => plane.datasets.facts(source), about: {} })),
        )
        const sources = runSources(plane, request, versions, decisions)
        const plan = planOf(
          definition,
          sources.map(({ facts }) => facts),
        )
        const { subject, label, sensitivity, purposes, legalBasis } = plan
        return {
          dataset: definition.to.dataset,
          columns: plan.columns.map(({ name, type, masked }) => ({ name, type, masked })),
          subject,
          label,
          sensitivity,
          purposes,
          legalBasis,
          sources: versions.map(({ name, version, digest }) => ({ name, version, digest })),
        }
      },
    )

    app.post(
      '/transforms/:name/run',
      { schema: { summary: 'Run a version of a transform; answers progress as NDJSON', params: transformName, body: runBody } },
      async (request, reply) => {
        const { version, digest } = request.body ?? {}
        const transform = known(request.params.name, version)
        if (digest !== undefined && digest !== transform.digest)
          throw new RedoubtError(
            'ERR_CONFLICT',
            `version ${transform.version} of transform \`${transform.name}\` has the digest ${transform.digest}`,
          )
        await answerRun(plane, lanes, request, reply, transform)
      },
    )
  }
