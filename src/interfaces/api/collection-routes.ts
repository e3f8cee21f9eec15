import type { FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { type Collection, MAX_BATCH_BYTES, MAX_BATCH_ROWS, MAX_CUT_HOURS, rowsOfLines, rowsOfObjects } from '#assets/collections'
import type { RowGroup } from '#assets/datasets'
import { type EntityFacts, LEGAL_BASES, RedoubtError, SENSITIVITIES } from '#foundation/core'
import { collectBody } from '#gateway/routes'
import type { ControlPlane } from './control-plane.ts'
import { callerOf, demand, demandDecision, mayGoOn, permits, recordRefusal, systemPart } from './guard.ts'
import type { Lanes } from './heavy-work.ts'
import { longOperation } from './long-operation.ts'
import { objectName } from './names.ts'
import { takeRows } from './take-rows.ts'

const columnName = z.string().min(1).max(200)
const collectorNames = z.array(z.string().min(1).max(128)).max(256)
const collectBodySchema = z.strictObject({
  columns: z
    .array(z.strictObject({ name: columnName, type: z.enum(['integer', 'real', 'text']), nullable: z.boolean().default(false) }))
    .min(1)
    .max(512),
  label: columnName.optional(),
  subject: columnName.optional(),
  sensitivity: z.enum(SENSITIVITIES),
  purposes: z.array(z.string().min(1).max(63)).min(1).max(32),
  legalBasis: z.enum(LEGAL_BASES),
  /** Names of service accounts. */
  collectors: collectorNames.default([]),
  /** Hours after which what was collected becomes a version by itself. */
  cutHours: z.int().min(1).max(MAX_CUT_HOURS).nullable().default(null),
})
const rowsBody = z.strictObject({ rows: z.array(z.unknown()) })
const named = z.strictObject({ name: objectName })
/** The form that most clients' keys have; the value is never looked at. */
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,256}$/

/** Data sets that grow row by row: what programs may add to, and versions of what they added. */
export const collectionRoutes =
  (plane: ControlPlane, lanes: Lanes): FastifyPluginAsyncZod =>
  async (app) => {
    const known = (name: string): Collection => {
      const collection = plane.collections.get(name)
      if (!collection) throw new RedoubtError('ERR_NOT_FOUND', `no rows are collected for \`${name}\``)
      return collection
    }
    const part = (name: string): EntityFacts => systemPart(`dataset:${name}`)
    const demandAccounts = (collectors: readonly string[]): void => {
      for (const name of collectors)
        if (plane.identity.serviceAccounts.get(name) === null)
          throw new RedoubtError('ERR_NOT_FOUND', `there is no service account \`${name}\``)
    }

    app.get(
      '/collections',
      { schema: { summary: 'Data sets that are collected row by row, of those that the caller may bring data into or add to' } },
      async (request) => ({
        collections: plane.collections
          .list()
          .filter(
            (collection) =>
              permits(plane, request, 'import', part(collection.name)) ||
              permits(plane, request, 'appendRows', plane.collections.facts(collection, callerOf(request).facts)),
          )
          .map(described),
      }),
    )

    app.post(
      '/datasets/:name/collection',
      { schema: { summary: 'Begin to collect rows for a data set of this name', params: named, body: collectBodySchema } },
      async (request) => {
        const { name } = request.params
        const principal = await demand(plane, request, 'import', part(name))
        demandAccounts(request.body.collectors)
        const { redoubtRequestId: requestId } = request
        return described(await plane.collections.create({ ...request.body, name, by: principal.facts, requestId }))
      },
    )

    app.get(
      '/datasets/:name/collection',
      { schema: { summary: 'How rows are collected for a data set, and how many are in no version yet', params: named } },
      async (request) => {
        const { name } = request.params
        const collection = known(name)
        const { facts, purpose } = await demand(plane, request, 'import', part(name))
        const use = { principal: facts, purpose, resource: { type: 'Dataset', id: name }, requestId: request.redoubtRequestId }
        return { ...described(collection), pending: await plane.collections.pending(name, use) }
      },
    )

    app.put(
      '/datasets/:name/collection/collectors',
      {
        schema: {
          summary: 'Name the service accounts that a collection is granted to, in place of those before',
          params: named,
          body: z.strictObject({ collectors: collectorNames }),
        },
      },
      async (request) => {
        const { name } = request.params
        known(name)
        const principal = await demand(plane, request, 'import', part(name))
        const { collectors } = request.body
        demandAccounts(collectors)
        return described(await plane.collections.setCollectors(name, collectors, principal.facts, request.redoubtRequestId))
      },
    )

    app.post(
      '/datasets/:name/rows',
      {
        schema: {
          summary: `Add rows to a collection, all of them or none: \`application/x-ndjson\`, an object a line, at most ${MAX_BATCH_BYTES / 2 ** 20} MiB and ${MAX_BATCH_ROWS} rows, or \`{"rows": […]}\`; sent again under its \`idempotency-key\` within a day, a batch is not added again`,
          params: named,
          body: z.unknown(),
        },
      },
      async (request, reply) => {
        const { name } = request.params
        const sent = sentRows(request)
        const key = idempotencyKey(request)
        const collection = known(name)
        const facts = (): EntityFacts => plane.collections.facts(known(name), callerOf(request).facts)
        const { principal, decision } = await demandDecision(plane, request, 'appendRows', facts())
        const refused = mayGoOn(plane, request, 'appendRows', facts)
        const release = plane.collections.admit(announcedBytes(request))
        try {
          const { rows, bytes } = await batchOf(plane, request, sent, collection).catch(async (thrown: unknown) => {
            if (thrown instanceof RedoubtError) await recordRefusal(plane, request, 'appendRows', facts(), thrown.code)
            throw thrown
          })
          // A body takes as long to arrive as the caller likes.
          const reason = refused()
          if (reason) throw reason
          await takeRows(plane, request, reply, {
            action: 'appendRows',
            resource: facts(),
            rows: rows.rows,
            obligations: decision.obligations,
          })
          const appended = await plane.collections.append(name, {
            rows,
            bytes,
            key,
            by: principal.facts,
            purpose: principal.purpose,
            legalBasis: principal.legalBasis,
            requestId: request.redoubtRequestId,
          })
          return { name, ...appended }
        } finally {
          release()
        }
      },
    )

    for (const [act, summary] of [
      ['cut', 'Make the next version: all rows so far; answers progress as NDJSON'],
      ['close', 'Take no more rows, and make a version of what was collected; answers progress as NDJSON'],
    ] as const)
      app.post(`/datasets/:name/collection/${act}`, { schema: { summary, params: named } }, async (request, reply) => {
        const { name } = request.params
        known(name)
        const { facts: by } = await demand(plane, request, 'import', part(name))
        const { redoubtRequestId: requestId } = request
        const operation = { requestId, mayGoOn: mayGoOn(plane, request, 'import', () => part(name)) }
        await longOperation(reply, operation, (progress, signal) =>
          lanes.uploads.run(
            async () => ({
              version: await plane.collections[act](name, { by, requestId, progress: (rows) => progress({ rows }), signal }),
            }),
            signal,
          ),
        )
      })
  }

