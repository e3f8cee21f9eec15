import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { ErasedSince } from '#assets/datasets'
import { builtIn } from '#assets/pipelines'
import type { ModelVersion } from '#assets/registry'
import { ALGORITHMS } from '#assets/training'
import { RedoubtError, SENSITIVITIES } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'
import type { About } from './exceptional.ts'
import { demand, mayGoOn, permits, streamOf, systemPart } from './guard.ts'
import type { Lanes } from './heavy-work.ts'
import { objectName } from './names.ts'
import { runPipeline } from './pipeline-run.ts'

/** The largest model file taken in one request. */
const MAX_MODEL_BYTES = 256 * 1024 * 1024

const modelName = z.strictObject({ name: objectName })
const trainBody = z.strictObject({
  dataset: objectName,
  algorithm: z.enum(ALGORITHMS),
  seed: z
    .number()
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(1),
})
const registerQuery = z.strictObject({
  sensitivity: z.enum(SENSITIVITIES),
  purpose: z
    .union([z.string(), z.array(z.string())])
    .default([])
    .transform((value) => (Array.isArray(value) ? value : [value])),
})
const quarantineBody = z.strictObject({ version: z.number().int().min(1).optional(), reason: z.string().min(1).max(512) })
/** Without a body the latest version is meant. */
const versionBody = z.strictObject({ version: z.number().int().min(1).optional() }).nullish()

/** Of a history that grows for ever, the latest are shown. */
const MAX_DEPLOYMENTS_SHOWN = 100

/** Models: training, registration, deployment, lineage. */
export const modelRoutes =
  (plane: ControlPlane, lanes: Lanes): FastifyPluginAsyncZod =>
  async (app) => {
    const known = (name: string, version?: number) => {
      const found = plane.registry.get(name, version)
      if (!found)
        throw new RedoubtError('ERR_MODEL_UNKNOWN', `there is no model \`${name}\`${version === undefined ? '' : ` version ${version}`}`)
      return found
    }

    const putIntoService = async (request: FastifyRequest, kind: 'deploy' | 'rollback', version: ModelVersion) => {
      const principal = await demand(plane, request, kind, plane.registry.facts(version), aboutVersion(version))
      const deployment = await plane.registry[kind](version.name, version.version, principal.facts, {
        requestId: request.redoubtRequestId,
        stage: (model) => plane.models.stage(model),
      })
      return { deployment, model: version }
    }

    app.get('/models', { schema: { summary: 'Models that the caller may view' } }, async (request) => ({
      models: plane.registry
        .list()
        .filter((version) => permits(plane, request, 'view', plane.registry.facts(version)))
        .map((version) => ({ ...shown(plane)(version), deployed: plane.registry.deployed(version.name)?.version === version.version })),
    }))

    app.post(
      '/models/:name/train',
      {
        schema: {
          summary: 'Train a model on a data set, by a built-in pipeline; answers progress as NDJSON',
          params: modelName,
          body: trainBody,
        },
      },
      async (request, reply) => {
        const { name } = request.params
        const { dataset, algorithm, seed } = request.body
        await runPipeline(plane, lanes, request, reply, { pipeline: builtIn(algorithm), dataset, model: name, seed })
      },
    )

    app.post(
      '/models/:name/versions',
      {
        bodyLimit: MAX_MODEL_BYTES,
        schema: {
          summary: 'Register an ONNX file (`application/octet-stream`)',
          params: modelName,
          querystring: registerQuery,
          body: z.unknown(),
        },
      },
      async (request, reply) => {
        const { name } = request.params
        const source = streamOf(request, 'application/octet-stream')
        const resource = systemPart(`model:${name}`)
        const principal = await demand(plane, request, 'register', resource)
        const refused = mayGoOn(plane, request, 'register', () => resource)
        // A file is held whole, so only a few are taken in at once.
        const version = await lanes.uploads.run(async () => {
          const file = await collect(source, MAX_MODEL_BYTES)
          const reason = refused()
          if (reason) throw reason
          return plane.registry.register({
            name,
            file,
            foreign: true,
            sensitivity: request.query.sensitivity,
            purposes: request.query.purpose,
            lineage: {
              dataset: null,
              pipeline: 'foreign',
              codeDigest: '',
              parameters: {},
              person: { type: principal.facts.type, id: principal.facts.id },
              parent: null,
            },
            by: principal.facts,
            requestId: request.redoubtRequestId,
          })
        }, gone(request))
        return reply.code(201).send({ model: version })
      },
    )

    app.get('/models/:name', { schema: { summary: 'All versions of a model, with lineage', params: modelName } }, async (request) => {
      await demand(plane, request, 'view', plane.registry.facts(known(request.params.name)))
      const { name } = request.params
      // Versions differ in sensitivity and purposes: who may see one need not see another.
      const versions = plane.registry
        .list()
        .filter((version) => version.name === name && permits(plane, request, 'view', plane.registry.facts(version)))
      const seen = new Set(versions.map(({ version }) => version))
      const back = plane.registry.rollbackTarget(name)?.version
      return {
        name,
        deployed: plane.registry.deployed(name)?.version ?? null,
        rollbackTo: back !== undefined && seen.has(back) ? back : null,
        deployments: plane.registry
          .deploymentHistory(name)
          .filter(({ version }) => seen.has(version))
          .slice(-MAX_DEPLOYMENTS_SHOWN),
        versions: versions.map(shown(plane)),
      }
    })

    app.get(
      '/models/:name/versions/:version/signature',
      {
        schema: {
          summary: 'The OpenSSF Model Signing bundle of a version',
          params: z.strictObject({ name: objectName, version: z.coerce.number().int().min(1) }),
        },
      },
      async (request, reply) => {
        const { name, version } = request.params
        await demand(plane, request, 'view', plane.registry.facts(known(name, version)))
        return reply.type('application/vnd.dev.sigstore.bundle.v0.3+json').send(await plane.registry.signature(name, version))
      },
    )

    app.post(
      '/models/:name/deploy',
      { schema: { summary: 'Verify a version over the very bytes and serve it', params: modelName, body: versionBody } },
      async (request) => {
        const { name } = request.params
        const version = known(name, request.body?.version)
        // To go back is the same act by whichever route it is asked for, and asks the same question.
        const kind = plane.registry.rollbackRefusal(name, version.version) === null ? 'rollback' : 'deploy'
        return putIntoService(request, kind, version)
      },
    )

    app.post(
      '/models/:name/rollback',
      {
        schema: {
          summary: 'Go back to an older version that was in service here, by default the one before; verified as for a deployment',
          params: modelName,
          body: versionBody,
        },
      },
      async (request) => {
        const { name } = request.params
        const named = request.body?.version
        const version = named === undefined ? plane.registry.rollbackTarget(name) : known(name, named)
        if (version) return putIntoService(request, 'rollback', version)
        await demand(plane, request, 'rollback', plane.registry.facts(plane.registry.deployed(name) ?? known(name)))
        throw new RedoubtError('ERR_MODEL_ROLLBACK', 'there is no version that served here before and can be gone back to')
      },
    )

    app.post(
      '/models/:name/quarantine',
      { schema: { summary: 'Stop serving a version at once', params: modelName, body: quarantineBody } },
      async (request) => {
        const { name } = request.params
        // In an incident the version that serves is meant, not a newer one that lies ready.
        const version = known(name, request.body.version ?? plane.registry.deployed(name)?.version)
        const principal = await demand(plane, request, 'administer', plane.registry.facts(version), aboutVersion(version))
        await plane.registry.quarantine(version.name, version.version, principal.facts, request.body.reason, {
          requestId: request.redoubtRequestId,
        })
        return { name: version.name, version: version.version, quarantined: true }
      },
    )

    app.delete('/models/:name', { schema: { summary: 'Remove a model with all its versions', params: modelName } }, async (request) => {
      const { name } = request.params
      const latest = known(name)
      const principal = await demand(plane, request, 'erase', plane.registry.facts(latest), aboutVersion(latest))
      plane.models.unload(name)
      await plane.registry.remove(name, principal.facts, { requestId: request.redoubtRequestId })
      // A deployment that was under way may have come first.
      plane.models.unload(name)
      return { name, removed: true }
    })
  }

