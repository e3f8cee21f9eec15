import { createHash } from 'node:crypto'
import { asRedoubtError, type Clock, type EntityFacts, RedoubtError } from '#foundation/core'
import { createRedactor, type FilterPlan, forReviewer, type Redactor } from '#gateway/filters'
import {
  type Call,
  type CrossingCounts,
  type ServeIo,
  type Served,
  type StreamServed,
  streamedCrossings,
  type Surface,
  type SurfaceAsk,
  type TextFilter,
} from '#gateway/pipeline'
import { type Attempt, dispatchInOrder, type UpstreamExchange, type UpstreamRoute, type Upstreams } from '#gateway/serving'
import { GatheredOutput } from './gathered-output.ts'
import { streamForReview } from './held-stream.ts'
import type { LanguageProtocol, LanguageRequest, LanguageStream } from './language-protocol.ts'
import { added, newCounts } from './stream-counts.ts'
import { answeredIn, endSystemPrompt, markTexts, originOf, saidIn } from './text-origin.ts'
import { ToolGuard } from './tools/tool-guard.ts'

export interface LanguageSurfaceOptions {
  readonly upstreams: Upstreams
  /** The policy's view of each route. */
  facts(route: UpstreamRoute): EntityFacts
  /** Stands for a person at the upstream. */
  pseudonym(subject: string): string
  readonly clock: Clock
}

/** What a header that is passed on may hold, between commas: dates and names of features, so that nothing else rides along. */
const PASSED_WORD = /^(?:\d{4}-\d\d-\d\d|[a-z][a-z0-9]{0,31}(?:-[a-z0-9]{1,24}){0,8})$/
const MAX_PASSED_WORDS = 16
/** A date and a number in a feature's name; a card or an account has more. */
const MAX_PASSED_DIGITS = 12

/** An API of language models as a surface: one request against one upstream or its fallbacks, JSON and SSE. */
export function languageSurface<Request extends LanguageRequest>(
  options: LanguageSurfaceOptions,
  protocol: LanguageProtocol<Request>,
): Surface {
  return {
    name: protocol.name,
    maxBodyBytes: protocol.maxBodyBytes,
    resolve(ask) {
      const request = protocol.parseRequest(ask.body, ask)
      const route = options.upstreams.resolve(request.model)
      if (!route) throw new RedoubtError('ERR_MODEL_UNKNOWN', 'there is no such language model', { evidence: { param: 'model' } })
      if (route.api !== protocol.api) throw otherApi(route)
      return languageCall({ options, protocol, request, route, now: ask.now, headers: passedHeaders(protocol, ask) })
    },
    renderError: (error, requestId) => protocol.renderError(error, requestId),
    renderStreamError: (error, requestId) => protocol.renderStreamError(error, requestId),
  }
}

function otherApi({ api }: UpstreamRoute): RedoubtError {
  const endpoint = api === 'anthropic' ? '`/v1/messages`' : '`/v1/chat/completions` or another endpoint of that API'
  return new RedoubtError('ERR_MODEL_SURFACE', `the upstream of this model speaks the ${api} API: call ${endpoint}`, {
    evidence: { param: 'model' },
  })
}

function passedHeaders({ passedHeaders = [] }: Pick<LanguageProtocol, 'passedHeaders'>, { header }: SurfaceAsk): readonly string[] {
  return passedHeaders.flatMap((name) => {
    const value = header(name)
    if (value === undefined) return []
    const words = value.split(/, ?/)
    const plain = (word: string): boolean => PASSED_WORD.test(word) && word.replaceAll(/\D/g, '').length <= MAX_PASSED_DIGITS
    if (words.length > MAX_PASSED_WORDS || !words.every(plain))
      throw new RedoubtError('ERR_INPUT_INVALID', `the header \`${name}\` is not a list of dates and names of features`)
    return [name, value]
  })
}

interface LanguageExchange<Request extends LanguageRequest> {
  readonly options: LanguageSurfaceOptions
  readonly protocol: LanguageProtocol<Request>
  readonly request: Request
  readonly route: UpstreamRoute
  readonly now: number
  readonly headers: readonly string[]
}

