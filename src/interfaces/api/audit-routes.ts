import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { type EntityUid, RedoubtError } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'
import { demand, theLog } from './guard.ts'
import { subjectName } from './names.ts'

const text = z.string().min(1).max(256).optional()
const time = z.coerce.number().int().min(0).optional()
const searchQuery = z.strictObject({
  type: text,
  actor: text,
  resource: text,
  requestId: text,
  subject: subjectName.optional(),
  code: text,
  outcome: z.enum(['success', 'refused', 'failed']).optional(),
  from: time,
  to: time,
  before: time,
  limit: z.coerce.number().int().min(1).max(1_000).default(50),
})
const indexParameter = z.strictObject({ index: z.coerce.number().int().min(0) })

/** The record: search, single entries with what may be opened of them, and proofs to take away. Reading it is recorded too. */
export const auditRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    app.get('/audit/entries', { schema: { summary: 'Search the log', querystring: searchQuery } }, async (request) => {
      await demand(plane, request, 'readAudit', theLog)
      const { actor, resource, ...rest } = request.query
      const wanted = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
      return plane.log.search({
        ...wanted,
        ...(actor === undefined ? {} : { actor: uid(actor) }),
        ...(resource === undefined ? {} : { resource: uid(resource) }),
      })
    })

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

/** `Type::id` as it is written on a command line. */
function uid(text: string): EntityUid {
  const cut = text.indexOf('::')
  if (cut < 1) throw new RedoubtError('ERR_INPUT_INVALID', 'an actor or resource is written `Type::id`')
  return { type: text.slice(0, cut), id: text.slice(cut + 2) }
}
