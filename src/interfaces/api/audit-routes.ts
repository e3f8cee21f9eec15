import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { RedoubtError } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'
import { demand, theLog } from './guard.ts'

const text = z.string().min(1).max(256).optional()
const time = z.coerce.number().int().min(0).optional()
const searchQuery = z.strictObject({
  type: text,
  actor: text,
  resource: text,
  requestId: text,
  subject: text,
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
      const wanted = Object.fromEntries(Object.entries(request.query).filter(([, value]) => value !== undefined))
      return plane.audit.search(wanted)
    })

    app.get('/audit/entries/:index', { schema: { summary: 'One entry, with its personal fields where they can still be opened', params: indexParameter } }, async (request) => {
      await demand(plane, request, 'readAudit', theLog)
      const { index } = request.params
      const event = plane.audit.entry(index)
      if (!event) throw new RedoubtError('ERR_NOT_FOUND', `the log has no entry ${index}`)
      return { index, event, personal: await plane.audit.openPersonal(index) }
    })

    app.get('/audit/entries/:index/proof', { schema: { summary: 'A self-contained C2SP tlog-proof of one entry', params: indexParameter } }, async (request) => {
      await demand(plane, request, 'readAudit', theLog)
      const { index } = request.params
      if (index >= plane.audit.size()) throw new RedoubtError('ERR_NOT_FOUND', `the log has no entry ${index}`)
      return { ...(await plane.audit.prove(index)), verifierKey: plane.audit.verifierKey() }
    })

    app.get('/audit/log', { schema: { summary: 'Size, latest checkpoint and verifier key of the log' } }, async (request) => {
      await demand(plane, request, 'readAudit', theLog)
      return { size: plane.audit.size(), checkpoint: await plane.audit.publish(), verifierKey: plane.audit.verifierKey() }
    })
  }
