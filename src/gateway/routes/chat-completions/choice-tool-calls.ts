import { isBranch } from '../request-members.ts'
import type { ToolGuard } from '../tools/tool-guard.ts'
import { protocol } from '../upstream-answer.ts'
import type { ChoiceOptions, ChoiceTexts } from './choice-texts.ts'
import { MAX_TOOL_CALLS } from './request.ts'
import { filterWhole, type TextChannel } from './text-channel.ts'
import { type Branch, isEmpty, type Tree } from './texts.ts'

const MAX_NAME_LENGTH = 256

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

/** The tool calls of one choice, and the one function call of the API before there were any: a channel for what each is called with. */
export class ChoiceToolCalls {
  readonly #options: ChoiceOptions
  readonly #texts: ChoiceTexts
  readonly #interrupt: (before: Branch[]) => void
  readonly #calls = new Map<number, ToolCall>()
  #legacy: ToolCall | null = null
  #lastCall = -1

  /** @param interrupt sends what the text that is being said still holds, before a call begins. */
  constructor(options: ChoiceOptions, texts: ChoiceTexts, interrupt: (before: Branch[]) => void) {
    this.#options = options
    this.#texts = texts
    this.#interrupt = interrupt
  }

  /**
   * Takes the `tool_calls` of a delta.
   * @param before takes what goes out before the delta. @param apart sends the delta as it is so far. @param show puts calls into it.
   */
  takeCalls(value: Tree, before: Branch[], apart: () => void, show: (calls: Tree[]) => void): void {
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
      if (this.#texts.blocked) break
      if (!isBranch(piece)) throw protocol('a tool call is not an object')
      const step = this.#toolCall(piece, before, (own) => {
        if (own !== null) sent.push(own)
        callsApart()
      })
      if (step !== null) sent.push(step)
    }
    if (sent.length > 0) show(sent)
  }

  /** Takes the `function_call` of a delta, as `takeCalls` takes its calls. */
  takeLegacy(value: Tree, before: Branch[], apart: () => void, show: (call: Branch) => void): void {
    if (!isBranch(value)) throw protocol('`function_call` is not an object')
    this.#interrupt(before)
    if (this.#texts.blocked) return
    const sent: Branch = {}
    if (this.#legacy === null) {
      const name = typeof value['name'] === 'string' ? value['name'] : null
      this.#options.tools?.called(name)
      this.#legacy = { id: null, name, kind: 'function', text: this.#texts.channel(true, true), held: '', safe: '' }
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
          ...this.#texts.turn.push(call.text, text, (safe) =>
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

  /** What was held is told once it was checked, in the order of the calls. @returns what has waited for it. @throws {Blocked} */
  check(): Branch[] {
    const { tools } = this.#options
    if (tools === null) return []
    const legacy = this.#legacy === null ? [] : [this.#legacy]
    return [...this.#calls.values(), ...legacy].flatMap((call) => this.#check(call, tools))
  }

  /** Puts into the last delta what the calls still hold. */
  flush(rest: Branch): void {
    const calls: Tree[] = []
    for (const [index, call] of this.#calls) {
      const text = this.#texts.blocked ? '' : this.#endArguments(call)
      if (text !== '') calls.push({ index, [call.kind]: { [call.kind === 'function' ? 'arguments' : 'input']: text } })
    }
    if (calls.length > 0) rest['tool_calls'] = calls
    const legacy = this.#legacy === null || this.#texts.blocked ? '' : this.#endArguments(this.#legacy)
    if (legacy !== '') rest['function_call'] = { arguments: legacy }
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
      call = { id, name: null, kind, text: this.#texts.channel(kind === 'function', true), held: '', safe: '' }
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
          ...this.#texts.turn.push(call.text, text, (safe) =>
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
    before.push(...this.#texts.turn.turnTo(call.text))
    return this.#texts.turn.isCrossing
  }

  #argument(call: ToolCall, piece: string): string {
    let safe = ''
    if (piece === '') return safe
    if (this.#options.tools?.holdsArguments === true) call.held += piece
    else
      this.#texts.turn.push(call.text, piece, (text) => {
        safe = this.#texts.checked(call.text, text)
        return null
      })
    return safe
  }

  #shownArgument(channel: TextChannel, text: string, show: (safe: string) => Branch): Branch | null {
    const safe = this.#texts.checked(channel, text)
    return safe === '' ? null : show(safe)
  }

  #check(call: ToolCall, tools: ToolGuard): Branch[] {
    tools.called(call.name)
    if (!tools.holdsArguments) return []
    tools.checked(call.name ?? '', call.held)
    return this.#texts.turn.push(call.text, call.held, (text) => {
      call.safe += this.#texts.checked(call.text, text)
      return null
    })
  }

  #endArguments(call: ToolCall): string {
    return call.safe + (call.text.blocked ? '' : this.#texts.checked(call.text, call.text.flush()))
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

  /** Filters a text that arrives whole. */
  #once(text: string): string {
    if (text.length > MAX_NAME_LENGTH) throw protocol('a name is too long')
    return filterWhole(text, this.#options.createRedactor)
  }
}
