import { parseStrictJson, RedoubtError } from '#foundation/core'
import { MAX_CHOICES } from './request.ts'
import { filterJsonText } from '../json-text.ts'
import { readTokens, writeTokens } from '../log-probabilities/tokens.ts'
import { unchangedTokens } from '../log-probabilities/whole-text.ts'
import { dropTokenIds } from '../token-ids.ts'
import type { ToolCallMade } from '../tools/tool-guard.ts'
import { type Branch, rewriteTree, type TextFilter, type Tree } from './texts.ts'
import { estimateUsage, numbersOnly, readUsage, type TokenUsage } from './usage.ts'

export const MAX_RESPONSE_BYTES = 8 * 1024 * 1024
const MAX_DEPTH = 64
const FINISH_REASON = /^[a-z_]{1,32}$/
/** The texts of a message that log probabilities spell. */
export const SPELLED = ['content', 'refusal'] as const
const UNREADABLE = ['audio', 'images', 'image', 'video'] as const
const TEXT_PARTS: ReadonlySet<Tree | undefined> = new Set(['text', 'refusal', 'thinking', 'reasoning'])
const CALL_TYPES: ReadonlySet<Tree | undefined> = new Set(['function', 'custom'])

/** A whole answer of an upstream, with its texts open to a filter. Owned by one request. */
export class ChatResponse {
  readonly #document: Branch
  readonly #choices: readonly Branch[]
  readonly #usage: TokenUsage | null
  readonly #jsonAnswer: boolean

  /** @param jsonAnswer The caller asked for an answer that is a JSON document. */
  constructor(document: Branch, jsonAnswer: boolean) {
    const choices = document['choices']
    if (!Array.isArray(choices) || choices.length === 0 || choices.length > MAX_CHOICES) throw protocol('the answer has no choices')
    for (const choice of choices) {
      if (!isBranch(choice) || !isBranch(choice['message'])) throw protocol('a choice has no message')
      const reason = choice['finish_reason']
      if (typeof reason !== 'string' || !FINISH_REASON.test(reason)) throw protocol('a choice has no finish reason')
      if (choice['message']['role'] !== 'assistant') throw protocol('a message is not from the assistant')
      checkCalls(choice['message']['tool_calls'])
      demandReadable(choice['message'])
    }
    dropTokenIds(document)
    this.#document = document
    this.#choices = choices as Branch[]
    this.#usage = readUsage(document['usage'])
    this.#jsonAnswer = jsonAnswer
  }

  get finishReasons(): readonly string[] {
    return this.#choices.map((choice) => choice['finish_reason'] as string)
  }

