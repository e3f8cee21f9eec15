import { RedoubtError } from '#foundation/core'
import { readUpstreamError } from '#gateway/serving'
import type { TextChannel } from '../chat-completions/text-channel.ts'
import type { Branch, Tree } from '../chat-completions/texts.ts'
import { numbersOnly, readUsage } from '../chat-completions/usage.ts'
import { EventStream } from '../event-stream.ts'
import type { StreamOptions } from '../language-protocol.ts'
import { StreamedTokens } from '../log-probabilities/streamed-text.ts'
import type { SpelledToken } from '../log-probabilities/tokens.ts'
import { streamErrorEvent } from '../openai-errors.ts'
import { isBranch } from '../request-members.ts'
import { formatSse, SSE_DONE, type SseEvent } from '../sse.ts'
import { isWord, protocol, secondsOf } from '../upstream-answer.ts'
import { readCompletionTokens, writeCompletionTokens } from './log-probabilities.ts'
import type { CompletionRequest } from './request.ts'

interface Choice {
  readonly text: TextChannel
  /** Only where log probabilities come. */
  tokens: StreamedTokens | null
  begun: boolean
  finished: boolean
}

/** The stream of `POST /v1/completions`: one channel for each choice, `content_filter` where a value may not leave. */
export class CompletionStream extends EventStream {
  readonly #request: Pick<CompletionRequest, 'choices' | 'includeUsage' | 'promptTokens'>
  readonly #choices = new Map<number, Choice>()
  #head: Branch
  #headKnown = false
  #usage: Branch | null = null

  constructor(request: Pick<CompletionRequest, 'choices' | 'includeUsage' | 'promptTokens'>, options: StreamOptions) {
    super(options, request.promptTokens)
    this.#request = request
    const { requestId, now, publicModel } = options
    this.#head = { id: requestId, object: 'text_completion', created: secondsOf(undefined, now), model: publicModel }
  }

  protected take(event: SseEvent): string {
    if (event.data === '[DONE]') {
      if (this.#choices.size === 0 || [...this.#choices.values()].some(({ finished }) => !finished))
        throw protocol('a choice has no finish reason')
      this.complete()
      return ''
    }
    const chunk = this.objectOf(event)
    if (event.event === 'error' || (chunk['error'] ?? null) !== null)
      throw new RedoubtError('ERR_UPSTREAM_REFUSED', 'the upstream broke off with an error', { evidence: readUpstreamError(chunk) })
    const { choices, usage, id, created } = chunk
    if (!Array.isArray(choices)) throw protocol('an event of the stream has no choices')
    if (isBranch(usage)) {
      this.#usage = numbersOnly(usage)
      this.counted = readUsage(usage) ?? this.counted
    }
    if (!this.#headKnown)
      this.#head = {
        ...this.#head,
        ...(typeof id === 'string' ? { id: this.once(id) } : {}),
        created: secondsOf(created, this.options.now),
      }
    this.#headKnown = true
    let out = ''
    for (const choice of choices) {
      if (!isBranch(choice)) throw protocol('a choice is not an object')
      out += this.#choice(choice)
      if (this.state !== 'open') break
    }
    return out
  }

  #choice({ index, text, logprobs, finish_reason: reason }: Branch): string {
    if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= this.#request.choices)
      throw protocol('a choice has no valid index')
    let choice = this.#choices.get(index)
    if (choice === undefined) {
      choice = { text: this.channel(false, false), tokens: null, begun: false, finished: false }
      this.#choices.set(index, choice)
    }
    if (choice.finished) {
      // Some servers close a choice twice.
      if ((text ?? '') === '') return ''
      throw protocol('a choice goes on after its end')
    }
    const piece = typeof text === 'string' ? text : ''
    if (isBranch(logprobs)) choice.tokens ??= new StreamedTokens(choice.begun)
    choice.tokens?.push(readCompletionTokens(logprobs), piece)
    choice.begun ||= piece !== ''
    let safe = piece === '' ? '' : this.pushed(choice.text, piece)
    let spelled = choice.tokens?.take(safe) ?? []
    if (reason === undefined || reason === null || this.state !== 'open') return safe === '' ? '' : this.#event(index, safe, null, spelled)
    if (!isWord(reason)) throw protocol('a finish reason is not a word')
    const rest = this.flushed(choice.text)
    safe += rest
    spelled = [...spelled, ...(choice.tokens?.take(rest) ?? [])]
    if (this.state !== 'open') return safe === '' ? '' : this.#event(index, safe, null, spelled)
    choice.finished = true
    return (safe === '' ? '' : this.#event(index, safe, null, spelled)) + this.#event(index, '', reason)
  }

  #event(index: number, text: string, reason: Tree, spelled: readonly SpelledToken[] = []): string {
    const logprobs = writeCompletionTokens(spelled)
    const usage = this.#request.includeUsage ? { usage: null } : {}
    return formatSse(JSON.stringify({ ...this.#head, choices: [{ text, index, logprobs, finish_reason: reason }], ...usage }))
  }

  protected lastEvents(blocked: boolean): string {
    let out = ''
    const open = [...this.#choices].filter(([, { finished }]) => !finished).map(([index]) => index)
    if (blocked) for (const index of this.#choices.size === 0 ? [0] : open) out += this.#event(index, '', 'content_filter')
    if (this.#request.includeUsage && this.#usage !== null)
      out += formatSse(JSON.stringify({ ...this.#head, choices: [], usage: this.#usage }))
    return out + SSE_DONE
  }

  protected errorEvent(error: RedoubtError): string {
    return streamErrorEvent(error, this.options.requestId)
  }
}
