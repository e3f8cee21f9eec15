import { parseStrictJson } from '#foundation/core'
import type { UnreadablePart } from '#gateway/pipeline'
import { MAX_REQUEST_BYTES, promptTokensOf } from '../chat-completions/request.ts'
import { type Branch, rewriteTree, type TextFilter, type Tree } from '../chat-completions/texts.ts'
import type { LanguageRequest } from '../language-protocol.ts'
import { bodyObject, flag, integer, invalid, isBranch, MAX_COMPLETION_TOKENS, modelName, object, optionalText } from '../request-members.ts'
import { anthropicTools } from '../tools/asked-tools.ts'
import { anthropicHostedKind } from '../tools/hosted.ts'
import type { AskedTool } from '../tools/tool-guard.ts'
import { MESSAGES_MEMBERS, refuseUnknown } from '../understood-members.ts'
import { checkContent, OPAQUE_MEMBERS } from './content.ts'

const MAX_DEPTH = 64
const MAX_MESSAGES = 4096
const MAX_TOOLS = 256
const MAX_IDENTIFIER_LENGTH = 512

/** Tools that the caller runs. What the upstream runs reads and sends data past the gateway: it is allowed by name, and only where its results are texts. */
const CALLERS_TOOL = /^(?:custom|bash_\d+|text_editor_\d+|memory_\d+|computer_\d+)$/
const ROLES: ReadonlySet<Tree | undefined> = new Set(['user', 'assistant'])

/** A request in Anthropic's messages shape that was checked. Owned by one call. */
export class MessagesRequest implements LanguageRequest {
  readonly model: string
  readonly stream: boolean
  /** The person the client speaks for (`metadata.user_id`), as the client names them. */
  readonly subject: string | null
  readonly promptTokens: number
  readonly unreadable: readonly UnreadablePart[]
  /** The caller asked for an answer that is a JSON document: its texts are filtered by what they mean. */
  readonly jsonAnswer: boolean
  readonly tools: readonly AskedTool[]
  readonly #maxTokens: number
  readonly #document: Branch
  readonly #opaque = new Set<Branch>()

  /** @param counting The request only asks how many tokens it has: it names no `max_tokens` and does not stream. */
  constructor(document: Branch, bytes: number, counting: boolean) {
    this.#document = document
    this.model = modelName(document)
    refuseUnknown(document, MESSAGES_MEMBERS)
    this.stream = !counting && flag(document['stream'], 'stream')
    if (counting && (document['stream'] ?? document['max_tokens'] ?? null) !== null)
      throw invalid('a count of tokens has neither `stream` nor `max_tokens`', 'body')
    const maxTokens = integer(document['max_tokens'], 'max_tokens', MAX_COMPLETION_TOKENS)
    if (maxTokens === null && !counting) throw invalid('`max_tokens` is missing', 'max_tokens')
    this.#maxTokens = maxTokens ?? 0
    this.subject = optionalText(object(document['metadata'], 'metadata')?.['user_id'], 'metadata.user_id', MAX_IDENTIFIER_LENGTH)
    this.promptTokens = promptTokensOf(bytes)
    this.unreadable = this.#check(document)
    this.jsonAnswer = asksForJson(document)
    this.tools = anthropicTools(document)
  }

