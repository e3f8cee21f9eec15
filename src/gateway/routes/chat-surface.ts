import { createHash } from 'node:crypto'
import { type Clock, type EntityFacts, RedoubtError } from '#foundation/core'
import { createRedactor, type FilterPlan, type Redactor } from '#gateway/filters'
import type { Call, ServeIo, Served, StreamServed, Surface } from '#gateway/pipeline'
import type { UpstreamExchange, UpstreamRoute, Upstreams } from '#gateway/serving'
import { type ChatRequest, MAX_REQUEST_BYTES, parseChatRequest } from './chat-completions/request.ts'
import { parseChatResponse } from './chat-completions/response.ts'
import { ChatStreamTransformer } from './chat-completions/stream.ts'
import { openAiHeaders, renderOpenAiError, streamErrorEvent } from './openai-errors.ts'

/** As the record names it. */
export const CHAT_SURFACE = 'openai.chat'

export interface ChatSurfaceOptions {
  readonly upstreams: Upstreams
  /** The policy's view of each route. */
  facts(route: UpstreamRoute): EntityFacts
  /** Stands for a person at the upstream. */
  pseudonym(subject: string): string
  readonly clock: Clock
}

/** `POST /v1/chat/completions` in OpenAI's shape, JSON and SSE. */
export function chatSurface(options: ChatSurfaceOptions): Surface {
  return {
    name: CHAT_SURFACE,
    maxBodyBytes: MAX_REQUEST_BYTES,
    resolve({ body, now }) {
      const request = parseChatRequest(body)
      const route = options.upstreams.resolve(request.model)
      if (!route) throw new RedoubtError('ERR_MODEL_UNKNOWN', 'there is no such language model', { evidence: { param: 'model' } })
      return chatCall(options, request, route, now)
    },
    renderError: (error, requestId) => renderOpenAiError(error, requestId),
    renderStreamError: (error, requestId) => streamErrorEvent(error, requestId),
  }
}

function chatCall(options: ChatSurfaceOptions, request: ChatRequest, route: UpstreamRoute, now: number): Call {
  return {
    resource: options.facts(route),
    endpoint: `Endpoint/${route.model}`,
    subject: request.subject,
    cost: { tokens: request.reservation() },
    details: { model: route.model, upstream: route.upstream, stream: request.stream },
    rewriteTexts: (filter) => void request.rewriteTexts(filter),
    stillServable: () => null,
    serve(io) {
      const body = request.toUpstream(route.upstreamModel, io.subject === null ? null : options.pseudonym(io.subject))
      const exchange = { options, request, route, now, body, io }
      return request.stream ? serveStream(exchange) : serveWhole(exchange)
    },
  }
}

interface ChatExchange {
  readonly options: ChatSurfaceOptions
  readonly request: ChatRequest
  readonly route: UpstreamRoute
  readonly now: number
  readonly body: string
  readonly io: ServeIo
}

function serveWhole({ options, request, route, now, body, io }: ChatExchange): Promise<Served> {
  return new Promise((resolve, reject) => {
    const parts: Uint8Array[] = []
    const startedAt = options.clock.monotonic()
    const exchange = options.upstreams.dispatch(
      route,
      body,
      { stream: false, requestId: io.requestId },
      {
        start: () => undefined,
        data: (chunk) => void parts.push(chunk),
        end() {
          const response = parseChatResponse(parts.length === 1 ? parts[0]! : Buffer.concat(parts))
          resolve({
            kind: 'whole',
            usage: { tokens: response.usage(request.promptTokens).totalTokens },
            bytes: parts.reduce((sum, part) => sum + part.byteLength, 0),
            visitTexts: (look) => void response.rewriteTexts(look),
            render(filter) {
              response.rewriteTexts(filter)
              const headers = { ...openAiHeaders(io.requestId, options.clock.monotonic() - startedAt), 'content-type': 'application/json' }
              return { status: 200, headers, body: response.toClient(route.model, now) }
            },
          })
        },
        error: reject,
      },
    )
    io.cancellation.onCancel((reason) => {
      exchange.abort(reason.code)
      reject(reason)
    })
  })
}

/** Each event leaves as soon as no value can still grow into what it holds; the closing ones wait for the record. */
function serveStream({ options, request, route, now, body, io }: ChatExchange): Promise<Served> {
  return new Promise((resolve, reject) => {
    const { redactors, create } = redactorsOf(io.outputPlan)
    const transformer = new ChatStreamTransformer({
      publicModel: route.model,
      includeUsage: request.includeUsage,
      choices: request.choices,
      promptTokens: request.promptTokens,
      jsonAnswer: request.jsonAnswer,
      createRedactor: create,
      requestId: io.requestId,
      now,
    })
    const digest = createHash('sha256')
    let started = false
    let finished = false
    let exchange: UpstreamExchange | null = null

    const finish = (): void => {
      if (finished) return
      finished = true
      const closing = transformer.closing()
      resolve({
        kind: 'stream',
        closing,
        usage: { tokens: transformer.usage().totalTokens },
        outputDigest: digest.update(closing).digest('hex'),
        findings: added(redactors),
        blocked: transformer.state === 'blocked',
        failure: transformer.state === 'blocked' ? new RedoubtError('ERR_FILTER_BLOCKED_OUTPUT') : transformer.error,
      } satisfies StreamServed)
    }
    exchange = options.upstreams.dispatch(
      route,
      body,
      { stream: true, requestId: io.requestId },
      {
        start() {
          started = true
          io.out.start(openAiHeaders(io.requestId))
        },
        data(chunk) {
          const text = transformer.push(chunk)
          if (text !== '') {
            digest.update(text)
            if (!io.out.write(text) && transformer.state === 'open') {
              exchange?.pause()
              io.out.onDrain(() => exchange?.resume())
            }
          }
          if (transformer.state === 'open') return
          // The upstream has nothing more to say to us, however much it still sends.
          exchange?.abort('the stream has ended')
          finish()
        },
        end() {
          transformer.end()
          finish()
        },
        error(error) {
          if (!started) {
            reject(error)
            return
          }
          transformer.fail(error)
          finish()
        },
      },
    )
    io.cancellation.onCancel((reason) => {
      exchange?.abort(reason.code)
      transformer.fail(reason)
      if (started) finish()
      else reject(reason)
    })
  })
}

function redactorsOf(plan: FilterPlan): { readonly redactors: readonly Redactor[]; readonly create: () => Redactor } {
  const redactors: Redactor[] = []
  return {
    redactors,
    create() {
      const redactor = createRedactor(plan)
      redactors.push(redactor)
      return redactor
    },
  }
}

function added(redactors: readonly Redactor[]): ReadonlyMap<string, number> {
  const total = new Map<string, number>()
  for (const { findings } of redactors) for (const [entity, count] of findings) total.set(entity, (total.get(entity) ?? 0) + count)
  return total
}
