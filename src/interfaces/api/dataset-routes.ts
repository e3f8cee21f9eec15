import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { accessOf, visibleScan, visibleVersion } from '#assets/datasets'
import { asRedoubtError, isMoreSensitive, LEGAL_BASES, RedoubtError, SENSITIVITIES } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'
import { callerOf, decisionOn, demand, demandDecision, mayGoOn, recordRefusal, streamOf, systemPart } from './guard.ts'
import type { Lanes } from './heavy-work.ts'
import { longOperation, until } from './long-operation.ts'
import { objectName } from './names.ts'

const importQuery = z.strictObject({
  label: z.string().min(1).max(256).optional(),
  subject: z.string().min(1).max(256).optional(),
  sensitivity: z.enum(SENSITIVITIES),
  purpose: z.union([z.string(), z.array(z.string())]).transform((value) => (Array.isArray(value) ? value : [value])),
  legalBasis: z.enum(LEGAL_BASES),
  /** Refuse the file when what is found in it calls for more than `sensitivity`. */
  strict: z.enum(['true', 'false']).default('false'),
})

/** Who may do any of these with a data set may know that it exists, and of its columns and rows what these acts would tell. */
const USES = ['view', 'viewMasked', 'query', 'trainOn', 'transform'] as const

/** Data sets: import of CSV into sealed row groups, and what there is. */
export const datasetRoutes =
  (plane: ControlPlane, lanes: Lanes): FastifyPluginAsyncZod =>
  async (app) => {
    app.get(
      '/datasets',
      { schema: { summary: 'Data sets of which the caller may see or learn something, as far as it may' } },
      async (request) => ({
        datasets: plane.datasets.list().flatMap((version) => {
          const facts = plane.datasets.facts(version)
          const accesses = USES.flatMap((action) => {
            const decision = decisionOn(plane, request, action, facts)
            return decision.effect === 'allow' ? [accessOf(action, decision)] : []
          })
          return accesses.length === 0 ? [] : [visibleVersion(version, accesses)]
        }),
      }),
    )

    app.get(
      '/datasets/:name',
      {
        schema: {
          summary:
            'The latest version of a data set, and what was found in it at its import, as far as the caller may see its rows and columns',
          params: z.strictObject({ name: objectName }),
        },
      },
      async (request) => {
        const { name } = request.params
        const version = plane.datasets.get(name)
        if (!version) throw new RedoubtError('ERR_DATA_UNKNOWN', `there is no data set \`${name}\``)
        const { decision } = await demandDecision(plane, request, 'view', plane.datasets.facts(version))
        const accesses = [accessOf('view', decision)]
        const scan = visibleScan(plane.datasets.scan(version), version, accesses)
        return {
          ...visibleVersion(version, accesses),
          scan,
          derivedFrom: plane.datasets.derivedFrom(version),
          isStricter: scan !== null && isMoreSensitive(scan.sensitivity, version.sensitivity),
        }
      },
    )

    app.post(
      '/datasets/:name/versions',
      {
        schema: {
          summary: 'Import CSV (`text/csv`) as the next version; answers progress as NDJSON',
          params: z.strictObject({ name: objectName }),
          querystring: importQuery,
          body: z.unknown(),
        },
      },
      async (request, reply) => {
        const { label, subject, sensitivity, purpose, legalBasis, strict } = request.query
        const source = streamOf(request, 'text/csv')
        const resource = systemPart(`dataset:${request.params.name}`)
        const principal = await demand(plane, request, 'import', resource)
        if (plane.collections.get(request.params.name)?.state === 'open')
          throw new RedoubtError(
            'ERR_CONFLICT',
            `rows are collected for \`${request.params.name}\`; close it before you import, or import under another name`,
          )
        const operation = { requestId: request.redoubtRequestId, mayGoOn: mayGoOn(plane, request, 'import', () => resource) }
        await longOperation(reply, operation, async (progress, signal) =>
          lanes.uploads.run(
            () =>
              plane.datasets.import(until(source, signal), {
                name: request.params.name,
                ...(label === undefined ? {} : { label }),
                ...(subject === undefined ? {} : { subject }),
                sensitivity,
                purposes: purpose,
                legalBasis,
                strict: strict === 'true',
                by: principal.facts,
                requestId: request.redoubtRequestId,
                progress: (rows, bytes) => progress({ rows, bytes }),
                signal,
              }),
            signal,
          ),
        )
      },
    )

    app.delete(
      '/datasets/:name',
      { schema: { summary: 'Remove a data set with all its versions', params: z.strictObject({ name: objectName }) } },
      async (request) => {
        const { name } = request.params
        const version = plane.datasets.get(name)
        const collection = plane.collections.get(name)
        const facts = version ? plane.datasets.facts(version) : collection && plane.collections.facts(collection, callerOf(request).facts)
        if (!facts) throw new RedoubtError('ERR_DATA_UNKNOWN', `there is no data set \`${name}\``)
        const principal = await demand(plane, request, 'erase', facts, {
          meant: { dataset: name, version: version?.version ?? 0, digest: version?.digest ?? '' },
        })
        const use = {
          principal: principal.facts,
          purpose: principal.purpose,
          resource: { type: 'Dataset', id: name },
          requestId: request.redoubtRequestId,
        }
        try {
          await plane.datasets.demandNotHeld(name, use)
          // It asks once more, with its rows in no version yet, when none can be added any more. First, so that what is collected makes no version of what is gone.
          await plane.collections.remove(name, use)
          if (plane.datasets.get(name)) await plane.datasets.remove(name, use)
        } catch (thrown) {
          const { code } = asRedoubtError(thrown)
          if (code === 'ERR_LEGAL_HOLD') await recordRefusal(plane, request, 'erase', facts, code)
          throw thrown
        }
        return { name, removed: true }
      },
    )
  }
