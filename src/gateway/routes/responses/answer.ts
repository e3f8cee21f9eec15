import { RedoubtError } from '#foundation/core'
import { readUpstreamError } from '#gateway/serving'
import { type Branch, rewriteTree, type TextFilter, type Tree } from '../chat-completions/texts.ts'
import { estimateUsage, numbersOnly, readInputOutput, type TokenUsage } from '../chat-completions/usage.ts'
import { filterJsonText } from '../json-text.ts'
import { readTokens, writeTokens } from '../log-probabilities/tokens.ts'
import { unchangedTokens } from '../log-probabilities/whole-text.ts'
import type { LanguageAnswer } from '../language-protocol.ts'
import { isBranch } from '../request-members.ts'
import { dropTokenIds } from '../token-ids.ts'
import { itemHostedKind } from '../tools/hosted.ts'
import { type AskedTool, demandAsked, type ToolCallMade } from '../tools/tool-guard.ts'
import { isWord, parseAnswerObject, protocol } from '../upstream-answer.ts'

const MAX_ITEMS = 1024

/** What the protocol itself writes in the object of a response. */
const WRITTEN: ReadonlySet<string> = new Set(['model', 'object', 'status', 'usage', 'created_at', 'completed_at'])

/** What the caller was heard to say. Like `instructions`, it may hold what was planted in the prompt, and is no answer of the model's. */
const REPEATED = ['input', 'input_messages', 'output_messages'] as const

/** What no filter can read does not go out: pictures that a program drew, screenshots. */
function dropPictures(item: Branch): void {
  if (item['type'] === 'image_generation_call') delete item['result']
  if (item['type'] === 'computer_call_output') delete item['output']
  if (Array.isArray(item['outputs'])) item['outputs'] = item['outputs'].filter((output) => !isBranch(output) || output['type'] !== 'image')
}

/** Parts of an item that are text. */
const TEXT_PARTS: ReadonlySet<Tree | undefined> = new Set([
  undefined,
  'output_text',
  'refusal',
  'reasoning_text',
  'summary_text',
  'text',
  'input_text',
])

/** @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL` for a part that is no text: it was not asked for. */
function demandReadable(parts: readonly Branch[]): void {
  if (parts.some(({ type }) => !TEXT_PARTS.has(type))) throw protocol('the answer holds a part that is no text, which no filter can read')
}

/** Passes every text of one output item through `filter`, in place. Log probabilities spell the texts token by token: those of what was changed are dropped. */
export function rewriteItem(item: Branch, filter: TextFilter, jsonAnswer: boolean, quiet: TextFilter | null = null): void {
  const { content } = item
  dropPictures(item)
  dropTokenIds(item)
  const parts = Array.isArray(content) ? content.filter(isBranch) : []
  demandReadable(parts)
  const spelled = parts.map(({ logprobs, text }) => (Array.isArray(logprobs) && typeof text === 'string' ? { logprobs, raw: text } : null))
  for (const part of parts) {
    if ('logprobs' in part) part['logprobs'] = []
    // Read by what it means even where it was cut off and is no document any more.
    if (jsonAnswer && typeof part['text'] === 'string')
      part['text'] = filterJsonText(part['text'], (plain) => filter(plain, 'output.content.text'))
  }
  const known = new Set(parts)
  const exempt = (holder: Branch, member: string): boolean =>
    jsonAnswer && member === 'text' && typeof holder[member] === 'string' && known.has(holder)
  rewriteTree(item, filter, exempt, 'ERR_FILTER_BLOCKED_OUTPUT')
  for (const [i, part] of parts.entries()) {
    const came = spelled[i] ?? null
    const out = part['text']
    if (came === null || typeof out !== 'string') continue
    part['logprobs'] = writeTokens(unchangedTokens(readTokens(came.logprobs), { raw: came.raw, out, json: jsonAnswer }, quiet))
  }
}

/** Passes every text of a response through `filter`, in place. */
export function rewriteResponse(response: Branch, filter: TextFilter, jsonAnswer: boolean, quiet: TextFilter | null = null): void {
  // The pseudonym stands for the person at the upstream and nowhere else.
  for (const member of ['user', 'safety_identifier', ...REPEATED]) delete response[member]
  if ('instructions' in response) response['instructions'] = null
  dropTokenIds(response)
  rewriteTree(
    response,
    filter,
    (holder, member) => holder === response && (WRITTEN.has(member) || member === 'output'),
    'ERR_FILTER_BLOCKED_OUTPUT',
  )
  for (const item of itemsOf(response['output'])) rewriteItem(item, filter, jsonAnswer, quiet)
}

