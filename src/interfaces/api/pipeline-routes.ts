import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { builtIn, checkedDefinition, definitionSchema, demandName, type PipelineVersion } from '#assets/pipelines'
import { ALGORITHMS } from '#assets/training'
import { RedoubtError } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'
import { demand, permits } from './guard.ts'
import type { Lanes } from './heavy-work.ts'
import { objectName } from './names.ts'
import { pipelineFacts } from './pipeline-facts.ts'
import { runPipeline } from './pipeline-run.ts'

const pipelineName = z.strictObject({ name: objectName })
const builtInName = z.strictObject({ algorithm: z.enum(ALGORITHMS) })
const versionQuery = z.strictObject({ version: z.coerce.number().int().min(1).optional() })
const runBody = z
  .strictObject({
    version: z.number().int().min(1).optional(),
    /** Of the version that is meant: another is not run in its place. */
    digest: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
    seed: z
      .number()
      .int()
      .min(0)
      .max(2 ** 32 - 1)
      .optional(),
  })
  .nullish()

/** Training pipelines: what makes models, as a thing of its own that may be looked at, edited and run. */
export const pipelineRoutes =
  (plane: ControlPlane, lanes: Lanes): FastifyPluginAsyncZod =>
  async (app) => {
    const known = (name: string, version?: number): PipelineVersion => {
      const found = plane.pipelines.get(name, version)
      if (!found)
        throw new RedoubtError('ERR_NOT_FOUND', `there is no pipeline \`${name}\`${version === undefined ? '' : ` version ${version}`}`)
      return found
    }

    app.get(
      '/pipelines',
      { schema: { summary: 'Training pipelines that the caller may view, each in its latest version' } },
      async (request) => ({
        pipelines: plane.pipelines.list().filter((version) => permits(plane, request, 'view', pipelineFacts(plane, version.name, version))),
      }),
    )

    app.get(
      '/pipelines/:name',
      {
        schema: {
          summary: 'The newest versions of a training pipeline, or the one that is named',
          params: pipelineName,
          querystring: versionQuery,
        },
      },
      async (request) => {
        const { name } = request.params
        const { version } = request.query
        await demand(plane, request, 'view', pipelineFacts(plane, name, known(name, version)))
        const versions = version === undefined ? plane.pipelines.versions(name) : [known(name, version)]
        // Versions learn from data sets of their own: who may see one need not see another.
        return { name, versions: versions.filter((one) => permits(plane, request, 'view', pipelineFacts(plane, name, one))) }
      },
    )

    app.get(
      '/pipelines/redoubt/:algorithm',
      { schema: { summary: 'A built-in training pipeline', params: builtInName } },
      async (request) => {
        const version = builtIn(request.params.algorithm)
        await demand(plane, request, 'view', pipelineFacts(plane, version.name, version))
        return { name: version.name, versions: [version] }
      },
    )

    app.put(
      '/pipelines/redoubt/:algorithm',
      { schema: { summary: 'Refused, on record: built-in pipelines are edited by nobody', params: builtInName, body: definitionSchema } },
      async (request) => {
        const version = builtIn(request.params.algorithm)
        await demand(plane, request, 'editPipeline', pipelineFacts(plane, version.name, version, [request.body.dataset]))
        // Whatever the policies say.
        throw new RedoubtError('ERR_CONFLICT', `\`${version.name}\` is built in; save a pipeline under a name of your own`)
      },
    )

    app.put(
      '/pipelines/:name',
      { schema: { summary: 'Save a new version of a training pipeline', params: pipelineName, body: definitionSchema } },
      async (request) => {
        const { name } = request.params
        // Nobody is to agree to what cannot be saved.
        demandName(name)
        const definition = checkedDefinition(request.body)
        const latest = plane.pipelines.get(name)
        const replaces = latest?.digest ?? null
        const principal = await demand(plane, request, 'editPipeline', pipelineFacts(plane, name, latest, [definition.dataset]), {
          meant: { replaces },
        })
        if (!plane.datasets.get(definition.dataset))
          throw new RedoubtError('ERR_DATA_UNKNOWN', `there is no data set \`${definition.dataset}\``)
        const { redoubtRequestId: requestId } = request
        return { pipeline: await plane.pipelines.save({ name, definition, replaces, by: principal.facts, requestId }) }
      },
    )

    app.post(
      '/pipelines/:name/run',
      {
        schema: {
          summary: 'Run a version of a training pipeline; answers progress as NDJSON',
          params: pipelineName,
          body: runBody,
        },
      },
      async (request, reply) => {
        const { version, digest, seed } = request.body ?? {}
        const pipeline = known(request.params.name, version)
        const { name, dataset, model } = pipeline
        if (dataset === null || model === null) throw new RedoubtError('ERR_CONFLICT', `\`${name}\` is built in; train a model by it`)
        if (digest !== undefined && digest !== pipeline.digest)
          throw new RedoubtError('ERR_CONFLICT', `version ${pipeline.version} of pipeline \`${name}\` has the digest ${pipeline.digest}`)
        await runPipeline(plane, lanes, request, reply, { pipeline, dataset, model, seed: seed ?? pipeline.seed })
      },
    )
  }
