import { asRedoubtError, RedoubtError } from '#foundation/core'
import type { StreamedCrossing } from '#gateway/pipeline'
import { readUpstreamError } from '#gateway/serving'
import { streamErrorEvent } from '../openai-errors.ts'
import { isBranch } from '../request-members.ts'
import { SSE_DONE, type SseEvent, SseParser } from '../sse.ts'
import type { ToolGuard } from '../tools/tool-guard.ts'
import { protocol } from '../upstream-answer.ts'
import { ChoiceStream } from './choice-stream.ts'
import { Blocked, filterWhole, type StreamRedactor } from './text-channel.ts'
import type { Branch } from './texts.ts'
import { estimateUsage, numbersOnly, readUsage, type TokenUsage } from './usage.ts'

export interface ChatStreamOptions {
  /** The name of the model that the client knows. */
  readonly publicModel: string
  /** The client asked for the usage chunk. */
  readonly includeUsage: boolean
  /** `n` of the request. */
  readonly choices: number
  /** Estimate for the accounts when the upstream does not count. */
  readonly promptTokens: number
  readonly jsonAnswer: boolean
  /** Makes one redactor for each text of the answer; null when nothing is to be filtered. */
  readonly createRedactor: (() => StreamRedactor) | null
  /** Makes the search for values that lie over neighbouring texts; null where there can be none. */
  readonly createCrossing?: (() => StreamedCrossing) | null
  /** Says which tools may be called; null where no policy speaks of tools. */
  readonly tools?: ToolGuard | null
  readonly requestId: string
  /** Epoch milliseconds, for an upstream that does not date its answer. */
  readonly now: number
}

/** `open` while the upstream talks; then once and for all how it ended. */
export type ChatStreamState = 'open' | 'complete' | 'blocked' | 'failed'

/**
 * Turns the upstream's stream into the client's: filtered, under the public model name, never just stopping.
 *
 * `push` returns what may be written for one upstream chunk, one string for all events in it. As soon as `state` is not `open` any more (or
 * after `end`, `fail`) the caller records the completion and then writes `closing()`, which holds the closing event: usage and `[DONE]`,
 * or `content_filter` and `[DONE]`, or an error event. The concatenation of all output is the same for every chunking of the upstream's bytes.
 */
export class ChatStreamTransformer {
  readonly #options: ChatStreamOptions
  readonly #parser = new SseParser()
  readonly #choices = new Map<number, ChoiceStream>()
  #state: ChatStreamState = 'open'
  #error: RedoubtError | null = null
  #usage: Branch | null = null
  #counted: TokenUsage | null = null
  #pieces = 0
  #characters = 0
  /** The members that every chunk begins with, and the values they were made from. */
  #head = ''
  readonly #headOf: [unknown, unknown, unknown, unknown] = [undefined, undefined, undefined, undefined]
  readonly #finishReasons = new Map<number, string>()

  constructor(options: ChatStreamOptions) {
    this.#options = options
  }

  get state(): ChatStreamState {
    return this.#state
  }

  /** Why the stream failed; null otherwise. */
  get error(): RedoubtError | null {
    return this.#error
  }