function languageCall<Request extends LanguageRequest>(exchange: LanguageExchange<Request>): Call {
  const { options, request, route } = exchange
  // Where the request is now: a fallback takes the place of what did not answer, in decisions and in the record.
  let at = route
  let tools: ToolGuard | null = null
  return {
    resource: options.facts(route),
    presentResource: () => options.facts(at),
    endpoint: `Endpoint/${route.model}`,
    subject: request.subject,
    cost: { tokens: request.reservation() },
    get details() {
      return detailsOf(request, at)
    },
    ...(request.unreadable.length === 0 ? {} : { unreadable: request.unreadable }),
    admitTools(rules) {
      const spoken = rules.tools !== undefined || rules.toolArguments !== undefined
      const guard = spoken || (request.tools ?? []).length > 0 ? new ToolGuard(rules, request.tools ?? []) : null
      if (spoken) tools = guard
    },
    rewriteTexts: (filter) => void request.rewriteTexts(filter),
    originOf: (place) => originOf(request.tree, place),
    saidIn,
    markTexts: (origins, mark) => markTexts(request.tree, origins, mark),
    endSystemPrompt: (line) => endSystemPrompt(request.tree, line),
    stillServable: () => null,
    serve(io) {
      const pseudonym = io.subject === null ? null : options.pseudonym(io.subject)
      const attempt: Attempt = {
        route,
        body: (to) => request.toUpstream(to.upstreamModel, pseudonym),
        options: { stream: request.stream, requestId: io.requestId, operation: exchange.protocol.operation, headers: exchange.headers },
        now: () => options.clock.now(),
        async admit(fallback) {
          const refused = await io.admitElsewhere(options.facts(fallback), detailsOf(request, fallback))
          if (refused === null) at = fallback
          return refused
        },
      }
      return request.stream ? serveStream(exchange, attempt, io, tools) : serveWhole(exchange, attempt, io, tools)
    },
  }
}

const detailsOf = ({ stream }: LanguageRequest, { model, upstream }: UpstreamRoute) => ({ model, upstream, stream })

function serveWhole<Request extends LanguageRequest>(
  { options, protocol, request, route, now }: LanguageExchange<Request>,
  attempt: Attempt,
  io: ServeIo,
  tools: ToolGuard | null,
): Promise<Served> {
  return new Promise((resolve, reject) => {
    const parts: Uint8Array[] = []
    const startedAt = options.clock.monotonic()
    const exchange = dispatchInOrder(options.upstreams, attempt, {
      start: () => undefined,
      data: (chunk) => void parts.push(chunk),
      end() {
        const answer = protocol.parseAnswer(parts.length === 1 ? parts[0]! : Buffer.concat(parts), request)
        resolve({
          kind: 'whole',
          usage: { tokens: answer.usage(request.promptTokens).totalTokens },
          bytes: parts.reduce((sum, part) => sum + part.byteLength, 0),
          visitTexts: (look) => void answer.rewriteTexts(look, unchanged),
          saidIn: answeredIn,
          render(filter) {
            tools?.checkAll(answer.toolCalls?.() ?? [])
            answer.rewriteTexts(filter, quietly(io.outputPlan))
            const headers = {
              ...protocol.headers(io.requestId, options.clock.monotonic() - startedAt),
              'content-type': 'application/json',
            }
            return { status: 200, headers, body: answer.toClient(route.model, now) }
          },
        })
      },
      error: reject,
    })
    io.cancellation.onCancel((reason) => {
      exchange.abort(reason.code)
      reject(reason)
    })
  })
}

const unchanged = (text: string): string => text

/** Filters a text without counting what it finds; nothing is left of one that may not leave. */
const quietly =
  (plan: FilterPlan): TextFilter =>
  (text) => {
    const redactor = createRedactor(plan)
    const filtered = redactor.push(text) + redactor.flush()
    return redactor.blocked ? '' : filtered
  }