/** Approvals are of this very version, and not by who made it or wrote any of the pipeline that it came from. */
const aboutVersion = ({ name, version, digest, lineage }: ModelVersion): About => ({
  meant: { model: name, version, digest },
  author: lineage.person,
  contributors: lineage.pipelineVersion ? [lineage.pipelineVersion.author, ...(lineage.pipelineVersion.earlierAuthors ?? [])] : [],
})

/** Without the number of rows of a data set that early versions hold beside those learned from; with what was erased of these since. */
const shown =
  ({ datasets }: Pick<ControlPlane, 'datasets'>) =>
  (version: ModelVersion): ModelVersion & { readonly erasedSince: ErasedSince | null } => {
    const { dataset } = version.lineage
    if (!dataset) return { ...version, erasedSince: null }
    const { name, version: number, digest, rows } = dataset
    const lineage = rows
      ? { ...version.lineage, dataset: { ...dataset, rows: { condition: rows.condition, admitted: rows.admitted } } }
      : version.lineage
    return { ...version, lineage, erasedSince: datasets.erasedSince(name, number, digest) }
  }

/** Fires when the caller leaves before its body has arrived. */
function gone(request: FastifyRequest): AbortSignal {
  const abort = new AbortController()
  request.raw.once('close', () => {
    if (!request.raw.complete) abort.abort(new RedoubtError('ERR_INPUT_MALFORMED', 'the body broke off'))
  })
  return abort.signal
}

async function collect(source: AsyncIterable<Buffer>, maxBytes: number): Promise<Uint8Array> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of source) {
    size += part.byteLength
    if (size > maxBytes) throw new RedoubtError('ERR_INPUT_TOO_LARGE', `a model file has at most ${maxBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts, size)
}