  #check(document: Branch): readonly UnreadablePart[] {
    const { messages, system, tools } = document
    const unreadable: UnreadablePart[] = []
    const opaque: Parameters<typeof checkContent>[2] = (block, kind, param) => {
      this.#opaque.add(block)
      unreadable.push({ kind, param })
    }
    if ((system ?? null) !== null) checkContent(system, 'system', opaque)
    if (messages === undefined) throw invalid('`messages` is missing', 'messages')
    if (!Array.isArray(messages)) throw invalid('`messages` is not an array', 'messages')
    if (messages.length === 0) throw invalid('`messages` is empty', 'messages')
    if (messages.length > MAX_MESSAGES) throw invalid(`there are more than ${MAX_MESSAGES} messages`, 'messages')
    for (const [i, message] of messages.entries()) {
      const place = `messages[${i}]`
      if (!isBranch(message)) throw invalid('a message is not an object', place)
      if (!ROLES.has(message['role'])) throw invalid('the role is neither user nor assistant', `${place}.role`)
      checkContent(message['content'], `${place}.content`, opaque)
    }
    checkTools(tools ?? null)
    return unreadable
  }

  get tree(): Branch {
    return this.#document
  }

  reservation(): number {
    return this.#maxTokens === 0 ? 0 : this.promptTokens + this.#maxTokens
  }

  /** Passes every text that would leave through `filter`: what is unknown inside of known members too. */
  rewriteTexts(filter: TextFilter): boolean {
    const document = this.#document
    const { metadata } = document
    const exempt = (holder: Branch, member: string): boolean => {
      if (member === 'role') return ROLES.has(holder[member])
      // It passes unread or not at all; what stands beside it is looked at.
      if (OPAQUE_MEMBERS.has(member) && this.#opaque.has(holder)) return true
      // The model is written anew, the person leaves as pseudonym or not at all.
      if (holder === metadata) return member === 'user_id'
      return holder === document && (member === 'model' || member === 'stream' || typeof holder[member] === 'number')
    }
    return rewriteTree(document, filter, exempt, 'ERR_FILTER_BLOCKED_INPUT')
  }

  toUpstream(upstreamModel: string, pseudonym: string | null): string {
    const body: Branch = { ...this.#document, model: upstreamModel }
    if (isBranch(body['metadata'])) {
      const { user_id: person, ...rest } = body['metadata']
      body['metadata'] = { ...rest, ...(pseudonym !== null && typeof person === 'string' ? { user_id: pseudonym } : {}) }
    }
    return JSON.stringify(body)
  }
}

/** The form of the answer stands in `output_config`; the name that it had before is still sent by older clients, but never both. */
function asksForJson(document: Branch): boolean {
  const config = object(document['output_config'], 'output_config')
  const format = checkFormat(config?.['format'], 'output_config.format')
  const former = checkFormat(document['output_format'], 'output_format')
  if (format && former) throw invalid('the form of the answer is named twice: leave `output_format` out', 'output_format')
  return format || former
}

function checkFormat(value: Tree | undefined, param: string): boolean {
  const format = object(value, param)
  if (format === null) return false
  // A form that is not known could be one in which a value is no value to the filters, and whole again at the client.
  if (format['type'] !== 'json_schema') throw invalid('the form of the answer is not `json_schema`', `${param}.type`)
  if (!isBranch(format['schema'])) throw invalid('the schema of the answer is missing', `${param}.schema`)
  return true
}

function checkTools(tools: Tree): void {
  if (tools === null) return
  if (!Array.isArray(tools)) throw invalid('`tools` is not an array', 'tools')
  if (tools.length > MAX_TOOLS) throw invalid(`there are more than ${MAX_TOOLS} tools`, 'tools')
  for (const [i, tool] of tools.entries()) {
    if (!isBranch(tool)) throw invalid('a tool is not an object', `tools[${i}]`)
    const type = tool['type'] ?? 'custom'
    if (typeof type === 'string' && CALLERS_TOOL.test(type)) continue
    const kind = anthropicHostedKind(type)
    if (kind === null) throw invalid('the tool is none that the caller runs, and what it does cannot be filtered', `tools[${i}].type`)
    if (tool['name'] !== kind) throw invalid(`a tool of this type has the name \`${kind}\``, `tools[${i}].name`)
  }
}

/** @throws {RedoubtError} `ERR_INPUT_INVALID` with the place in `evidence.param`, and the errors of `parseStrictJson`. */
export function parseMessagesRequest(body: Uint8Array, counting = false): MessagesRequest {
  const document = parseStrictJson(body, { maxBytes: MAX_REQUEST_BYTES, maxDepth: MAX_DEPTH }) as Tree
  return new MessagesRequest(bodyObject(document), body.byteLength, counting)
}
