import { RedoubtError } from '#foundation/core'
import type { StreamedCrossing } from '#gateway/pipeline'
import { StreamedTokens } from '../log-probabilities/streamed-text.ts'
import { readTokens, type SpelledToken, writeTokens } from '../log-probabilities/tokens.ts'
import { TextsInTurn } from '../texts-in-turn.ts'
import type { ToolGuard } from '../tools/tool-guard.ts'
import { MAX_TOOL_CALLS } from './request.ts'
import { SPELLED } from './response.ts'
import { filterWhole, type StreamRedactor, TextChannel } from './text-channel.ts'
import type { Branch, Tree } from './texts.ts'

const TEXT_MEMBER = /^[a-z][a-z_]{0,63}$/
const MAX_TEXT_CHANNELS = 8
const MAX_NAME_LENGTH = 256
const FINISH_REASON = /^[a-z_]{1,32}$/

export interface ChoiceOptions {
  readonly createRedactor: (() => StreamRedactor) | null
  readonly createCrossing: (() => StreamedCrossing) | null
  readonly jsonAnswer: boolean
  readonly tools: ToolGuard | null
  /** Called with the length of every piece of text that arrived, for the accounts. */
  readonly count: (characters: number) => void
}

/** The pieces of one upstream event for one choice: deltas to send, in order, then perhaps a finish reason. */
export interface ChoiceStep {
  readonly deltas: readonly Branch[]
  /** Log probabilities of the text that the deltas hold. */
  readonly logprobs: Branch | null
  readonly finishReason: string | null
  /** A value may not leave: the deltas end before it, and the stream ends with them. */
  readonly blocked: boolean
}

interface ToolCall {
  readonly id: string | null
  name: string | null
  readonly text: TextChannel
  /** Where the text stands in the delta: `function.arguments` or `custom.input`. */
  readonly kind: 'function' | 'custom'
  /** Arguments that wait until they are whole, and what may leave of them. */
  held: string
  safe: string
}

/** The texts of a message that the model says, beside which names and ids stand. */
const SAID: ReadonlySet<string> = new Set(['content', 'refusal', 'thinking', 'reasoning', 'reasoning_content'])

/** The texts of one choice: one channel for each text member of its deltas and one for each tool call. */
export class ChoiceStream {
  readonly #options: ChoiceOptions
  readonly #texts = new Map<string, TextChannel>()
  readonly #calls = new Map<number, ToolCall>()
  /** Only where log probabilities come. */
  #tokens: Map<string, StreamedTokens> | null = null
  #leaving: Record<string, SpelledToken[]> | null = null
  #legacy: ToolCall | null = null
  #roleSent = false
  #speaking: string | null = null
  #lastCall = -1
  #finished = false
  #blocked = false
  readonly #turn: TextsInTurn<Branch>

