import { createHmac } from 'node:crypto'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { asRedoubtError, type JsonObject, RedoubtError } from '#foundation/core'
import { type KeyClass, type KeyOwner, MAX_SHARES } from '#trust/keys'
import type { ControlPlane } from './control-plane.ts'
import { demand, keyOf, recordRefusal } from './guard.ts'
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

    app.get(
      '/keys/legs',
      { schema: { summary: 'What each connection is protected by, as a handshake made now shows' } },
      async (request) => {
        await demand(plane, request, 'view', keyOf('keyring'))
        return { legs: await plane.legs() }
      },
    )

    app.get('/keys/providers', { schema: { summary: 'Kinds of key providers, and how the one that serves is' } }, async (request) => {
      await demand(plane, request, 'view', keyOf('keyring'))
      return { providers: await plane.root.providers() }
    })

    app.post(
      '/keys/root',
      { schema: { summary: 'Put another secret in the place of the one that opens the keyring', body: z.union([byShares, byPassphrase]) } },
      async (request) => {
        const { body } = request
        const principal = await demand(plane, request, 'rotateKey', keyOf('root'), { shownBody: rootChange(plane, body) })
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
          body: z.strictObject({
            keyClass: z.enum(['dataset', 'model', 'subject', 'configuration']),
            owner: ownerName.optional().describe('the data set or model whose own chain is rotated; without it the chain of the class'),
            compromised: z
              .boolean()
              .default(false)
              .describe('the present version is no more to be trusted: what it protects is sealed anew, and it ends without grace'),
          }),
        },
      },
      async (request) => {
        const { keyClass, owner, compromised } = request.body
        const principal = await demand(plane, request, 'rotateKey', keyOf(keyClass))
        const use = {
          principal: principal.facts,
          purpose: principal.purpose,
          resource: keyOf(keyClass),
          requestId: request.redoubtRequestId,
        }
        const rotated = await plane.keys.rotate(chainOf(keyClass, owner), use, { compromised })
        // What the old version wrapped is moved in the background; how far it is, `keys/rotation` tells.
        void plane.rotation.run()
        return rotated
      },
    )

    app.get(
      '/keys/rotation',
      { schema: { summary: 'How far what old key versions wrapped is moved, and which versions end when' } },
      async (request) => {
        await demand(plane, request, 'view', keyOf('keyring'))
        return plane.rotation.progress()
      },
    )

    app.post(
      '/keys/reconcile',
      { schema: { summary: 'Hold what the key provider counted against what the log tells, and record what was found' } },
      async (request) => {
        await demand(plane, request, 'view', keyOf('keyring'))
        return plane.reconciliation.run()
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
        try {
          plane.holds.demandNone({ pseudonym: plane.pseudonym(request.body.subject) })
        } catch (thrown) {
          await recordRefusal(plane, request, 'destroyKey', keyOf('subject'), asRedoubtError(thrown).code)
          throw thrown
        }
        return plane.keys.destroySubject(request.body.subject, use)
      },
    )
  }

/**
 * What a second person agrees to, without the secret: shares are made anew whenever they are asked for, a passphrase is known again by a
 * digest that only this server can make.
 */
function rootChange(plane: ControlPlane, body: z.output<typeof byShares> | z.output<typeof byPassphrase>): JsonObject {
  if ('shares' in body) return { opensBy: 'shares', threshold: body.shares.threshold, of: body.shares.of }
  const digest = createHmac('sha256', plane.digestKey).update(`redoubt root passphrase\n${body.passphrase}`).digest('hex')
  return { opensBy: 'passphrase', digest }
}

/** Longer than any name of a data set or a model. */
const ownerName = z.string().min(1).max(128)

function chainOf(keyClass: KeyClass, owner: string | undefined): KeyClass | KeyOwner {
  if (owner === undefined) return keyClass
  if (keyClass !== 'dataset' && keyClass !== 'model')
    throw new RedoubtError('ERR_INPUT_INVALID', 'only data sets and models have chains of their own')
  return { keyClass, name: owner }
}
