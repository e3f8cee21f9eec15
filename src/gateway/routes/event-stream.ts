import { asRedoubtError, RedoubtError } from '#foundation/core'
import { Blocked, filterWhole, TextChannel } from './chat-completions/text-channel.ts'
import { type Branch, rewriteTree } from './chat-completions/texts.ts'
import { estimateUsage, type TokenUsage } from './chat-completions/usage.ts'
import { TextsInTurn } from './texts-in-turn.ts'
import type { LanguageStream, StreamOptions, StreamState } from './language-protocol.ts'
import { isBranch } from './request-members.ts'
import { type SseEvent, SseParser } from './sse.ts'
import { protocol } from './upstream-answer.ts'

const MAX_IDENTIFIER_LENGTH = 512

/**
 * What the streams of all APIs have in common: the events of the upstream, taken one by one, become those of the client; the stream ends
 * once, in one of its ways, and never just stops. The concatenation of all output is the same for every chunking of the upstream's bytes.
 */
export abstract class EventStream implements LanguageStream {
  protected readonly options: StreamOptions
  readonly #promptTokens: number
  readonly #parser = new SseParser()
  #state: StreamState = 'open'
  #error: RedoubtError | null = null
  #pieces = 0
  #characters = 0
  readonly #turn: TextsInTurn<string>
  /** What the upstream counted. */
  protected counted: TokenUsage | null = null

  constructor(options: StreamOptions, promptTokens: number) {
    this.options = options
    this.#promptTokens = promptTokens
    this.#turn = new TextsInTurn(options.createCrossing, () => this.#state !== 'open')
  }

  get state(): StreamState {
    return this.#state
  }

  get error(): RedoubtError | null {
    return this.#error
  }

  push(chunk: Uint8Array): string {
    if (this.#state !== 'open') return ''
    let out = ''
    try {
      for (const event of this.#parser.push(chunk)) {
        out += this.take(event)
        if (this.state !== 'open') break
      }
    } catch (thrown) {
      if (thrown instanceof Blocked) {
        out += this.drained()
        this.block()
      } else this.fail(asRedoubtError(thrown))
    }
    return out
  }

  end(): void {
    this.fail(new RedoubtError('ERR_UPSTREAM_RESET', 'the upstream ended its stream without saying so'))
  }

  fail(error: RedoubtError): void {
    if (this.#state !== 'open') return
    this.#state = 'failed'
    this.#error = error
  }

  closing(): string {
    if (this.#state === 'open') this.end()
    return this.#error === null ? this.lastEvents(this.#state === 'blocked') : this.errorEvent(this.#error)
  }

  usage(): TokenUsage {
    return this.counted ?? estimateUsage(this.#promptTokens, this.#pieces, this.#characters)
  }

  /** What may be written for one event of the upstream. @throws {RedoubtError} for what a filter cannot follow. @throws {Blocked} */
  protected abstract take(event: SseEvent): string
  /** What ends a stream that came to its end, or in which a value was found that may not leave. */
  protected abstract lastEvents(blocked: boolean): string
  protected abstract errorEvent(error: RedoubtError): string

  protected complete(): void {
    if (this.#state === 'open') this.#state = 'complete'
  }

  protected block(): void {
    if (this.#state === 'open') this.#state = 'blocked'
  }

  /** @throws {RedoubtError} when the data are not a JSON object; the platform's message quotes them, so it is not kept. */
  protected objectOf({ data }: SseEvent): Branch {
    let value: unknown
    try {
      value = JSON.parse(data)
    } catch {
      throw protocol('an event of the stream is not JSON')
    }
    if (!isBranch(value)) throw protocol('an event of the stream is not an object')
    return value
  }

  /** @param joins whether a value may go on in the text that is told next, or begin in the one before. */
  protected channel(json: boolean, joins: boolean): TextChannel {
    return new TextChannel(this.options.createRedactor, json, joins && this.options.createCrossing !== null)
  }

  /** Passes a piece of a text. @param show the event with what may leave of it, which may be less, or more; nothing of nothing. */
  protected told(channel: TextChannel, piece: string, show: (text: string) => string): string {
    this.#pieces++
    this.#characters += piece.length
    return this.#turn.push(channel, piece, (text) => show(this.#checked(channel, text))).join('')
  }

  /** Ends a text. @param show as in `told`, with what it still held. */
  protected toldAll(channel: TextChannel, show: (text: string) => string): string {
    return this.#turn.end(channel, () => show(this.flushed(channel))).join('')
  }

  /** What stands behind the texts that were told, and waits for them. */
  protected behind(entry: () => string): string {
    return this.#turn.behind(entry).join('')
  }

  /** No text follows: what waits goes out. */
  protected drained(): string {
    return this.#turn.drain().join('')
  }

  /** Passes a piece of a text; what leaves of it may be less, or more. */
  protected pushed(channel: TextChannel, piece: string): string {
    this.#pieces++
    this.#characters += piece.length
    return this.#checked(channel, channel.push(piece))
  }

  /** What a text that has ended still holds. */
  protected flushed(channel: TextChannel): string {
    return this.#checked(channel, channel.flush())
  }

  /** Filters an identifier or another short text that arrives whole. @throws {Blocked} */
  protected once(text: string): string {
    if (text.length > MAX_IDENTIFIER_LENGTH) throw protocol('an identifier is too long')
    return this.filtered(text)
  }

  /** Filters a text that arrives whole, however long; one event bounds it. @throws {Blocked} */
  protected filtered(text: string): string {
    return filterWhole(text, this.options.createRedactor)
  }

  /**
   * Filters a text that repeats what was counted, or comes again and again: it is not counted, unless it ends the stream, for what does that is told to
   * whoever watches (a canary in an id or in the name of a tool). @throws {Blocked}
   */
  protected readonly again = (text: string): string => {
    try {
      return filterWhole(text, this.options.createSilentRedactor)
    } catch (thrown) {
      if (thrown instanceof Blocked) filterWhole(text, this.options.createRedactor)
      throw thrown
    }
  }

  /** Filters every text of a structure that arrives whole, in place. @throws {Blocked} */
  protected whole(branch: Branch, filter: (text: string) => string = this.filterCounted): void {
    rewriteTree(branch, filter, () => false, 'ERR_FILTER_BLOCKED_OUTPUT')
  }

  protected readonly filterCounted = (text: string): string => this.filtered(text)

  #checked(channel: TextChannel, text: string): string {
    if (channel.blocked) this.block()
    return text
  }
}
