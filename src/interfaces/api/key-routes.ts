import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { MAX_SHARES } from '#trust/keys'
import type { ControlPlane } from './control-plane.ts'
import { demand, keyOf } from './guard.ts'
import { subjectName } from './names.ts'

const byShares = z.strictObject({
  secret: z
    .string()
    .regex(/^[A-Za-z0-9_-]{43}$/)
    .describe('what the shares give together: 32 random bytes, base64url'),
  shares: z
    .strictObject({
      set: z.string().regex(/^[0-9a-f]{16}$/),
      threshold: z.int().min(2).max(MAX_SHARES),
      of: z.int().min(2).max(MAX_SHARES),
    })
    .refine(({ threshold, of }) => threshold <= of, 'more shares are needed than there are'),
})
const byPassphrase = z.strictObject({ passphrase: z.string().min(16).max(1_024) })

/** Keys: what there is, rotation, and the end of a subject's key. Key material never passes here. */
export const keyRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    app.get('/keys', { schema: { summary: 'Key versions with state and use' } }, async (request) => {
      await demand(plane, request, 'view', keyOf('keyring'))
      return { keys: plane.keys.list() }
    })

    app.get('/keys/providers', { schema: { summary: 'Kinds of key providers, and how the one that serves is' } }, async (request) => {
      await demand(plane, request, 'view', keyOf('keyring'))
      return { providers: await plane.root.providers() }
    })

    app.post(
      '/keys/root',
      { schema: { summary: 'Put another secret in the place of the one that opens the keyring', body: z.union([byShares, byPassphrase]) } },
      async (request) => {
        const { body } = request
        const principal = await demand(plane, request, 'rotateKey', keyOf('root'))
        const use = { principal: principal.facts, purpose: principal.purpose, resource: keyOf('root'), requestId: request.redoubtRequestId }
        const secret = 'secret' in body ? Buffer.from(body.secret, 'base64url') : Buffer.from(body.passphrase)
        await plane.root.reseal(secret, 'shares' in body ? body.shares : null, use)
        return { opensBy: 'shares' in body ? 'shares' : 'passphrase' }
      },
    )

    app.post(
      '/keys/rotate',
      {
        schema: {
          summary: 'Make a new key version primary',
          body: z.strictObject({ keyClass: z.enum(['dataset', 'model', 'subject', 'configuration']) }),
        },
      },
      async (request) => {
        const { keyClass } = request.body
        const principal = await demand(plane, request, 'rotateKey', keyOf(keyClass))
        return plane.keys.rotate(keyClass, {
          principal: principal.facts,
          purpose: principal.purpose,
          resource: keyOf(keyClass),
          requestId: request.redoubtRequestId,
        })
      },
    )

    app.post(
      '/subjects/destroy-key',
      {
        schema: {
          summary: 'Destroy a subject’s key: what is sealed under it cannot be read any more',
          body: z.strictObject({ subject: subjectName }),
        },
      },
      async (request) => {
        const principal = await demand(plane, request, 'destroyKey', keyOf('subject'))
        const use = {
          principal: principal.facts,
          purpose: principal.purpose,
          resource: keyOf('subject'),
          requestId: request.redoubtRequestId,
        }
        return plane.keys.destroySubject(request.body.subject, use)
      },
    )
  }