  get finishReasons(): readonly string[] {
    return [...this.#finishReasons.values()]
  }

  /** Takes the upstream's next bytes. Never throws: what cannot be understood or filtered fails the stream. */
  push(chunk: Uint8Array): string {
    if (this.#state !== 'open') return ''
    let out = ''
    try {
      for (const event of this.#parser.push(chunk)) out += this.pushEvent(event)
    } catch (thrown) {
      this.fail(asRedoubtError(thrown))
    }
    return out
  }

  /** As `push`, for an event that was parsed already. */
  pushEvent(event: SseEvent): string {
    if (this.#state !== 'open') return ''
    try {
      return this.#take(event)
    } catch (thrown) {
      if (thrown instanceof Blocked) this.#state = 'blocked'
      else this.fail(asRedoubtError(thrown))
      return ''
    }
  }

  /** The upstream's body ended. Without `[DONE]` that is a failure, whatever came before. */
  end(): void {
    this.fail(new RedoubtError('ERR_UPSTREAM_RESET', 'the upstream ended its stream without saying so'))
  }

  /** Ends the stream with an error event: upstream lost, token revoked, log unavailable. Does nothing when it has ended already. */
  fail(error: RedoubtError): void {
    if (this.#state !== 'open') return
    this.#state = 'failed'
    this.#error = error
  }

  /** The last bytes for the client. */
  closing(): string {
    if (this.#state === 'open') this.end()
    if (this.#error !== null) return streamErrorEvent(this.#error, this.#options.requestId)
    let out = ''
    if (this.#state === 'blocked') {
      if (this.#head === '') this.#makeHead({})
      const open = [...this.#choices].filter(([, choice]) => !choice.finished).map(([index]) => index)
      for (const index of open.length === 0 && this.#finishReasons.size === 0 ? [0] : open) {
        this.#finishReasons.set(index, 'content_filter')
        out += this.#chunk(index, '{}', '"content_filter"', undefined)
      }
    }
    if (this.#options.includeUsage && this.#usage !== null) out += `data: ${this.#head}[],"usage":${JSON.stringify(this.#usage)}}\n\n`
    return out + SSE_DONE
  }

  /** What to settle: the upstream's count, or an estimate from what had arrived when the stream broke off. */
  usage(): TokenUsage {
    return this.#counted ?? estimateUsage(this.#options.promptTokens, this.#pieces, this.#characters)
  }

  #take({ event, data }: SseEvent): string {
    if (data === '[DONE]') {
      this.#complete()
      return ''
    }
    let chunk: unknown
    try {
      chunk = JSON.parse(data)
    } catch {
      // The platform's message quotes the answer, so it is not kept.
      throw protocol('an event of the stream is not JSON')
    }
    if (!isBranch(chunk)) throw protocol('an event of the stream is not an object')
    if (event === 'error' || (chunk['error'] ?? null) !== null) {
      throw new RedoubtError('ERR_UPSTREAM_REFUSED', 'the upstream broke off with an error', { evidence: readUpstreamError(chunk) })
    }
    if (event !== '' && event !== 'message') throw protocol('the stream has an event of an unknown name')
    const choices = chunk['choices']
    if (!Array.isArray(choices)) throw protocol('an event of the stream has no choices')
    const usage = chunk['usage']
    if (isBranch(usage)) {
      this.#usage = numbersOnly(usage)
      this.#counted = readUsage(usage) ?? this.#counted
    }
    this.#makeHead(chunk)
    let out = ''
    for (const choice of choices) {
      if (!isBranch(choice)) throw protocol('a choice is not an object')
      out += this.#choice(choice)
      if (this.#state !== 'open') break
    }
    return out
  }

  #choice(choice: Branch): string {
    const index = choice['index']
    if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= this.#options.choices) {
      throw protocol('a choice has no valid index')
    }
    const delta = choice['delta'] ?? {}
    if (!isBranch(delta)) throw protocol('a delta is not an object')
    let stream = this.#choices.get(index)
    if (stream === undefined) {
      const { createRedactor, createCrossing = null, jsonAnswer, tools = null } = this.#options
      stream = new ChoiceStream({ createRedactor, createCrossing, jsonAnswer, tools, count: this.#count })
      this.#choices.set(index, stream)
    }
    const plain = this.#options.createRedactor === null
    const step = stream.take(delta, choice['finish_reason'], plain ? null : choice['logprobs'])
    const last = step.deltas.length - 1
    let out = ''
    for (let i = 0; i <= last; i++) {
      const spelled = plain ? choice['logprobs'] : i === last ? step.logprobs : null
      out += this.#chunk(index, JSON.stringify(step.deltas[i]), 'null', spelled)
    }
    if (step.blocked) this.#state = 'blocked'
    if (step.finishReason !== null) {
      this.#finishReasons.set(index, step.finishReason)
      out += this.#chunk(index, '{}', JSON.stringify(step.finishReason), undefined)
    }
    return out
  }

  readonly #count = (characters: number): void => {
    this.#pieces++
    this.#characters += characters
  }

  #complete(): void {
    if (this.#choices.size === 0) throw protocol('the stream has no choices')
    for (const choice of this.#choices.values()) if (!choice.finished) throw protocol('a choice has no finish reason')
    this.#state = 'complete'
  }

  #chunk(index: number, delta: string, finishReason: string, logprobs: unknown): string {
    const spelled = isBranch(logprobs) ? JSON.stringify(logprobs) : 'null'
    const usage = this.#options.includeUsage ? ',"usage":null' : ''
    return `data: ${this.#head}[{"index":${index},"delta":${delta},"logprobs":${spelled},"finish_reason":${finishReason}}]${usage}}\n\n`
  }

  /** These members are the same in every chunk of an answer, so their text is made once. */
  #makeHead({ id, created, system_fingerprint: fingerprint, service_tier: tier }: Branch): void {
    const of = this.#headOf
    if (this.#head !== '' && of[0] === id && of[1] === created && of[2] === fingerprint && of[3] === tier) return
    this.#headOf.splice(0, 4, id, created, fingerprint, tier)
    const head: Branch = {
      id: typeof id === 'string' ? this.#once(id) : this.#options.requestId,
      object: 'chat.completion.chunk',
      created: typeof created === 'number' && Number.isSafeInteger(created) ? created : Math.floor(this.#options.now / 1000),
      model: this.#options.publicModel,
    }
    if (typeof tier === 'string') head['service_tier'] = this.#once(tier)
    if (typeof fingerprint === 'string') head['system_fingerprint'] = this.#once(fingerprint)
    this.#head = `${JSON.stringify(head).slice(0, -1)},"choices":`
  }

  #once(text: string): string {
    if (text.length > 256) throw protocol('an identifier is too long')
    return filterWhole(text, this.#options.createRedactor)
  }
}
