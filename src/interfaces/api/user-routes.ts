import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { LEGAL_BASES, RedoubtError, ROLES } from '#foundation/core'
import type { Person, Recovery } from '#trust/identity'
import type { ControlPlane } from './control-plane.ts'
import { accountOf, callerOf, demand, systemPart } from './guard.ts'
import { actingOf, ownCaller } from './own-caller.ts'

const id = (prefix: string) => z.string().regex(new RegExp(`^${prefix}_[A-Za-z0-9_-]{22}$`), `an id of the form \`${prefix}_…\``)
const user = z.strictObject({ id: id('user') })
const roles = z.array(z.enum(ROLES)).min(1).max(ROLES.length)
const groups = z.array(z.string().max(63)).max(32)
const newUser = z.strictObject({
  loginName: z.string().min(1).max(128),
  roles,
  groups: groups.default([]),
  purpose: z.string().max(128),
  legalBasis: z.enum(LEGAL_BASES),
})
const rights = z.strictObject({ roles: roles.optional(), groups: groups.optional() })

/** People: who there is, with which rights and factors, and help when keys are lost. Sessions have their own file. */
export const userRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    // Asked for at each request: the reference page is made without a house.
    const everyone = () => plane.identity.people
    const named = async (person: Person) => ({ ...shown(person), loginName: await everyone().loginNameOf(person.id) })

    app.get('/users', { schema: { summary: 'List people' } }, async (request) => {
      await demand(plane, request, 'manageAccess', systemPart('access'))
      return { users: await Promise.all(everyone().list().map(named)) }
    })

    app.post(
      '/users',
      { schema: { summary: 'Create a person; the answer holds a one-use link to enrol a security key', body: newUser } },
      async (request, reply) => {
        const principal = await demand(plane, request, 'manageAccess', systemPart('access'))
        const { person, link } = await everyone().create(request.body, actingOf(principal))
        return reply.code(201).send({ user: await named(person), link })
      },
    )

    app.get('/users/:id', { schema: { summary: 'A person with their factors', params: user } }, async (request) => {
      await demand(plane, request, 'manageAccess', accountOf(request.params.id))
      return { user: await named(found(plane, request.params.id)), factors: everyone().factorsOf(request.params.id) }
    })

    app.post(
      '/users/:id/disable',
      { schema: { summary: 'Disable a person: ends sessions and tokens, cuts what runs', params: user } },
      async (request) => {
        const principal = await demand(plane, request, 'manageAccess', accountOf(request.params.id))
        return { user: shown(await everyone().disable(request.params.id, actingOf(principal))) }
      },
    )

    app.post('/users/:id/enable', { schema: { summary: 'Enable a person again', params: user } }, async (request) => {
      const principal = await demand(plane, request, 'manageAccess', accountOf(request.params.id))
      return { user: shown(await everyone().enable(request.params.id, actingOf(principal))) }
    })

    app.put(
      '/users/:id/rights',
      { schema: { summary: 'Set roles or groups of a person, effective on their next request', params: user, body: rights } },
      async (request) => {
        const principal = await demand(plane, request, 'manageAccess', accountOf(request.params.id))
        const { roles, groups } = request.body
        const change = { ...(roles === undefined ? {} : { roles }), ...(groups === undefined ? {} : { groups }) }
        return { user: shown(await everyone().change(request.params.id, change, actingOf(principal))) }
      },
    )

    app.delete(
      '/users/:id/factors/:factor',
      {
        schema: {
          summary: 'Remove a security key or the code generator of a person: ends sessions and tokens',
          params: user.extend({ factor: z.string().regex(/^(totp|[0-9a-f]{64})$/, '`totp`, or the id from the list of factors') }),
        },
      },
      async (request) => {
        const principal = await demand(plane, request, 'manageAccess', accountOf(request.params.id))
        return { user: shown(await everyone().removeFactor(request.params.id, request.params.factor, actingOf(principal))) }
      },
    )

    app.post(
      '/users/:id/links',
      { schema: { summary: 'A new one-use enrolment link for a person who never enrolled', params: user } },
      async (request) => {
        const principal = await demand(plane, request, 'manageAccess', accountOf(request.params.id))
        return everyone().enrolment.createLink(request.params.id, actingOf(principal))
      },
    )

    app.post('/me/links', { schema: { summary: 'A one-use link to add a security key to one’s own account' } }, async (request) => {
      const { authTime, mfaLevel, userId } = ownCaller(request)
      return everyone().enrolment.ownLink({ authTime, mfaLevel, recovered: false }, userId)
    })

    app.post(
      '/users/:id/recoveries',
      { schema: { summary: 'Ask for a new enrolment link for a person who lost every key; two others must agree', params: user } },
      async (request, reply) => {
        const principal = await demand(plane, request, 'manageAccess', accountOf(request.params.id), { notDelegated: true })
        return reply.code(201).send({ recovery: await everyone().lostKey.request(request.params.id, actingOf(principal)) })
      },
    )

    app.get('/recoveries', { schema: { summary: 'Open requests for people who lost every key' } }, async (request) => {
      await demand(plane, request, 'manageAccess', systemPart('access'))
      return { recoveries: everyone().lostKey.list() }
    })

    app.post(
      '/recoveries/:id/approve',
      {
        schema: {
          summary: 'Agree to a recovery; the second of two others gets the link, and all old keys and sessions end',
          params: z.strictObject({ id: id('rec') }),
        },
      },
      async (request) => {
        const open = openRecovery(plane, request.params.id)
        const account = open === null ? systemPart('access') : accountOf(open.userId)
        const principal = await demand(plane, request, 'manageAccess', account, { notDelegated: true })
        if (principal.mfaLevel < 2) throw new RedoubtError('ERR_MFA_REQUIRED')
        return everyone().lostKey.approve(request.params.id, actingOf(principal))
      },
    )

    app.post(
      '/recoveries/:id/deny',
      {
        schema: {
          summary: 'Refuse a recovery for good: by the person concerned, who has a key after all, or by whoever may agree to it',
          params: z.strictObject({ id: id('rec') }),
        },
      },
      async (request) => {
        const caller = callerOf(request)
        const open = openRecovery(plane, request.params.id)
        if (open !== null && caller.facts.type === 'User' && open.userId === caller.facts.id) ownCaller(request)
        else
          await demand(plane, request, 'manageAccess', open === null ? systemPart('access') : accountOf(open.userId), {
            notDelegated: true,
          })
        return { recovery: await everyone().lostKey.deny(request.params.id, actingOf(caller)) }
      },
    )

    app.get('/me/recoveries', { schema: { summary: 'Open requests for a new enrolment link for oneself' } }, async (request) => {
      const { userId } = ownCaller(request)
      return {
        recoveries: everyone()
          .lostKey.list()
          .filter((recovery) => recovery.userId === userId),
      }
    })
  }

const openRecovery = (plane: ControlPlane, id: string): Recovery | null =>
  plane.identity.people.lostKey.list().find((recovery) => recovery.id === id) ?? null

/** @throws {RedoubtError} `ERR_NOT_FOUND`. */
function found(plane: ControlPlane, userId: string): Person {
  const person = plane.identity.people.find(userId)
  if (person === null) throw new RedoubtError('ERR_NOT_FOUND', 'there is no such person')
  return person
}

/** Without the facts, which are the same in other words. */
function shown(person: Person): Omit<Person, 'facts'> {
  const { id, roles, groups, purpose, legalBasis, disabled, epoch, createdAt, factors, powerful } = person
  return { id, roles, groups, purpose, legalBasis, disabled, epoch, createdAt, factors, powerful }
}
