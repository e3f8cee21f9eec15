import { type Branch, rewriteTree, type TextFilter, type Tree } from '../chat-completions/texts.ts'
import { estimateUsage, numbersOnly, readInputOutput, type TokenUsage } from '../chat-completions/usage.ts'
import { filterJsonText } from '../json-text.ts'
import type { LanguageAnswer } from '../language-protocol.ts'
import { isBranch } from '../request-members.ts'
import { dropTokenIds } from '../token-ids.ts'
import { resultKind, serverToolKind } from '../tools/hosted.ts'
import { type AskedTool, demandAsked, type ToolCallMade } from '../tools/tool-guard.ts'
import { isWord, parseAnswerObject, protocol } from '../upstream-answer.ts'

const MAX_BLOCKS = 1024
/** What the protocol itself writes in a message. */
const WRITTEN: ReadonlySet<string> = new Set(['model', 'usage', 'type', 'role', 'stop_reason'])

/** Blocks that are all text, beside calls and results of tools. A picture or a document is none, and nobody asked for it. */
const TEXT_BLOCKS: ReadonlySet<Tree | undefined> = new Set(['text', 'thinking', 'redacted_thinking'])
const isReadable = ({ type }: Branch): boolean => TEXT_BLOCKS.has(type) || (typeof type === 'string' && type.endsWith('tool_use'))

type JsonTextBlock = Branch & { text: string }
const isJsonText = (block: Branch): block is JsonTextBlock => block['type'] === 'text' && typeof block['text'] === 'string'

/** What is known of the request that a message answers. */
export interface AnsweredMessage {
  readonly jsonAnswer: boolean
  readonly tools?: readonly AskedTool[]
}

/** A whole message with its texts, thoughts and tool inputs open to a filter. */
export class MessageAnswer implements LanguageAnswer {
  readonly #document: Branch
  readonly #jsonAnswer: boolean
  readonly #asked: readonly AskedTool[]

  constructor(document: Branch, { jsonAnswer, tools = [] }: AnsweredMessage) {
    const { type, role, content, stop_reason: reason } = document
    if (type !== 'message' || role !== 'assistant') throw protocol('the answer is not a message of the assistant')
    if (!Array.isArray(content) || content.length > MAX_BLOCKS || !content.every(isBranch)) throw protocol('the message has no content')
    if (!isWord(reason)) throw protocol('the message has no stop reason')
    for (const block of content) {
      if (resultKind(block['type']) !== null) refuseUnreadable(block)
      else if (!isReadable(block)) throw protocol('a block is of no known type')
    }
    dropTokenIds(document)
    this.#document = document
    this.#jsonAnswer = jsonAnswer
    this.#asked = tools
  }

  rewriteTexts(filter: TextFilter): void {
    demandAsked(this.toolCalls(), this.#asked)
    const blocks = this.#jsonAnswer ? (this.#document['content'] as Branch[]).filter(isJsonText) : []
    // Read by what it means even where it was cut off and is no document any more.
    for (const block of blocks) block['text'] = filterJsonText(block['text'], (plain) => filter(plain, 'content.text'))
    const exempt = (holder: Branch, member: string): boolean =>
      (holder === this.#document && WRITTEN.has(member)) || (member === 'text' && blocks.includes(holder as JsonTextBlock))
    rewriteTree(this.#document, filter, exempt, 'ERR_FILTER_BLOCKED_OUTPUT')
  }

  toolCalls(): readonly ToolCallMade[] {
    return (this.#document['content'] as Branch[]).flatMap(callOf)
  }

  usage(promptTokens: number): TokenUsage {
    return readInputOutput(this.#document['usage']) ?? estimateUsage(promptTokens, 1, JSON.stringify(this.#document['content']).length)
  }

  toClient(publicModel: string): string {
    const { usage } = this.#document
    const counts = isBranch(usage) ? numbersOnly(usage) : { input_tokens: 0, output_tokens: 0 }
    return JSON.stringify({ ...this.#document, model: publicModel, usage: counts })
  }
}

/** The call that a block is, or whose result it brings; none for any other block. */
export function callOf({ type, name, input }: Branch): readonly ToolCallMade[] {
  if (typeof type !== 'string') return []
  if (type === 'tool_use') return [{ name: typeof name === 'string' ? name : null, arguments: input ?? null }]
  const kind = resultKind(type)
  if (kind !== null) return [{ name: kind, hosted: true, arguments: null }]
  return type.endsWith('tool_use') ? [{ name: serverToolKind(name), hosted: true, arguments: null }] : []
}

/** A page that the upstream fetched goes out where it is text. @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL`. */
export function refuseUnreadable(value: Tree): void {
  if (Array.isArray(value)) for (const item of value) refuseUnreadable(item)
  if (!isBranch(value)) return
  const { source } = value
  if (isBranch(source) && source['type'] !== 'text' && source['type'] !== 'content')
    throw protocol('the answer holds a document that no filter can read')
  for (const inner of Object.values(value)) refuseUnreadable(inner)
}

/** A number, and nothing else of what the upstream says. Counting is free: nothing is generated. */
class TokenCountAnswer implements LanguageAnswer {
  readonly #tokens: number

  constructor({ input_tokens: tokens }: Branch) {
    if (typeof tokens !== 'number' || !Number.isSafeInteger(tokens) || tokens < 0) throw protocol('the answer is not a count of tokens')
    this.#tokens = tokens
  }

  rewriteTexts(): void {}

  usage(): TokenUsage {
    return { promptTokens: 0, completionTokens: 0, totalTokens: 0, exact: true }
  }

  toClient(): string {
    return JSON.stringify({ input_tokens: this.#tokens })
  }
}

/** @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL` for anything that is not a whole message. */
export const parseMessageAnswer = (body: Uint8Array, request: AnsweredMessage): LanguageAnswer =>
  new MessageAnswer(parseAnswerObject(body), request)
/** @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL` for anything that is not a count. */
export const parseTokenCount = (body: Uint8Array): LanguageAnswer => new TokenCountAnswer(parseAnswerObject(body))