  constructor(options: ChoiceOptions) {
    this.#options = options
    this.#turn = new TextsInTurn(options.createCrossing, () => this.#blocked)
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
    if (isBranch(logprobs) || this.#tokens !== null) this.#spell(delta, logprobs)
    const before: Branch[] = []
    let out: Branch = {}
    // What this delta has held so far goes out before a text that waits.
    const apart = (): void => {
      if (isEmpty(out)) return
      const first = out
      out = {}
      before.push(...this.#turn.behind(() => first))
    }
    for (const member of Object.keys(delta)) {
      const value = delta[member]
      if (value === undefined || value === null || this.#blocked) continue
      if (member === 'role') this.#role(value, out)
      else if (member === 'tool_calls') this.#toolCalls(value, before, apart, (calls) => (out['tool_calls'] = calls))
      else if (member === 'function_call') this.#functionCall(value, before, apart, (call) => (out['function_call'] = call))
      // Structured members beside these cannot be followed across deltas, so they do not go out.
      else if (typeof value === 'string' && TEXT_MEMBER.test(member)) this.#text(member, value, before, apart, out)
    }
    apart()
    const deltas = before
    const reason = finishReason ?? null
    if (reason === null || this.#blocked) return { deltas, logprobs: this.#spelled(), finishReason: null, blocked: this.#blocked }
    if (typeof reason !== 'string' || !FINISH_REASON.test(reason)) throw protocol('a finish reason is not a word')
    if (this.#options.tools !== null) for (const call of this.#allCalls()) deltas.push(...this.#checkArguments(call, this.#options.tools))
    deltas.push(...this.#turn.drain())
    const rest = this.#flush()
    if (!isEmpty(rest)) deltas.push(rest)
    if (this.#blocked) return { deltas, logprobs: this.#spelled(), finishReason: null, blocked: true }
    this.#finished = true
    return { deltas, logprobs: this.#spelled(), finishReason: reason, blocked: false }
  }

  /** Remembers which tokens spell what has come. */
  #spell(delta: Branch, logprobs: Tree | undefined): void {
    for (const member of SPELLED) {
      const list = isBranch(logprobs) ? (logprobs[member] ?? null) : null
      let tokens = this.#tokens?.get(member)
      if (list === null && tokens === undefined) continue
      if (tokens === undefined) {
        this.#tokens ??= new Map()
        tokens = new StreamedTokens(this.#texts.has(member))
        this.#tokens.set(member, tokens)
      }
      const piece = delta[member]
      tokens.push(readTokens(list), typeof piece === 'string' ? piece : '')
    }
  }

  /** Notes that a piece of a text goes out. */
  #leaves(member: string, piece: string): void {
    const gone = this.#tokens?.get(member)?.take(piece) ?? []
    if (gone.length === 0) return
    this.#leaving ??= {}
    this.#leaving[member] = [...(this.#leaving[member] ?? []), ...gone]
  }

  #spelled(): Branch | null {
    const leaving = this.#leaving
    if (leaving === null) return null
    this.#leaving = null
    return Object.fromEntries(SPELLED.map((member) => [member, leaving[member] ? writeTokens(leaving[member]) : null]))
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
    let channel = this.#texts.get(member)
    if (channel === undefined) {
      if (this.#texts.size >= MAX_TEXT_CHANNELS) throw protocol('a choice has too many kinds of text')
      channel = this.#channel(this.#options.jsonAnswer && member === 'content', SAID.has(member))
      this.#texts.set(member, channel)
    }
    if (this.#speaking !== member) this.#interrupt(before)
    if (this.#blocked) return
    this.#speaking = member
    before.push(...this.#turn.turnTo(channel))
    const waits = this.#turn.isCrossing
    if (waits) apart()
    const shown = this.#turn.push(channel, piece, (text) => this.#said(channel, member, text))
    if (waits) before.push(...shown)
    else for (const delta of shown) Object.assign(out, delta)
  }

  /** The delta with what may leave of a text. */
  #said(channel: TextChannel, member: string, text: string): Branch | null {
    const safe = this.#checked(channel, text)
    if (safe === '') return null
    this.#leaves(member, safe)
    return { [member]: safe }
  }

  #channel(json: boolean, joins: boolean): TextChannel {
    return new TextChannel(this.#options.createRedactor, json, joins && this.#options.createCrossing !== null)
  }

  /** Sends what the speaking text still holds before something else begins. A JSON answer cannot be interrupted, it waits for its end. */
  #interrupt(before: Branch[]): void {
    const speaking = this.#speaking
    this.#speaking = null
    if (speaking === null || (this.#options.jsonAnswer && speaking === 'content')) return
    const channel = this.#texts.get(speaking)
    if (channel !== undefined) before.push(...this.#turn.end(channel, () => this.#said(channel, speaking, channel.interrupt())))
  }

  #toolCalls(value: Tree, before: Branch[], apart: () => void, show: (calls: Tree[]) => void): void {
    if (!Array.isArray(value)) throw protocol('`tool_calls` is not an array')
    if (value.length === 0) return
    this.#interrupt(before)
    let sent: Tree[] = []
    const callsApart = (): void => {
      if (sent.length > 0) show(sent)
      sent = []
      apart()
    }
    for (const piece of value) {
      if (this.#blocked) break
      if (!isBranch(piece)) throw protocol('a tool call is not an object')
      const step = this.#toolCall(piece, before, (own) => {
        if (own !== null) sent.push(own)
        callsApart()
      })
      if (step !== null) sent.push(step)
    }
    if (sent.length > 0) show(sent)
  }

  /** @param apart sends the call as it is so far, before its text waits. */
  #toolCall(piece: Branch, before: Branch[], apart: (own: Branch | null) => void): Branch | null {
    const index = this.#callIndex(piece)
    const kind = isBranch(piece['custom']) ? 'custom' : 'function'
    const inner = piece[kind] ?? {}
    if (!isBranch(inner)) throw protocol('a tool call has no function')
    let call = this.#calls.get(index)
    const out: Branch = { index }
    if (call === undefined) {
      if (this.#calls.size >= MAX_TOOL_CALLS) throw protocol('a choice has too many tool calls')
      const id = typeof piece['id'] === 'string' ? piece['id'] : null
      call = { id, name: null, kind, text: this.#channel(kind === 'function', true), held: '', safe: '' }
      this.#calls.set(index, call)
      if (id !== null) out['id'] = this.#once(id)
      out['type'] = kind
    } else if (call.kind !== kind && piece[kind] !== undefined) throw protocol('a tool call changes its kind')
    const name = inner['name']
    const sent: Branch = {}
    if (typeof name === 'string' && name !== '' && name !== call.name) {
      // A name that comes in pieces could spell what no single piece shows.
      if (call.name !== null) throw protocol('a tool call changes its name')
      call.name = name
      this.#options.tools?.called(name)
      sent['name'] = this.#once(name)
    }
    const member = kind === 'function' ? 'arguments' : 'input'
    const text = inner[member]
    if (typeof text === 'string') {
      this.#options.count(text.length)
      if (this.#waits(call, text, before)) {
        if (out['type'] !== undefined) sent[member] = ''
        apart(isEmpty(sent) && out['type'] === undefined ? null : { ...out, [kind]: sent })
        before.push(
          ...this.#turn.push(call.text, text, (safe) =>
            this.#shownArgument(call.text, safe, (shown) => ({ tool_calls: [{ index, [kind]: { [member]: shown } }] })),
          ),
        )
        return null
      }
      const safe = this.#argument(call, text)
      if (safe !== '' || out['type'] !== undefined) sent[member] = safe
    }
    if (isEmpty(sent) && out['type'] === undefined) return null
    out[kind] = sent
    return out
  }

  /**
   * Nothing of an argument leaves before it is known whose it is, or before it was checked where it has to be.
   * @returns whether it waits for what stands before it.
   */
  #waits(call: ToolCall, piece: string, before: Branch[]): boolean {
    const { tools } = this.#options
    if (tools !== null && call.name === null && piece !== '') throw protocol('a tool call begins with its arguments')
    if (piece === '' || tools?.holdsArguments === true) return false
    before.push(...this.#turn.turnTo(call.text))
    return this.#turn.isCrossing
  }

  #argument(call: ToolCall, piece: string): string {
    let safe = ''
    if (piece === '') return safe
    if (this.#options.tools?.holdsArguments === true) call.held += piece
    else
      this.#turn.push(call.text, piece, (text) => {
        safe = this.#checked(call.text, text)
        return null
      })
    return safe
  }

  #shownArgument(channel: TextChannel, text: string, show: (safe: string) => Branch): Branch | null {
    const safe = this.#checked(channel, text)
    return safe === '' ? null : show(safe)
  }

  #allCalls(): readonly ToolCall[] {
    return [...this.#calls.values(), ...(this.#legacy === null ? [] : [this.#legacy])]
  }

  /** What was held is told once it was checked, in the order of the calls. @returns what has waited for it. */
  #checkArguments(call: ToolCall, tools: ToolGuard): Branch[] {
    tools.called(call.name)
    if (!tools.holdsArguments) return []
    tools.checked(call.name ?? '', call.held)
    return this.#turn.push(call.text, call.held, (text) => {
      call.safe += this.#checked(call.text, text)
      return null
    })
  }

  #endArguments(call: ToolCall): string {
    return call.safe + (call.text.blocked ? '' : this.#checked(call.text, call.text.flush()))
  }

  /** Some upstreams leave the index out; then a new id begins a new call. */
  #callIndex(piece: Branch): number {
    const index = piece['index'] ?? null
    if (index === null) {
      const id = piece['id']
      const begins = typeof id === 'string' && this.#calls.get(this.#lastCall)?.id !== id
      this.#lastCall = begins ? this.#calls.size : Math.max(this.#lastCall, 0)
    } else if (typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < MAX_TOOL_CALLS) {
      this.#lastCall = index
    } else throw protocol('a tool call has no valid index')
    return this.#lastCall
  }

  #functionCall(value: Tree, before: Branch[], apart: () => void, show: (call: Branch) => void): void {
    if (!isBranch(value)) throw protocol('`function_call` is not an object')
    this.#interrupt(before)
    if (this.#blocked) return
    const sent: Branch = {}
    if (this.#legacy === null) {
      const name = typeof value['name'] === 'string' ? value['name'] : null
      this.#options.tools?.called(name)
      this.#legacy = { id: null, name, kind: 'function', text: this.#channel(true, true), held: '', safe: '' }
      if (name !== null) sent['name'] = this.#once(name)
    } else if (typeof value['name'] === 'string' && value['name'] !== '') throw protocol('a function call changes its name')
    const text = value['arguments']
    if (typeof text === 'string') {
      this.#options.count(text.length)
      const call = this.#legacy
      if (this.#waits(call, text, before)) {
        if (!isEmpty(sent)) show({ ...sent, arguments: '' })
        apart()
        before.push(
          ...this.#turn.push(call.text, text, (safe) =>
            this.#shownArgument(call.text, safe, (shown) => ({ function_call: { arguments: shown } })),
          ),
        )
        return
      }
      const safe = this.#argument(call, text)
      if (safe !== '' || sent['name'] !== undefined) sent['arguments'] = safe
    }
    if (!isEmpty(sent)) show(sent)
  }

  /** Filters a text that arrives whole. */
  #once(text: string): string {
    if (text.length > MAX_NAME_LENGTH) throw protocol('a name is too long')
    return filterWhole(text, this.#options.createRedactor)
  }

  #checked(channel: TextChannel, text: string): string {
    if (channel.blocked) this.#blocked = true
    return text
  }

  #flush(): Branch {
    const rest: Branch = {}
    for (const [member, channel] of this.#texts) {
      const text = this.#checked(channel, channel.flush())
      if (text !== '') {
        rest[member] = text
        this.#leaves(member, text)
      }
      if (this.#blocked) return rest
    }
    const calls: Tree[] = []
    for (const [index, call] of this.#calls) {
      const text = this.#blocked ? '' : this.#endArguments(call)
      if (text !== '') calls.push({ index, [call.kind]: { [call.kind === 'function' ? 'arguments' : 'input']: text } })
    }
    if (calls.length > 0) rest['tool_calls'] = calls
    const legacy = this.#legacy === null || this.#blocked ? '' : this.#endArguments(this.#legacy)
    if (legacy !== '') rest['function_call'] = { arguments: legacy }
    return rest
  }
}

export function isBranch(value: unknown): value is Branch {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isEmpty(branch: Branch): boolean {
  for (const _ in branch) return false
  return true
}

export function protocol(message: string): RedoubtError {
  return new RedoubtError('ERR_UPSTREAM_PROTOCOL', message)
}
