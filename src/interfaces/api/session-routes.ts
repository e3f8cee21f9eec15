import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { RedoubtError } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'
import { accountOf, callerOf, demand, systemPart } from './guard.ts'
import { ownCaller } from './own-caller.ts'

const query = z.strictObject({
  user: z
    .string()
    .regex(/^user_[A-Za-z0-9_-]{22}$/, 'an id of the form `user_…`')
    .optional(),
})
const params = z.strictObject({ id: z.string().regex(/^ses_[A-Za-z0-9_-]{22}$/, 'an id of the form `ses_…`') })

/** Sessions of people, for their owner and for whoever manages access. */
export const sessionRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    // Asked for at each request: the reference page is made without a house.
    const all = () => plane.identity.people.sessions

    app.get(
      '/sessions',
      { schema: { summary: 'One’s own sessions; with `user` those of someone else (`manageAccess`)', querystring: query } },
      async (request) => {
        const caller = callerOf(request)
        const { user = caller.facts.id } = request.query
        if (user === caller.facts.id && caller.facts.type === 'User') ownCaller(request)
        else await demand(plane, request, 'manageAccess', accountOf(user))
        return { current: caller.sessionId, sessions: await all().list(user) }
      },
    )

    app.delete(
      '/sessions/:id',
      { schema: { summary: 'End a session: one’s own, or with `manageAccess` any; its next request is refused', params } },
      async (request) => {
        const caller = callerOf(request)
        const session = all().get(request.params.id)
        const own = session !== null && caller.facts.type === 'User' && session.userId === caller.facts.id
        // Whether there is such a session is told to those who may end it.
        if (own) ownCaller(request)
        else await demand(plane, request, 'manageAccess', session === null ? systemPart('access') : accountOf(session.userId))
        if (session === null) throw new RedoubtError('ERR_NOT_FOUND', 'there is no such session')
        await all().end(session.id, caller.facts)
        return { id: session.id, ended: true }
      },
    )
  }
