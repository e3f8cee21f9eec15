import type { FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { ACTIONS, RedoubtError } from '#foundation/core'
import { decisionContext } from '#gateway/pipeline'
import type { ControlPlane } from './control-plane.ts'
import type { About } from './exceptional.ts'
import { demand, systemPart, theLog } from './guard.ts'
import { type PolicyChange, recorded, reloadPolicies } from './policy-change.ts'
import type { Approved } from './policy-store.ts'
import { resourceFacts } from './resource-facts.ts'
import { supposedCaller } from './supposed-caller.ts'

const fileName = z.strictObject({ name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/) })
/** What of a recorded event a decision can be explained from. */
const decided = z.object({
  actor: z.object({ type: z.string(), id: z.string() }),
  action: z.enum(ACTIONS),
  resource: z.object({ type: z.string(), id: z.string() }),
  time: z.number(),
  code: z.string().optional(),
  details: z.object({ mfaLevel: z.number().optional() }).optional(),
  decision: z.object({ effect: z.string(), policies: z.array(z.string()), policySet: z.string() }),
})
const whyBody = z.strictObject({
  /** A service account, or a person by id or login name. */
  account: z.string().min(1).max(256),
  /** At which a person is supposed to have signed in. */
  mfaLevel: z.number().int().min(0).max(3).optional(),
  action: z.enum(ACTIONS),
  resource: z.strictObject({
    type: z.enum(['Model', 'Dataset', 'Endpoint', 'System', 'Log', 'Key', 'Pipeline', 'Transform', 'Account']),
    id: z.string().min(1).max(128),
  }),
  at: z.number().int().min(0).optional(),
  sourceAddress: z.string().max(64).default('127.0.0.1'),
})

/** Policies: what is in force, one file more or less, and why a decision came out as it did. */
export const policyRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    /** A change is approved of the policies as they are, and of the folder as it is where that is read, and held to both when it is made. */
    const changing = (folder: boolean): { readonly about: About; readonly approved: (request: FastifyRequest) => Approved } => {
      let meant: { policySet: string; folder?: string | null } | null = null
      return {
        about: {
          meant: () => (meant = { policySet: plane.policies.engine.digest, ...(folder ? { folder: plane.policies.folderDigest() } : {}) }),
        },
        approved: ({ exceptionUsed }) => (exceptionUsed?.approval ? (meant ?? {}) : {}),
      }
    }

    app.get('/policies', { schema: { summary: 'Policy files in force' } }, async (request) => {
      await demand(plane, request, 'view', systemPart('policies'))
      return { digest: plane.policies.engine.digest, files: plane.policies.list(), tables: plane.policies.tables() }
    })

    app.put(
      '/policies/:name',
      {
        schema: {
          summary: 'Add or replace one policy file, with its truth table; validated and tested as a whole before it takes effect',
          params: fileName,
          body: z.strictObject({ text: z.string(), tests: z.string().nullable().optional() }),
        },
      },
      async (request) => {
        const { about, approved } = changing(false)
        const principal = await demand(plane, request, 'administer', systemPart('policies'), about)
        const { name } = request.params
        const { text, tests } = request.body
        const change: PolicyChange = {
          type: 'policy.put',
          part: `policy:${name}`,
          actor: principal.facts,
          requestId: request.redoubtRequestId,
        }
        const { after, cases, invariants } = await recorded(plane, change, () => plane.policies.put(name, text, tests, approved(request)))
        return { name, digest: after, cases, invariants }
      },
    )

    app.delete(
      '/policies/:name',
      { schema: { summary: 'Remove one policy file that was put here, and its truth table', params: fileName } },
      async (request) => {
        const { about, approved } = changing(false)
        const principal = await demand(plane, request, 'administer', systemPart('policies'), about)
        const { name } = request.params
        const change: PolicyChange = {
          type: 'policy.remove',
          part: `policy:${name}`,
          actor: principal.facts,
          requestId: request.redoubtRequestId,
        }
        const { after, cases, invariants } = await recorded(plane, change, () => plane.policies.remove(name, approved(request)))
        return { name, digest: after, cases, invariants }
      },
    )

    app.post(
      '/policies/reload',
      { schema: { summary: 'Read the folder of policies again: all of it takes effect, or nothing' } },
      async (request) => {
        const { about, approved } = changing(true)
        const principal = await demand(plane, request, 'administer', systemPart('policies'), about)
        return reloadPolicies(plane, principal.facts, request.redoubtRequestId, approved(request))
      },
    )

    app.get(
      '/policies/why/:requestId',
      {
        schema: { summary: 'Explain the recorded decision of a request', params: z.strictObject({ requestId: z.string().min(1).max(64) }) },
      },
      async (request) => {
        await demand(plane, request, 'readAudit', theLog)
        const { requestId } = request.params
        const found = plane.log
          .search({ requestId, limit: 20 })
          .entries.map((entry) => decided.safeParse(entry.event))
          .find((entry) => entry.success)?.data
        if (!found) throw new RedoubtError('ERR_NOT_FOUND', `the log has no decision of request \`${requestId}\``)
        const { actor, action, resource, time, code, details, decision } = found
        const principal = supposedCaller(plane, actor.id, details?.mfaLevel)
        if (!principal) throw new RedoubtError('ERR_NOT_FOUND', `there is no account \`${actor.id}\``)
        const context = decisionContext(plane, principal, { receivedAt: time, sourceAddress: '127.0.0.1' })
        const explanation = plane.policies.engine.why({
          principal: principal.facts,
          action,
          resource: resourceFacts(plane, resource, action, principal.facts),
          context,
        })
        const recorded = { time: new Date(time).toISOString(), code: code ?? null, ...decision }
        return { requestId, recorded, samePolicies: decision.policySet === plane.policies.engine.digest, ...explanation }
      },
    )

    app.post('/policies/why', { schema: { summary: 'Decide a hypothetical request and explain it', body: whyBody } }, async (request) => {
      await demand(plane, request, 'view', systemPart('policies'))
      const { account, mfaLevel, action, resource, at, sourceAddress } = request.body
      const principal = supposedCaller(plane, account, mfaLevel)
      if (!principal) throw new RedoubtError('ERR_NOT_FOUND', `there is neither an account nor a person \`${account}\``)
      const context = decisionContext(plane, principal, { receivedAt: at ?? plane.clock.now(), sourceAddress })
      return plane.policies.engine.why({
        principal: principal.facts,
        action,
        resource: resourceFacts(plane, resource, action, principal.facts),
        context,
      })
    })
  }