/** Each event leaves as soon as no value can still grow into what it holds; the closing ones wait for the record. */
function serveStream<Request extends LanguageRequest>(
  { options, protocol, request, route, now }: LanguageExchange<Request>,
  attempt: Attempt,
  io: ServeIo,
  tools: ToolGuard | null,
): Promise<Served> {
  return new Promise((resolve, reject) => {
    const { redactors, create } = redactorsOf(io.outputPlan)
    const crossings = newCounts()
    const open = (plan: FilterPlan, createCounted: () => Redactor, counts: CrossingCounts): LanguageStream => {
      const stream = protocol.openStream?.(request, {
        publicModel: route.model,
        createRedactor: createCounted,
        createSilentRedactor: () => createRedactor(plan),
        createCrossing: streamedCrossings(plan, counts),
        tools,
        requestId: io.requestId,
        now,
      })
      if (stream === undefined) throw new RedoubtError('ERR_INTERNAL', 'this API does not stream')
      return stream
    }
    const transformer = open(io.outputPlan, create, crossings)
    const review = streamForReview(io, (counted, counts) => open(forReviewer(io.outputPlan), counted, counts))
    const digest = createHash('sha256')
    let started = false
    let finished = false
    let exchange: UpstreamExchange | null = null

    const leaving = new GatheredOutput(
      io.out,
      (text, taken) => {
        digest.update(text)
        if (taken || transformer.state !== 'open') return
        exchange?.pause()
        io.out.onDrain(() => exchange?.resume())
      },
      (thrown) => {
        exchange?.abort('the answer cannot be written')
        failed(asRedoubtError(thrown))
      },
    )
    const failed = (error: RedoubtError): void => {
      transformer.fail(error)
      review?.fail(error)
      finish()
    }
    const finish = (): void => {
      if (finished) return
      finished = true
      try {
        leaving.flush()
      } catch (thrown) {
        transformer.fail(asRedoubtError(thrown))
      }
      const verdict = review?.verdict(transformer.state) ?? null
      const failure = verdict !== null && 'failure' in verdict ? verdict.failure : null
      const held = verdict !== null && 'held' in verdict ? verdict.held : null
      const ended = failure === null ? transformer.closing() : protocol.renderStreamError(failure, io.requestId)
      const closing = held === null && !io.holdAll ? ended : ''
      const isBlocked = transformer.state === 'blocked' || (verdict !== null && 'blocked' in verdict)
      const blocked = isBlocked ? (tools?.refused ?? new RedoubtError('ERR_FILTER_BLOCKED_OUTPUT')) : transformer.error
      // The reviewer's stream goes on where the client's has ended, or never began.
      const further = verdict === null ? null : review
      resolve({
        kind: 'stream',
        closing,
        usage: { tokens: (further ?? transformer).usage().totalTokens },
        outputDigest: digest.update(closing).digest('hex'),
        findings: further?.counts('findings') ?? added([...redactors, crossings].map(({ findings }) => findings)),
        actions: further?.counts('actions') ?? added([...redactors, crossings].map(({ actions }) => actions)),
        ...leftOf(redactors),
        blocked: isBlocked,
        failure: failure ?? (held === null ? blocked : null),
        ...(held === null ? {} : { held }),
      } satisfies StreamServed)
    }
    exchange = dispatchInOrder(options.upstreams, attempt, {
      start() {
        started = true
        if (!io.holdAll) io.out.start(protocol.headers(io.requestId))
      },
      data(chunk) {
        review?.push(chunk)
        // INVARIANT: what a person has to look at does not leave before.
        if (!io.holdAll) leaving.add(transformer.push(chunk))
        if (review === null ? transformer.state === 'open' : review.goesOn(transformer.state)) return
        // The upstream has nothing more to say to us, however much it still sends.
        if (transformer.state === 'complete') exchange?.release()
        else exchange?.abort('the stream has ended')
        finish()
      },
      end() {
        transformer.end()
        review?.end()
        finish()
      },
      error(error) {
        if (started) failed(error)
        else reject(error)
      },
    })
    io.cancellation.onCancel((reason) => {
      exchange?.abort(reason.code)
      transformer.fail(reason)
      review?.fail(reason)
      if (started && !io.holdAll) finish()
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

function leftOf(redactors: readonly Redactor[]): Pick<StreamServed, 'left'> {
  const left = redactors.reduce((sum, redactor) => sum + (redactor.left ?? 0), 0)
  return left === 0 ? {} : { left }
}