/** Nothing of its rows, and no number of them. */
function described(collection: Collection): Omit<Collection, 'id'> {
  const { id: _id, ...rest } = collection
  return rest
}

/** @throws {RedoubtError} `ERR_INPUT_INVALID`. */
function idempotencyKey(request: FastifyRequest): string | undefined {
  const header = request.headers['idempotency-key']
  if (header === undefined) return undefined
  if (typeof header !== 'string' || !IDEMPOTENCY_KEY.test(header))
    throw new RedoubtError('ERR_INPUT_INVALID', 'an `idempotency-key` is 1 to 256 visible characters of ASCII, given once')
  return header
}

/** What to keep room for; a body that does not say how long it is may be as long as any. */
function announcedBytes({ headers }: FastifyRequest): number {
  const announced = Number(headers['content-length'] ?? Number.NaN)
  return Number.isSafeInteger(announced) && announced >= 0 ? Math.min(announced, MAX_BATCH_BYTES) : MAX_BATCH_BYTES
}

/**
 * Rows that came as one JSON document; null for lines, which are yet to come.
 * @throws {RedoubtError} `ERR_INPUT_CONTENT_TYPE`, `ERR_INPUT_INVALID`.
 */
function sentRows(request: FastifyRequest): readonly unknown[] | null {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase()
  if (type === 'application/x-ndjson') return null
  if (type !== 'application/json')
    throw new RedoubtError('ERR_INPUT_CONTENT_TYPE', 'send rows as `application/x-ndjson`, or as `application/json`')
  const parsed = rowsBody.safeParse(request.body)
  if (!parsed.success) throw new RedoubtError('ERR_INPUT_INVALID', '`rows`: send `{"rows": […]}`, each row an object')
  return parsed.data.rows
}

async function batchOf(
  plane: ControlPlane,
  request: FastifyRequest,
  sent: readonly unknown[] | null,
  { columns }: Collection,
): Promise<{ readonly rows: RowGroup; readonly bytes: number }> {
  if (sent !== null) return { rows: rowsOfObjects(sent, columns), bytes: announcedBytes(request) }
  const body = await collectBody(request.body as IncomingMessage, MAX_BATCH_BYTES, plane.bodyTimeoutMs)
  return { rows: rowsOfLines(body, columns), bytes: body.byteLength }
}
