import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import {
  CLASSIFIER,
  FALSE_ALARMS,
  LEAST_FALSE_ALARMS,
  MOST_CANARIES,
  MOST_FALSE_ALARMS,
  RedoubtError,
  type RegisteredKind,
} from '#foundation/core'
import { CanariesReader, DocumentReader, ExampleLines, Examples, newCanaries, TermsReader } from '#gateway/filters'
import type { ControlPlane } from './control-plane.ts'
import { demand, mayGoOn, streamOf, systemPart } from './guard.ts'
import type { Lanes } from './heavy-work.ts'
import { longOperation, until } from './long-operation.ts'
import { objectName } from './names.ts'
import { protectRows } from './protect-rows.ts'

const RESOURCE = systemPart('confidential')
const labelled = z.strictObject({ label: objectName })
const PURPOSE = 'confidential-data'
const trainingQuery = z.strictObject({
  seed: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(1).describe('same examples and seed, same classifier'),
  falseAlarms: z.coerce
    .number()
    .min(LEAST_FALSE_ALARMS)
    .max(MOST_FALSE_ALARMS)
    .default(FALSE_ALARMS)
    .describe('share of unseen public sentences that may be flagged'),
})

/**
 * What is confidential: documents and terms come in as text, are read into keyed fingerprints and forgotten. Registering and removing change what every
 * answer is searched for, so they are acts of running the house (`administer`), not of using data.
 */
export const confidentialRoutes =
  (plane: ControlPlane, lanes: Lanes): FastifyPluginAsyncZod =>
  async (app) => {
    app.get('/confidential', { schema: { summary: 'What is registered as confidential: kinds, labels and counts' } }, async (request) => {
      await demand(plane, request, 'view', RESOURCE)
      return { registered: plane.confidential.list(), memoryBytes: plane.confidential.bytes }
    })

    for (const [path, summary, open] of [
      ['documents', 'Register a document (UTF-8 text as `application/octet-stream`); the text is not kept', documentReader],
      ['public', 'Declare a document public (UTF-8 text as `application/octet-stream`): its passages are not confidential', publicReader],
      ['terms', 'Register a list of terms, one a line (UTF-8 text as `application/octet-stream`); they are not kept', termsReader],
    ] as const)
      app.post(`/confidential/${path}/:label`, { schema: { summary, params: labelled, body: z.unknown() } }, async (request, reply) => {
        const source = streamOf(request, 'application/octet-stream')
        const principal = await demand(plane, request, 'administer', RESOURCE)
        const requestId = request.redoubtRequestId
        const operation = { requestId, mayGoOn: mayGoOn(plane, request, 'administer', () => RESOURCE) }
        await longOperation(reply, operation, (progress, signal) =>
          lanes.uploads.run(async () => {
            const reader = open(plane.confidential.key)
            let bytes = 0
            for await (const { text, size } of textOf(until(source, signal))) {
              reader.push(text)
              progress({ bytes: (bytes += size) })
            }
            const read = reader.finish()
            const use = { principal: principal.facts, purpose: PURPOSE, resource: uidOf(), requestId }
            return plane.confidential.add(request.params.label, read.amount, read.source, use)
          }, signal),
        )
      })

    app.post(
      '/confidential/data/:label',
      { schema: { summary: 'Protect the latest version of a data set: its rows and texts are looked for in answers', params: labelled } },
      async (request, reply) => {
        const { label } = request.params
        const principal = await demand(plane, request, 'administer', RESOURCE)
        if (plane.datasets.get(label) === null) throw new RedoubtError('ERR_DATA_UNKNOWN', `there is no data set \`${label}\``)
        const requestId = request.redoubtRequestId
        const operation = { requestId, mayGoOn: mayGoOn(plane, request, 'administer', () => RESOURCE) }
        await longOperation(reply, operation, (progress, signal) =>
          lanes.uploads.run(
            () => protectRows(plane, label, { principal: principal.facts, requestId }, { progress: (rows) => progress({ rows }), signal }),
            signal,
          ),
        )
      },
    )

    app.post(
      '/confidential/canaries/:label',
      {
        schema: {
          summary: 'Make canaries to plant; they are told once, and blocked wherever they are seen',
          params: labelled,
          body: z.strictObject({ count: z.number().int().min(1).max(MOST_CANARIES).default(1) }),
        },
      },
      async (request) => {
        const principal = await demand(plane, request, 'administer', RESOURCE)
        const { label } = request.params
        const canaries = newCanaries(request.body.count)
        const reader = new CanariesReader(plane.confidential.key)
        for (const canary of canaries) reader.add(canary)
        const use = { principal: principal.facts, purpose: PURPOSE, resource: uidOf(), requestId: request.redoubtRequestId }
        return { ...(await plane.confidential.add(label, canaries.length, reader.finish(), use)), canaries }
      },
    )

    app.post(
      '/confidential/classifier',
      {
        schema: {
          summary:
            'Train the classifier of confidential text from examples (JSON Lines of `text` and `label`, 1 for a confidential one, as `application/octet-stream`); they are not kept',
          querystring: trainingQuery,
          body: z.unknown(),
        },
      },
      async (request, reply) => {
        const source = streamOf(request, 'application/octet-stream')
        const principal = await demand(plane, request, 'administer', RESOURCE)
        const requestId = request.redoubtRequestId
        const operation = { requestId, mayGoOn: mayGoOn(plane, request, 'administer', () => RESOURCE) }
        await longOperation(reply, operation, async (progress, signal) => {
          const examples = await lanes.uploads.run(async () => {
            const read = new Examples()
            const lines = new ExampleLines(read, null)
            let bytes = 0
            for await (const { text, size } of textOf(until(source, signal))) {
              lines.push(text)
              progress({ bytes: (bytes += size) })
            }
            lines.finish()
            return read.all
          }, signal)
          const use = { principal: principal.facts, purpose: PURPOSE, resource: uidOf(), requestId }
          const options = { ...request.query, signal, progress: (epoch: number, epochs: number) => progress({ epoch, epochs }) }
          return lanes.trainings.run(() => plane.confidential.train(examples, options, use), signal)
        })
      },
    )

    app.delete(
      '/confidential/classifier',
      { schema: { summary: 'Remove the classifier of confidential text: nothing is looked for by it' } },
      async (request) => {
        const principal = await demand(plane, request, 'administer', RESOURCE, { meant: { kind: CLASSIFIER, label: CLASSIFIER } })
        const use = { principal: principal.facts, purpose: PURPOSE, resource: uidOf(), requestId: request.redoubtRequestId }
        return plane.confidential.remove(CLASSIFIER, CLASSIFIER, use)
      },
    )

    for (const [path, kind] of Object.entries(KINDS))
      app.delete(
        `/confidential/${path}/:label`,
        { schema: { summary: 'Remove something from what is registered: it is no longer looked for', params: labelled } },
        async (request) => {
          const { label } = request.params
          const principal = await demand(plane, request, 'administer', RESOURCE, { meant: { kind, label } })
          const use = { principal: principal.facts, purpose: PURPOSE, resource: uidOf(), requestId: request.redoubtRequestId }
          return plane.confidential.remove(kind, label, use)
        },
      )
  }

