import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { asRedoubtError } from '#foundation/core'
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
