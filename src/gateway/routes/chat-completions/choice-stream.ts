import { protocol } from '../upstream-answer.ts'
import { ChoiceLogProbabilities } from './choice-log-probabilities.ts'
import { type ChoiceOptions, ChoiceTexts } from './choice-texts.ts'
import { ChoiceToolCalls } from './choice-tool-calls.ts'
import type { TextChannel } from './text-channel.ts'
import { type Branch, isEmpty, type Tree } from './texts.ts'

const TEXT_MEMBER = /^[a-z][a-z_]{0,63}$/
const MAX_TEXT_CHANNELS = 8
const FINISH_REASON = /^[a-z_]{1,32}$/

/** The pieces of one upstream event for one choice: deltas to send, in order, then perhaps a finish reason. */
export interface ChoiceStep {
  readonly deltas: readonly Branch[]
  /** Log probabilities of the text that the deltas hold. */
  readonly logprobs: Branch | null
  readonly finishReason: string | null
  /** A value may not leave: the deltas end before it, and the stream ends with them. */
  readonly blocked: boolean
}

/** The texts of a message that the model says, beside which names and ids stand. */
const SAID: ReadonlySet<string> = new Set(['content', 'refusal', 'thinking', 'reasoning', 'reasoning_content'])

/** One choice of a stream: its deltas with what may leave of their texts, in order. */
export class ChoiceStream {
  readonly #options: ChoiceOptions
  readonly #texts: ChoiceTexts
  /** By the member of the delta. */
  readonly #channels = new Map<string, TextChannel>()
  readonly #calls: ChoiceToolCalls
  readonly #logprobs = new ChoiceLogProbabilities((member) => this.#channels.has(member))
  #roleSent = false
  #speaking: string | null = null
  #finished = false

  constructor(options: ChoiceOptions) {
    this.#options = options
    this.#texts = new ChoiceTexts(options)
    this.#calls = new ChoiceToolCalls(options, this.#texts, (before) => this.#interrupt(before))
  }

  get finished(): boolean {
    return this.#finished
  }

  /**
   * Takes one delta.
   * @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL` for what a filter cannot follow. @throws {Blocked}
   */
  take(delta: Branch, finishReason: Tree | undefined, logprobs: Tree | undefined = null): ChoiceStep {
    if (this.#finished) throw protocol('a choice goes on after its end')
    this.#logprobs.push(delta, logprobs)
    const before: Branch[] = []
    let out: Branch = {}
    // What this delta has held so far goes out before a text that waits.
    const apart = (): void => {
      if (isEmpty(out)) return
      const first = out
      out = {}
      before.push(...this.#texts.turn.behind(() => first))
    }
    for (const member of Object.keys(delta)) {
      const value = delta[member]
      if (value === undefined || value === null || this.#texts.blocked) continue
      if (member === 'role') this.#role(value, out)
      else if (member === 'tool_calls') this.#calls.takeCalls(value, before, apart, (calls) => (out['tool_calls'] = calls))
      else if (member === 'function_call') this.#calls.takeLegacy(value, before, apart, (call) => (out['function_call'] = call))
      // Structured members beside these cannot be followed across deltas, so they do not go out.
      else if (typeof value === 'string' && TEXT_MEMBER.test(member)) this.#text(member, value, before, apart, out)
    }
    apart()
    const deltas = before
    const reason = finishReason ?? null
    if (reason === null || this.#texts.blocked)
      return { deltas, logprobs: this.#logprobs.take(), finishReason: null, blocked: this.#texts.blocked }
    if (typeof reason !== 'string' || !FINISH_REASON.test(reason)) throw protocol('a finish reason is not a word')
    deltas.push(...this.#calls.check())
    deltas.push(...this.#texts.turn.drain())
    const rest = this.#flush()
    if (!isEmpty(rest)) deltas.push(rest)
    if (this.#texts.blocked) return { deltas, logprobs: this.#logprobs.take(), finishReason: null, blocked: true }
    this.#finished = true
    return { deltas, logprobs: this.#logprobs.take(), finishReason: reason, blocked: false }
  }

  #role(value: Tree, out: Branch): void {
    if (value !== 'assistant') throw protocol('a message is not from the assistant')
    if (this.#roleSent) return
    this.#roleSent = true
    out['role'] = 'assistant'
  }

  #text(member: string, piece: string, before: Branch[], apart: () => void, out: Branch): void {
    if (piece === '') {
      // The first delta says `content: ""` beside the role; clients rely on it.
      if (out['role'] !== undefined && member === 'content') out['content'] = ''
      return
    }
    this.#options.count(piece.length)
    let channel = this.#channels.get(member)
    if (channel === undefined) {
      if (this.#channels.size >= MAX_TEXT_CHANNELS) throw protocol('a choice has too many kinds of text')
      channel = this.#texts.channel(this.#options.jsonAnswer && member === 'content', SAID.has(member))
      this.#channels.set(member, channel)
    }
    if (this.#speaking !== member) this.#interrupt(before)
    if (this.#texts.blocked) return
    this.#speaking = member
    before.push(...this.#texts.turn.turnTo(channel))
    const waits = this.#texts.turn.isCrossing
    if (waits) apart()
    const shown = this.#texts.turn.push(channel, piece, (text) => this.#shown(channel, member, text))
    if (waits) before.push(...shown)
    else for (const delta of shown) Object.assign(out, delta)
  }

  /** The delta with what may leave of a text. */
  #shown(channel: TextChannel, member: string, text: string): Branch | null {
    const safe = this.#texts.checked(channel, text)
    if (safe === '') return null
    this.#logprobs.leaves(member, safe)
    return { [member]: safe }
  }

  /** Sends what the speaking text still holds before something else begins. A JSON answer cannot be interrupted, it waits for its end. */
  #interrupt(before: Branch[]): void {
    const speaking = this.#speaking
    this.#speaking = null
    if (speaking === null || (this.#options.jsonAnswer && speaking === 'content')) return
    const channel = this.#channels.get(speaking)
    if (channel !== undefined) before.push(...this.#texts.turn.end(channel, () => this.#shown(channel, speaking, channel.interrupt())))
  }

  #flush(): Branch {
    const rest: Branch = {}
    for (const [member, channel] of this.#channels) {
      const text = this.#texts.checked(channel, channel.flush())
      if (text !== '') {
        rest[member] = text
        this.#logprobs.leaves(member, text)
      }
      if (this.#texts.blocked) return rest
    }
    this.#calls.flush(rest)
    return rest
  }
}