/** A response under the public name of the model, with what only the protocol may write. */
export function writtenResponse(response: Branch, publicModel: string, status: string, now: number): Branch {
  const { created_at: created, completed_at: completed, usage } = response
  return {
    ...response,
    object: 'response',
    status,
    model: publicModel,
    created_at: typeof created === 'number' && Number.isFinite(created) ? created : Math.floor(now / 1000),
    ...(completed === undefined ? {} : { completed_at: typeof completed === 'number' && Number.isFinite(completed) ? completed : null }),
    usage: isBranch(usage) ? numbersOnly(usage) : null,
    store: false,
  }
}

/** @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL` when the output is no list of items. */
export function itemsOf(output: Tree | undefined): readonly Branch[] {
  if (output === undefined || output === null) return []
  if (!Array.isArray(output) || output.length > MAX_ITEMS || !output.every(isBranch)) throw protocol('the output is not a list of items')
  return output
}

/** Items that are no call of anything. */
const NO_CALLS: ReadonlySet<Tree | undefined> = new Set(['message', 'reasoning'])
/** Calls of the caller's tools, with the member that holds what they are called with; any other item is of a tool that the upstream ran, or of none that is known. */
const CALLS: Readonly<Record<string, string>> = { function_call: 'arguments', custom_tool_call: 'input' }

/** The calls of tools among the items of a response. */
export function callsOf(items: readonly Branch[]): readonly ToolCallMade[] {
  return items
    .filter(({ type }) => !NO_CALLS.has(type))
    .map((item): ToolCallMade => {
      const { type, name } = item
      const member = typeof type === 'string' && Object.hasOwn(CALLS, type) ? CALLS[type] : undefined
      if (member === undefined) return { name: itemHostedKind(type), hosted: true, arguments: null }
      return { name: typeof name === 'string' ? name : null, arguments: item[member] ?? null }
    })
}

/** @throws {RedoubtError} `ERR_UPSTREAM_REFUSED` for a response that says it failed. Its message may quote the prompt, so it is not passed on. */
export function refuseFailed(response: Branch): void {
  if (response['status'] === 'failed' || isBranch(response['error']))
    throw new RedoubtError('ERR_UPSTREAM_REFUSED', 'the upstream says that the response failed', { evidence: readUpstreamError(response) })
}

/** What is known of the request that an answer is to. */
export interface AnsweredRequest {
  readonly jsonAnswer: boolean
  readonly tools?: readonly AskedTool[]
}

/** A whole response with its texts, reasoning and tool calls open to a filter. */
class ResponseAnswer implements LanguageAnswer {
  readonly #document: Branch
  readonly #jsonAnswer: boolean
  readonly #asked: readonly AskedTool[]

  constructor(document: Branch, { jsonAnswer, tools = [] }: AnsweredRequest) {
    refuseFailed(document)
    const { status, output } = document
    if (status !== 'completed' && status !== 'incomplete') throw protocol('the response has not ended')
    if (!Array.isArray(output)) throw protocol('the response has no output')
    itemsOf(output)
    this.#document = document
    this.#jsonAnswer = jsonAnswer
    this.#asked = tools
  }

  rewriteTexts(filter: TextFilter, quiet: TextFilter | null = null): void {
    demandAsked(this.toolCalls(), this.#asked)
    rewriteResponse(this.#document, filter, this.#jsonAnswer, quiet)
  }

  toolCalls(): readonly ToolCallMade[] {
    return callsOf(itemsOf(this.#document['output']))
  }

  usage(promptTokens: number): TokenUsage {
    return readInputOutput(this.#document['usage']) ?? estimateUsage(promptTokens, 1, JSON.stringify(this.#document['output']).length)
  }

  toClient(publicModel: string, now: number): string {
    const { status } = this.#document
    return JSON.stringify(writtenResponse(this.#document, publicModel, isWord(status) ? status : 'completed', now))
  }
}

/** @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL` for anything that is not a whole response, `ERR_UPSTREAM_REFUSED` for one that failed. */
export const parseResponseAnswer = (body: Uint8Array, request: AnsweredRequest): LanguageAnswer =>
  new ResponseAnswer(parseAnswerObject(body), request)
