import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { LEGAL_BASES, RedoubtError, ROLES } from '#foundation/core'
import { BINDINGS } from '#trust/client'
import { reviewAccess } from './access-review.ts'
import type { ControlPlane } from './control-plane.ts'
import { accountOf, callerOf, demand, systemPart, theLog } from './guard.ts'
import { actingOf } from './own-caller.ts'

const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'lower case letters, digits, dots, dashes and underscores, at most 63')
const newAccount = z.strictObject({
  name,
  roles: z.array(z.enum(ROLES)).min(1).max(8),
  purpose: z.string().max(128),
  legalBasis: z.enum(LEGAL_BASES),
  /** What each token of the account must be bound to. */
  binding: z.enum(BINDINGS).optional(),
  /** PEM, for the binding `mtls`: the account authenticates with it. */
  certificate: z.string().max(16_384).optional(),
  /** For whom it may act by token exchange. */
  mayActFor: z
    .strictObject({ roles: z.array(z.enum(ROLES)).min(1).max(8), purposes: z.array(z.string().max(128)).min(1).max(16) })
    .optional(),
})
const newKey = z.strictObject({ certificate: z.string().max(16_384).optional() }).nullish()

/** A month: who works with something does so within it. */
const REVIEW_PERIOD_MS = 30 * 86_400_000
const reviewQuery = z.strictObject({ from: z.coerce.number().int().min(0).optional() })

/** Service accounts, the caller itself, and the enrolment of the administrator. */
export const accessRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    app.get('/whoami', { schema: { summary: 'Who the access token speaks for' } }, async (request) => {
      const { facts, name, roles, purpose, legalBasis, mfaLevel, authTime, sessionId, tokenBinding, onBehalfBy, token } = callerOf(request)
      const { type, id } = facts
      const person = { mfaLevel, authTime, sessionId }
      return { type, id, name, roles, purpose, legalBasis, ...person, tokenBinding, onBehalfBy, tokenExpiresAt: token.expiresAt }
    })

    app.get('/service-accounts', { schema: { summary: 'List service accounts' } }, async (request) => {
      await demand(plane, request, 'manageAccess', systemPart('access'))
      return { serviceAccounts: plane.identity.serviceAccounts.list() }
    })

    app.post(
      '/service-accounts',
      { schema: { summary: 'Create a service account; its private key is answered once', body: newAccount } },
      async (request, reply) => {
        const { body } = request
        const principal = await demand(plane, request, 'manageAccess', accountOf(body.name))
        if (body.roles.includes('bootstrap')) throw new RedoubtError('ERR_INPUT_INVALID', 'the role `bootstrap` is not given to accounts')
        const { account, privateKeyJwk } = await plane.identity.serviceAccounts.create(body, actingOf(principal))
        return reply.code(201).send({ account, privateKeyJwk })
      },
    )

    app.post(
      '/service-accounts/:name/disable',
      { schema: { summary: 'Disable an account, effective on its next request', params: z.strictObject({ name }) } },
      async (request) => {
        const principal = await demand(plane, request, 'manageAccess', accountOf(request.params.name))
        await plane.identity.serviceAccounts.disable(request.params.name, principal.facts)
        return { name: request.params.name, disabled: true }
      },
    )

    app.post(
      '/service-accounts/:name/rotate',
      {
        schema: {
          summary: 'Give an account a new key, or a new certificate; the old one and its tokens end at once',
          params: z.strictObject({ name }),
          body: newKey,
        },
      },
      async (request) => {
        const principal = await demand(plane, request, 'manageAccess', accountOf(request.params.name))
        return plane.identity.serviceAccounts.replaceKey(request.params.name, actingOf(principal), request.body?.certificate)
      },
    )

    app.get(
      '/access/review',
      { schema: { summary: 'Least privilege from the record: what accounts may do beside what they did', querystring: reviewQuery } },
      async (request) => {
        await demand(plane, request, 'readAudit', theLog)
        const to = plane.clock.now()
        const { from = to - REVIEW_PERIOD_MS } = request.query
        const { log, profile } = plane
        return reviewAccess({ log, accounts: plane.identity.serviceAccounts.list(), engine: plane.policies.engine, profile, from, to })
      },
    )

    app.get(
      '/access/risk/:name',
      {
        schema: {
          summary: 'How unlike its habits a service account or person acts, with the reasons',
          params: z.strictObject({ name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/) }),
        },
      },
      async (request) => {
        const { name } = request.params
        await demand(plane, request, 'view', accountOf(name))
        const known = plane.conditions.explain({ type: 'ServiceAccount', id: name }) ?? plane.conditions.explain({ type: 'User', id: name })
        if (known === null) throw new RedoubtError('ERR_NOT_FOUND', `nothing was seen of an account \`${name}\` yet`)
        return known
      },
    )

    app.post(
      '/enrolment-links',
      { schema: { summary: 'A new one-use link to enrol the administrator’s security key' } },
      async (request) => {
        const principal = await demand(plane, request, 'manageAccess', systemPart('enrolment'))
        return plane.identity.createEnrolmentLink(actingOf(principal))
      },
    )
  }
