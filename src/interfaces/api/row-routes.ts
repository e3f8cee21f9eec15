import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { accessOf, aggregate, csvOf, isStricter, MAX_FIRST_ROWS, MIN_GROUP_SIZE, scanOf } from '#assets/datasets'
import { asRedoubtError, type EntityFacts, RedoubtError } from '#foundation/core'
import { columnScanner } from '#gateway/filters'
import { SWEEP_INTERVAL_MS } from '#gateway/pipeline'
import type { ControlPlane } from './control-plane.ts'
import { demandDecision, mayGoOn, permits } from './guard.ts'
import type { Lanes } from './heavy-work.ts'
import { until } from './long-operation.ts'
import { objectName } from './names.ts'

const DEFAULT_ROWS = 20
const columnName = z.string().min(1).max(200)
const name = z.strictObject({ name: objectName })
const rowsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(MAX_FIRST_ROWS).default(DEFAULT_ROWS),
  column: z
    .union([columnName, z.array(columnName).max(MAX_FIRST_ROWS)])
    .optional()
    .transform((value) => (value === undefined ? null : [value].flat())),
  /** Asks for masks although the whole may be seen. */
  masked: z.enum(['true', 'false']).default('false'),
})
const aggregateBody = z.strictObject({ groupBy: columnName.optional(), mean: columnName.optional() })
/** How long a reader of an export may take for what is in the buffers. */
const STALL_MS = 60_000

/** Rows of data sets as the policies let them be seen: some rows, counts and averages, or all of them as a file. */
export const rowRoutes =
  (plane: ControlPlane, lanes: Lanes): FastifyPluginAsyncZod =>
  async (app) => {
    const known = (name: string) => {
      const version = plane.datasets.get(name)
      if (!version) throw new RedoubtError('ERR_DATA_UNKNOWN', `there is no data set \`${name}\``)
      return version
    }
    const begin = async (request: FastifyRequest, action: 'view' | 'viewMasked' | 'query' | 'export', dataset: string) => {
      const version = known(dataset)
      const facts: EntityFacts = plane.datasets.facts(version)
      const { principal, decision } = await demandDecision(plane, request, action, facts)
      const requestId = request.redoubtRequestId
      const use = { principal: principal.facts, purpose: principal.purpose, resource: { type: 'Dataset', id: version.name }, requestId }
      const refused = mayGoOn(plane, request, action, () => plane.datasets.facts(version), decision)
      return { version, decision, use, refused, owner: `${principal.facts.type}::${principal.facts.id}` }
    }

    app.get(
      '/datasets/:name/rows',
      {
        schema: {
          summary: 'The first rows that the caller may see, masked where it may see them masked only',
          params: name,
          querystring: rowsQuery,
        },
      },
      async (request) => {
        const { limit, column, masked } = request.query
        const facts = plane.datasets.facts(known(request.params.name))
        const whole = masked === 'false' && (permits(plane, request, 'view', facts) || !permits(plane, request, 'viewMasked', facts))
        const action = whole ? 'view' : 'viewMasked'
        const { version, decision, use, refused, owner } = await begin(request, action, request.params.name)
        const most = Math.min(limit, decision.obligations.maxRowsPerCall ?? limit)
        const access = accessOf(action, decision, { limit: most })
        // A condition that few rows fulfil reads for long before it has enough.
        const watch = watched(refused)
        const first = await lanes.downloads
          .run(
            () => plane.datasets.first(version, use, access, { limit: most, columns: column ?? undefined, signal: watch.signal }),
            watch.signal,
            owner,
          )
          .finally(watch.end)
        const reason = refused()
        if (reason) throw reason
        const { columns, rows, masked: maskedColumns, hidden, condition, more } = first
        return {
          name: version.name,
          version: version.version,
          access: action,
          columns: columns.map(({ name, type }) => ({ name, type, masked: maskedColumns.includes(name) })),
          // That something is kept back is told, not how much: a number would tell of rows and columns that may not be known.
          columnsHidden: hidden.length > 0,
          rowCondition: condition,
          rows,
          more,
        }
      },
    )

    app.get(
      '/datasets/:name/scan',
      {
        schema: {
          summary: 'What the recognisers find in the rows and columns that the caller may see whole: counts, no value',
          params: name,
        },
      },
      async (request) => {
        const { version, decision, use, refused, owner } = await begin(request, 'view', request.params.name)
        const access = accessOf('view', decision, { scan: true })
        const watch = watched(refused)
        try {
          const reading = plane.datasets.read(version, use, access)
          const scan = await lanes.downloads.run(() => scanOf(reading, columnScanner, watch.signal), watch.signal, owner)
          const reason = refused()
          if (reason) throw reason
          return {
            name: version.name,
            version: version.version,
            given: version.sensitivity,
            rowCondition: reading.condition,
            scan,
            isStricter: isStricter(scan.sensitivity, version.sensitivity),
          }
        } finally {
          watch.end()
        }
      },
    )

    app.post(
      '/datasets/:name/query',
      {
        schema: {
          summary: `Counts and averages over the rows that the caller may use, by group; groups of fewer than ${MIN_GROUP_SIZE} people are not told`,
          params: name,
          body: aggregateBody,
        },
      },
      async (request) => {
        const { groupBy, mean } = request.body
        const { version, decision, use, refused, owner } = await begin(request, 'query', request.params.name)
        const named = [groupBy, mean].filter((column) => column !== undefined)
        const access = accessOf('query', decision, { groupBy: groupBy ?? null, mean: mean ?? null }, named)
        const watch = watched(refused)
        try {
          const reading = plane.datasets.read(version, use, access)
          const answer = await lanes.downloads.run(() => aggregate(reading, { groupBy, mean }, watch.signal), watch.signal, owner)
          const reason = refused()
          if (reason) throw reason
          return { name: version.name, version: version.version, rowCondition: reading.condition, smallestGroup: MIN_GROUP_SIZE, ...answer }
        } finally {
          watch.end()
        }
      },
    )

    app.post(
      '/datasets/:name/export',
      { schema: { summary: 'All rows that the caller may take out, as CSV, with their digest (RFC 9530) behind them', params: name } },
      async (request, reply) => {
        const { version, decision, use, refused, owner } = await begin(request, 'export', request.params.name)
        const reading = plane.datasets.read(version, use, accessOf('export', decision))
        const watch = watched(refused)
        try {
          const send = async (): Promise<void> => {
            const chunks = until(csvOf(reading), watch.signal)
            // What fails before the first rows is answered as any refusal.
            const first = await chunks.next()
            await sendCsv(reply, watch, first.done ? null : first.value, chunks, (sent) =>
              plane.datasets.exported(version, use, { ...sent, rows: reading.tally.admitted, failed: reading.tally.failed }),
            )
          }
          await lanes.downloads.run(send, watch.signal, owner)
        } catch (thrown) {
          if (!reply.sent) throw thrown
          // No trailer follows, so whoever reads knows that the file is not whole.
          plane.logger.warn({ requestId: request.id, code: asRedoubtError(thrown).code }, 'an export broke off')
          reply.raw.destroy()
        } finally {
          watch.end()
        }
      },
    )
  }

