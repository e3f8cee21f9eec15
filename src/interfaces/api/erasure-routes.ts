import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { type Action, asRedoubtError, type EntityFacts, type Ground, GROUNDS, RedoubtError } from '#foundation/core'
import type { KeyUse } from '#trust/keys'
import type { ControlPlane } from './control-plane.ts'
import { type Asked, callerOf, demand, demandTogether, keyOf, recordRefusal, systemPart } from './guard.ts'
import { longOperation } from './long-operation.ts'
import { objectName, subjectName } from './names.ts'

const SUBJECTS = systemPart('subjects')
const ERASURES = systemPart('erasures')
const ground = z.enum(Object.keys(GROUNDS) as [Ground, ...Ground[]])

/** The end of people's data and of data sets, with evidence. What a legal hold refuses is on record as a refusal. */
export const erasureRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    const datasetFacts = (name: string): EntityFacts => {
      const version = plane.datasets.get(name)
      if (!version) throw new RedoubtError('ERR_DATA_UNKNOWN', `there is no data set \`${name}\``)
      return plane.datasets.facts(version)
    }
    const useOf = (request: FastifyRequest, { type, id }: EntityFacts): KeyUse => {
      const principal = callerOf(request)
      return { principal: principal.facts, purpose: principal.purpose, resource: { type, id }, requestId: request.redoubtRequestId }
    }
    const recorded = async <T>(request: FastifyRequest, action: Action, resource: EntityFacts, work: () => Promise<T>): Promise<T> => {
      try {
        return await work()
      } catch (thrown) {
        const { code } = asRedoubtError(thrown)
        if (code === 'ERR_LEGAL_HOLD') await recordRefusal(plane, request, action, resource, code)
        throw thrown
      }
    }
    const erases = (resource: () => EntityFacts): Asked => ({ action: 'erase', resource, about: {} })

    app.post(
      '/subjects/erase',
      {
        schema: {
          summary: 'Erase a person: their key, and their rows in every data set, or in one; answers progress as NDJSON',
          body: z.strictObject({ subject: subjectName, dataset: objectName.optional(), ground }),
        },
      },
      async (request, reply) => {
        const { subject, dataset, ground: why } = request.body
        const names = dataset === undefined ? [...new Set(plane.datasets.list().map(({ name }) => name))] : [dataset]
        const ofAll: readonly Asked[] =
          dataset === undefined ? [erases(() => SUBJECTS), { action: 'destroyKey', resource: () => keyOf('subject'), about: {} }] : []
        const { mayGoOn } = await demandTogether(plane, request, [...ofAll, ...names.map((name) => erases(() => datasetFacts(name)))])
        const resource = dataset === undefined ? SUBJECTS : datasetFacts(dataset)
        await longOperation(reply, { requestId: request.redoubtRequestId, mayGoOn }, (progress, signal) =>
          recorded(request, 'erase', resource, () =>
            plane.erasures.eraseSubject(
              {
                subject,
                ground: why,
                ...(dataset === undefined ? {} : { dataset }),
                progress: (name, rows) => progress({ dataset: name, rows }),
                signal,
              },
              useOf(request, resource),
            ),
          ),
        )
      },
    )

    app.post(
      '/datasets/:name/shred',
      {
        schema: {
          summary: 'Destroy a data set with all versions and its keys: no copy of it can be read any more; its name is not given again',
          params: z.strictObject({ name: objectName }),
          body: z.strictObject({ ground }),
        },
      },
      async (request) => {
        const { name } = request.params
        const facts = datasetFacts(name)
        const destroys: Asked = { action: 'destroyKey', resource: () => keyOf('dataset'), about: {} }
        await demandTogether(plane, request, [erases(() => datasetFacts(name)), destroys])
        return recorded(request, 'erase', facts, () => plane.erasures.shred(name, request.body.ground, useOf(request, facts)))
      },
    )

    app.get(
      '/erasures',
      { schema: { summary: 'Erasures, newest first: what, why, who, how much; people by pseudonym' } },
      async (request) => {
        await demand(plane, request, 'view', ERASURES)
        return { erasures: plane.erasures.list() }
      },
    )

    app.get(
      '/erasures/certificate-key',
      { schema: { summary: 'The public key that verifies erasure certificates, PEM' } },
      async (request) => {
        await demand(plane, request, 'view', ERASURES)
        return { publicKey: await plane.erasures.certificateKey() }
      },
    )

    app.get(
      '/erasures/:id/certificate',
      {
        schema: {
          summary: 'The signed certificate of an erasure: a JWS (RFC 7515, flattened JSON, ES256)',
          params: z.strictObject({ id: z.string().regex(/^er_[A-Za-z0-9_-]{22}$/) }),
        },
      },
      async (request, reply) => {
        await demand(plane, request, 'view', ERASURES)
        return reply.type('application/jose+json').send(plane.erasures.certificate(request.params.id))
      },
    )
  }