/** Where each kind of thing is. */
const KINDS = {
  documents: 'document',
  public: 'public',
  terms: 'terms',
  data: 'data',
  canaries: 'canary',
} as const satisfies Readonly<Record<string, RegisteredKind>>
const uidOf = () => ({ type: RESOURCE.type, id: RESOURCE.id })

const publicReader = (key: ControlPlane['confidential']['key']) => documentReader(key, 'public')

function documentReader(key: ControlPlane['confidential']['key'], kind: 'document' | 'public' = 'document') {
  const reader = new DocumentReader(key, kind)
  return {
    push: (text: string) => reader.push(text),
    finish() {
      const source = reader.finish()
      return { source, amount: reader.letters }
    },
  }
}

function termsReader(key: ControlPlane['confidential']['key']) {
  const reader = new TermsReader(key)
  return {
    push: (text: string) => reader.push(text),
    finish() {
      const source = reader.finish()
      return { source, amount: reader.terms }
    },
  }
}

/** @throws {RedoubtError} `ERR_INPUT_INVALID` for what is not UTF-8: an office file or a PDF would be registered as noise. */
async function* textOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<{ readonly text: string; readonly size: number }> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const decode = (chunk?: Uint8Array): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true })
    } catch (cause) {
      throw new RedoubtError('ERR_INPUT_INVALID', 'the file is not text in UTF-8: save it as plain text first', { cause })
    }
  }
  for await (const chunk of chunks) {
    const text = decode(chunk)
    if (text.includes('\0')) throw new RedoubtError('ERR_INPUT_INVALID', 'the file is not plain text: save it as plain text first')
    yield { text, size: chunk.byteLength }
  }
  yield { text: decode(), size: 0 }
}
