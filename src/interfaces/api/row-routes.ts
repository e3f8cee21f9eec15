import type { FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { accessOf, aggregate, csvOf, MAX_FIRST_ROWS, MIN_GROUP_SIZE, scanOf } from '#assets/datasets'
import { asRedoubtError, type EntityFacts, isMoreSensitive, RedoubtError } from '#foundation/core'
import { columnScanner } from '#gateway/filters'
import type { ControlPlane } from './control-plane.ts'
import { sendFile, watched } from './file-answer.ts'
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
            isStricter: isMoreSensitive(scan.sensitivity, version.sensitivity),
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
          summary: `Counts and averages over the rows that the caller may use, by group; groups of fewer than ${MIN_GROUP_SIZE} people are not told, numbers are rounded`,
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
            await sendFile(reply, watch, 'text/csv; charset=utf-8; header=present', first.done ? null : first.value, chunks, (sent) =>
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
