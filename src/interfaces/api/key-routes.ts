import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { asRedoubtError, RedoubtError } from '#foundation/core'
import type { KeyClass, KeyOwner } from '#trust/keys'
import type { ControlPlane } from './control-plane.ts'
import { demand, keyOf, recordRefusal } from './guard.ts'
import { subjectName } from './names.ts'

/** Keys: what there is, rotation, and the end of a subject's key. Key material never passes here. */
export const keyRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    app.get('/keys', { schema: { summary: 'Key versions with state and use' } }, async (request) => {
      await demand(plane, request, 'view', keyOf('keyring'))
      return { keys: plane.keys.list() }
    })

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

/** Longer than any name of a data set or a model. */
const ownerName = z.string().min(1).max(128)

function chainOf(keyClass: KeyClass, owner: string | undefined): KeyClass | KeyOwner {
  if (owner === undefined) return keyClass
  if (keyClass !== 'dataset' && keyClass !== 'model')
    throw new RedoubtError('ERR_INPUT_INVALID', 'only data sets and models have chains of their own')
  return { keyClass, name: owner }
}