interface Watch {
  readonly signal: AbortSignal
  readonly abort: (reason: RedoubtError) => void
  readonly end: () => void
}

/** Asks again and again whether the caller may go on (B8). */
function watched(refused: () => RedoubtError | null): Watch {
  const controller = new AbortController()
  const timer = setInterval(() => {
    const reason = refused()
    if (reason) controller.abort(reason)
  }, SWEEP_INTERVAL_MS)
  return { signal: controller.signal, abort: (reason) => controller.abort(reason), end: () => clearInterval(timer) }
}

/** Streams at the reader's pace. The end is sent once `complete` has made the record of it durable. */
async function sendCsv(
  reply: FastifyReply,
  { signal, abort }: Watch,
  first: Uint8Array | null,
  rest: AsyncIterable<Uint8Array>,
  complete: (sent: { readonly digest: string; readonly bytes: number }) => Promise<void>,
): Promise<void> {
  reply.hijack()
  const out = reply.raw
  const gone = (): void => {
    if (!out.writableFinished) abort(new RedoubtError('ERR_INPUT_TIMEOUT', 'the client closed the connection'))
  }
  if (out.destroyed) gone()
  else out.once('close', gone)
  out.writeHead(200, {
    'content-type': 'text/csv; charset=utf-8; header=present',
    'cache-control': 'no-store',
    'x-request-id': reply.request.id,
    trailer: 'Repr-Digest',
  })
  const hash = createHash('sha256')
  let bytes = 0
  const send = async (chunk: Uint8Array): Promise<void> => {
    hash.update(chunk)
    bytes += chunk.byteLength
    if (!out.write(chunk)) await drained(out, signal)
  }
  if (first) await send(first)
  for await (const chunk of rest) await send(chunk)
  const digest = hash.digest()
  signal.throwIfAborted()
  await complete({ digest: digest.toString('hex'), bytes })
  out.addTrailers({ 'Repr-Digest': `sha-256=:${digest.toString('base64')}:` })
  out.end()
}

/** A reader that stands still does not put off the end of what may not go on. */
async function drained(out: FastifyReply['raw'], signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(new RedoubtError('ERR_INPUT_TIMEOUT', 'the reader of the export stands still')), STALL_MS)
  const closed = (): void => reject(new RedoubtError('ERR_INPUT_TIMEOUT', 'the client closed the connection'))
  const cut = (): void => reject(signal.reason)
  if (signal.aborted) cut()
  signal.addEventListener('abort', cut, { once: true })
  out.once('drain', resolve).once('close', closed)
  try {
    await promise
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', cut)
    out.off('drain', resolve).off('close', closed)
  }
}