  /**
   * Passes every text of the answer through `filter`, as `ChatRequest.rewriteTexts` does for a request. The log probabilities of a choice
   * spell its text token by token: those of what was changed are dropped.
   * @param quiet looks at alternatives of tokens without counting; where it is missing none goes out.
   * @returns whether anything was changed.
   */
  rewriteTexts(filter: TextFilter, quiet: TextFilter | null = null): boolean {
    let changed = rewriteTree(this.#document, filter, (holder, member) => this.#exempt(holder, member), 'ERR_FILTER_BLOCKED_OUTPUT')
    this.#choices.forEach((choice, i) => {
      const inner: TextFilter = (text, param, isName) => filter(text, `choices[${i}].${param}`, isName)
      const message = choice['message'] as Branch
      const raw: Branch = {}
      for (const member of SPELLED) raw[member] = message[member] ?? null
      const json = this.#jsonAnswer && typeof message['content'] === 'string' ? message['content'] : null
      // Read by what it means even where it was cut off and is no document any more.
      if (json !== null) message['content'] = filterJsonText(json, (plain) => inner(plain, 'message.content'))
      const exempt = (holder: Branch, member: string): boolean =>
        (holder === choice && member === 'logprobs') ||
        (json !== null && holder === message && member === 'content') ||
        this.#exempt(holder, member)
      const inside = rewriteTree(choice, inner, exempt, 'ERR_FILTER_BLOCKED_OUTPUT')
      const rewritten = inside || (json !== null && message['content'] !== json)
      if ((choice['logprobs'] ?? null) !== null) choice['logprobs'] = this.#spelled(choice, raw, quiet)
      changed ||= rewritten
    })
    return changed
  }

  #spelled({ logprobs, message }: Branch, raw: Branch, quiet: TextFilter | null): Tree {
    if (!isBranch(logprobs) || !isBranch(message)) return null
    const lists: Branch = {}
    for (const member of SPELLED) {
      const [came, out, spelled] = [raw[member], message[member], logprobs[member]]
      if (spelled === undefined) continue
      const json = this.#jsonAnswer && member === 'content'
      const tokens =
        typeof came === 'string' && typeof out === 'string' ? unchangedTokens(readTokens(spelled), { raw: came, out, json }, quiet) : []
      lists[member] = tokens.length === 0 ? null : writeTokens(tokens)
    }
    return Object.values(lists).every((list) => list === null) ? null : lists
  }

  #exempt(holder: Branch, member: string): boolean {
    if (holder === this.#document)
      return member === 'choices' || member === 'usage' || member === 'created' || member === 'object' || member === 'model'
    if (member === 'role') return holder[member] === 'assistant'
    if (member === 'finish_reason') return typeof holder[member] === 'string' && FINISH_REASON.test(holder[member])
    return member === 'type' && CALL_TYPES.has(holder[member])
  }

  toolCalls(): readonly ToolCallMade[] {
    return this.#choices.flatMap(({ message }) => callsOf(message as Branch))
  }

  /** What to settle: the upstream's own count, or an estimate from the length of the answer. */
  usage(promptTokens: number): TokenUsage {
    return this.#usage ?? estimateUsage(promptTokens, 1, JSON.stringify(this.#choices).length)
  }

  /** The body for the client, under the public name of the model. */
  toClient(publicModel: string, now: number): string {
    const { created, usage } = this.#document
    const seconds = typeof created === 'number' && Number.isSafeInteger(created) ? created : Math.floor(now / 1000)
    const body: Branch = { ...this.#document, object: 'chat.completion', created: seconds, model: publicModel }
    if (isBranch(usage)) body['usage'] = numbersOnly(usage)
    else delete body['usage']
    return JSON.stringify(body)
  }
}

/** @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL` for anything that is not a whole chat completion. */
export function parseChatResponse(body: Uint8Array, jsonAnswer = false, maxBytes = MAX_RESPONSE_BYTES): ChatResponse {
  let document: Tree
  try {
    document = parseStrictJson(body, { maxBytes, maxDepth: MAX_DEPTH }) as Tree
  } catch {
    throw protocol('the answer is not JSON within bounds')
  }
  if (!isBranch(document)) throw protocol('the answer is not an object')
  return new ChatResponse(document, jsonAnswer)
}

/** A call that is of two kinds would be checked as one and read as the other. */
function checkCalls(calls: Tree | undefined): void {
  if (calls === undefined || calls === null) return
  if (!Array.isArray(calls)) throw protocol('`tool_calls` is not an array')
  for (const call of calls)
    if (isBranch(call) && (call['function'] ?? null) !== null && (call['custom'] ?? null) !== null)
      throw protocol('a tool call is of two kinds')
}

/** Text is all that is asked for. What no filter can read does not pass because an upstream sends it unasked. */
function demandReadable({ content, ...rest }: Branch): void {
  const unread = UNREADABLE.find((member) => (rest[member] ?? null) !== null && !isEmptyList(rest[member]))
  if (unread !== undefined) throw protocol(`the answer holds \`${unread}\`, which was not asked for and no filter can read`)
  if (Array.isArray(content) && content.some((part) => !isBranch(part) || !TEXT_PARTS.has(part['type'])))
    throw protocol('the answer holds a part that is no text, which was not asked for and no filter can read')
}

function isEmptyList(value: Tree | undefined): boolean {
  return Array.isArray(value) && value.length === 0
}

function callsOf({ tool_calls: calls, function_call: legacy }: Branch): readonly ToolCallMade[] {
  const all = [...(Array.isArray(calls) ? calls : []), ...(legacy === undefined || legacy === null ? [] : [{ function: legacy }])]
  return all.map((call): ToolCallMade => {
    const inner = isBranch(call) ? (call['function'] ?? call['custom'] ?? null) : null
    if (!isBranch(inner)) return { name: null, arguments: null }
    return { name: typeof inner['name'] === 'string' ? inner['name'] : null, arguments: inner['arguments'] ?? inner['input'] ?? null }
  })
}

function isBranch(value: Tree | undefined): value is Branch {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function protocol(message: string): RedoubtError {
  return new RedoubtError('ERR_UPSTREAM_PROTOCOL', message)
}
