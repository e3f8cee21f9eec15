import type { TextChannel } from '../chat-completions/text-channel.ts'
import type { Branch, Tree } from '../chat-completions/texts.ts'
import { StreamedTokens } from '../log-probabilities/streamed-text.ts'
import { readTokens, type SpelledToken } from '../log-probabilities/tokens.ts'
import { protocol } from '../upstream-answer.ts'
import { itemInKeys, keyOf } from './places.ts'

const MAX_TEXTS = 1024

interface StreamedText {
  /** What the item or the part is that holds it. */
  readonly type: string
  /** Member of the closing event that repeats the whole text. */
  readonly member: string
  readonly json: 'always' | 'never' | 'answer'
}

/** The texts that come in pieces, by the name that the events of each begin with. */
export const TEXTS: Readonly<Record<string, StreamedText>> = {
  'response.output_text': { type: 'output_text', member: 'text', json: 'answer' },
  'response.refusal': { type: 'refusal', member: 'refusal', json: 'never' },
  'response.function_call_arguments': { type: 'function_call', member: 'arguments', json: 'always' },
  'response.custom_tool_call_input': { type: 'custom_tool_call', member: 'input', json: 'never' },
  'response.code_interpreter_call_code': { type: 'code_interpreter_call', member: 'code', json: 'never' },
  'response.mcp_call_arguments': { type: 'mcp_call', member: 'arguments', json: 'always' },
  'response.reasoning_summary_text': { type: 'summary_text', member: 'text', json: 'never' },
  'response.reasoning_text': { type: 'reasoning_text', member: 'text', json: 'never' },
}
/** The texts that log probabilities spell. */
export const SPELLED = 'response.output_text'

/** The texts of one response that come in pieces: the channel of each while it is open, and what has gone out of it. */
export class StreamedTexts {
  readonly #jsonAnswer: boolean
  readonly #create: (json: boolean) => TextChannel
  /** Those that have not ended. */
  readonly #channels = new Map<string, TextChannel>()
  readonly #tokens = new Map<string, StreamedTokens>()
  /** Texts that came in pieces: what repeats them was counted already. */
  readonly #told = new Set<string>()
  /** What has gone out of each of them. */
  readonly #sent = new Map<string, string>()

  /** @param create makes the channel of one text. */
  constructor(jsonAnswer: boolean, create: (json: boolean) => TextChannel) {
    this.#jsonAnswer = jsonAnswer
    this.#create = create
  }

  /** Whether a text has begun, or begun and ended. */
  has(key: string): boolean {
    return this.#told.has(key)
  }

  /** Whether any text of an item has. @throws {RedoubtError} for what is no index. */
  hasInItem(item: Tree | undefined): boolean {
    const place = itemInKeys(item)
    return [...this.#told].some((key) => key.includes(place))
  }

  /** Whether a text has not ended. */
  get hasOpen(): boolean {
    return this.#channels.size > 0
  }

  /** Whether a text of an item has not ended. @throws {RedoubtError} for what is no index. */
  hasOpenInItem(item: Tree | undefined): boolean {
    const place = itemInKeys(item)
    return [...this.#channels.keys()].some((key) => key.includes(place))
  }

  /** Whether a text is read by what it means as JSON. */
  isJson(name: string): boolean {
    const { json } = TEXTS[name]!
    return json === 'always' || (json === 'answer' && this.#jsonAnswer)
  }

  /** The channel of a text, which begins with it. @throws {RedoubtError} for a text that has ended, and for one too many. */
  channelOf(name: string, data: Branch): TextChannel {
    const key = keyOf(name, data)
    let channel = this.#channels.get(key)
    if (channel === undefined) {
      if (this.#told.has(key)) throw protocol('a text goes on after its end')
      if (this.#told.size >= MAX_TEXTS) throw protocol('the response has too many texts')
      channel = this.#create(this.isJson(name))
      this.#channels.set(key, channel)
      this.#told.add(key)
    }
    return channel
  }

  /** The channel of a text that has not ended. */
  openChannel(key: string): TextChannel | undefined {
    return this.#channels.get(key)
  }

  /** A text has ended: nothing more of it may come. */
  end(key: string): void {
    this.#channels.delete(key)
  }

  /** Remembers which tokens spell what has come. */
  spell(data: Branch, delta: string): void {
    const key = keyOf(SPELLED, data)
    const read: readonly SpelledToken[] = readTokens(data['logprobs'])
    let tokens = this.#tokens.get(key)
    if (read.length === 0 && tokens === undefined) return
    if (tokens === undefined) {
      if (this.#tokens.size >= MAX_TEXTS) throw protocol('the response has too many texts')
      tokens = new StreamedTokens(this.#told.has(key))
      this.#tokens.set(key, tokens)
    }
    tokens.push(read, delta)
  }

  /** Notes that a piece of a text goes out. @returns the tokens that spell it. */
  leaves(key: string, piece: string): readonly SpelledToken[] {
    this.#sent.set(key, (this.#sent.get(key) ?? '') + piece)
    return this.#tokens.get(key)?.take(piece) ?? []
  }

  /** All of a text has gone out, so no token of it waits any more. */
  forgetTokens(key: string): void {
    this.#tokens.delete(key)
  }

  /** What has gone out of a text, and nothing else. */
  sentOf(key: string): string {
    return this.#sent.get(key) ?? ''
  }
}
