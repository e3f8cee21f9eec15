import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { asRedoubtError, type AuditEvent, type EntityUid, RedoubtError } from '#foundation/core'
import { EXPORT_BEGUN, EXPORT_ENDED, type ExportSelection, type LogExport } from '#trust/audit'
import type { ControlPlane } from './control-plane.ts'
import { sendFile, watched } from './file-answer.ts'
import { demand, mayGoOn, theLog } from './guard.ts'
import type { Lanes } from './heavy-work.ts'
import { until } from './long-operation.ts'
import { subjectName } from './names.ts'

const text = z.string().min(1).max(256).optional()
const time = z.coerce.number().int().min(0).optional()
const filters = {
  type: text,
  actor: text,
  resource: text,
  requestId: text,
  subject: subjectName.optional(),
  code: text,
  outcome: z.enum(['success', 'refused', 'failed']).optional(),
  from: time,
  to: time,
}
const searchQuery = z.strictObject({ ...filters, before: time, limit: z.coerce.number().int().min(1).max(1_000).default(50) })
const exportQuery = z.strictObject(filters)
const indexParameter = z.strictObject({ index: z.coerce.number().int().min(0) })

/** The record: search, single entries with what may be opened of them, and proofs to take away. Reading it is recorded too. */
export const auditRoutes =
  (plane: ControlPlane, lanes: Lanes): FastifyPluginAsyncZod =>
  async (app) => {
    app.get('/audit/entries', { schema: { summary: 'Search the log', querystring: searchQuery } }, async (request) => {
      await demand(plane, request, 'readAudit', theLog)
      const { before, limit, ...rest } = request.query
      return plane.log.search({ ...wantedOf(rest), limit, ...(before === undefined ? {} : { before }) })
    })

    app.get(
      '/audit/export',
      {
        schema: {
          summary:
            'Entries as a file (NDJSON) that proves itself offline: all between two times, or a selection; personal fields stay sealed; recorded as it begins and as it ends',
          querystring: exportQuery,
        },
      },
      async (request, reply) => {
        const selection = wantedOf(request.query)
        const { facts, purpose } = await demand(plane, request, 'exportAudit', theLog)
        const refused = mayGoOn(plane, request, 'exportAudit', () => theLog)
        const event = (type: string): AuditEvent => ({
          type,
          actor: { type: facts.type, id: facts.id },
          action: 'exportAudit',
          resource: { type: theLog.type, id: theLog.id },
          outcome: 'success',
          requestId: request.redoubtRequestId,
          purpose,
        })
        const watch = watched(refused)
        let running: LogExport | null = null
        let recorded = false
        const send = async (): Promise<void> => {
          const begun = await plane.log.beginExport(selection)
          const { subject } = begun.facts['selection'] as { readonly subject?: string }
          // Whose entries were looked for is found by them.
          const subjects = subject === undefined ? {} : { subjects: [subject] }
          await plane.audit.record({ ...event(EXPORT_BEGUN), details: { ...begun.facts, ...subjects } })
          running = begun
          const lines = begun.chunks(async ({ entries, digest }) => {
            // The closing line makes the file one that proves itself, so it is asked for a last time.
            const reason = refused()
            if (reason) throw reason
            const receipt = await plane.audit.record({ ...event(EXPORT_ENDED), details: { ...begun.facts, entries, digest } })
            recorded = true
            return receipt
          })
          const chunks = until(lines, watch.signal)
          const first = await chunks.next()
          await sendFile(reply, watch, 'application/x-ndjson', first.done ? null : first.value, chunks, async () => undefined)
        }
        try {
          await lanes.downloads.run(send, watch.signal, `${facts.type}::${facts.id}`)
        } catch (thrown) {
          const { code } = asRedoubtError(thrown)
          const broken = running as LogExport | null
          if (broken !== null && !recorded)
            await plane.audit
              .record({ ...event(EXPORT_ENDED), outcome: 'failed', code, details: { ...broken.facts, ...broken.sent } })
              .catch((error: unknown) => plane.logger.error({ err: error }, 'the end of an export could not be recorded'))
          if (!reply.sent) throw thrown
          // Neither closing line nor trailer follows, so whoever reads knows that the file is not whole.
          plane.logger.warn({ requestId: request.id, code }, 'an export broke off')
          reply.raw.destroy()
        } finally {
          watch.end()
        }
      },
    )

    app.get(
      '/audit/entries/:index',
      { schema: { summary: 'One entry, with its personal fields where they can still be opened', params: indexParameter } },
      async (request) => {
        await demand(plane, request, 'readAudit', theLog)
        const { index } = request.params
        const event = plane.log.entry(index)
        if (!event) throw new RedoubtError('ERR_NOT_FOUND', `the log has no entry ${index}`)
        return { index, event, personal: await plane.log.openPersonal(index) }
      },
    )

    app.get(
      '/audit/entries/:index/proof',
      { schema: { summary: 'A self-contained C2SP tlog-proof of one entry', params: indexParameter } },
      async (request) => {
        await demand(plane, request, 'readAudit', theLog)
        const { index } = request.params
        if (index >= plane.log.size()) throw new RedoubtError('ERR_NOT_FOUND', `the log has no entry ${index}`)
        return { ...(await plane.log.prove(index)), verifierKey: plane.log.verifierKey() }
      },
    )

    app.get('/audit/log', { schema: { summary: 'Size, latest checkpoint and verifier key of the log' } }, async (request) => {
      await demand(plane, request, 'readAudit', theLog)
      return { size: plane.log.size(), checkpoint: await plane.log.publish(), verifierKey: plane.log.verifierKey() }
    })
  }

function wantedOf({ actor, resource, ...rest }: z.infer<typeof exportQuery>): ExportSelection {
  return {
    ...(Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as ExportSelection),
    ...(actor === undefined ? {} : { actor: uid(actor) }),
    ...(resource === undefined ? {} : { resource: uid(resource) }),
  }
}

/** `Type::id` as it is written on a command line. */
function uid(text: string): EntityUid {
  const cut = text.indexOf('::')
  if (cut < 1) throw new RedoubtError('ERR_INPUT_INVALID', 'an actor or resource is written `Type::id`')
  return { type: text.slice(0, cut), id: text.slice(cut + 2) }
}
