import { parseStrictJson, type RedoubtError, type UnreadableKind } from '#foundation/core'
import type { UnreadablePart } from '#gateway/pipeline'
import {
  bodyObject,
  flag,
  integer,
  invalid,
  isBranch,
  MAX_COMPLETION_TOKENS,
  modelName,
  object,
  optionalText,
  subjectOf,
  text,
  withPerson,
} from '../request-members.ts'
import { refuseTokenIds } from '../token-ids.ts'
import { openAiTools } from '../tools/asked-tools.ts'
import type { AskedTool } from '../tools/tool-guard.ts'
import { CHAT_MEMBERS, refuseUnknown } from '../understood-members.ts'
import { type Branch, rewriteTree, type TextFilter, type Tree } from './texts.ts'

export const MAX_REQUEST_BYTES = 4 * 1024 * 1024
const MAX_DEPTH = 64
const MAX_MESSAGES = 4096
const MAX_PARTS = 1024
const MAX_TOOLS = 256
export const MAX_TOOL_CALLS = 128
export const MAX_CHOICES = 16
const MAX_IDENTIFIER_LENGTH = 512
/** Reserved for an answer whose request names no bound of its own; settled to what was used. */
export const DEFAULT_COMPLETION_TOKENS = 1024
/** Fewer UTF-8 bytes a token than this are rare in any language, so the estimate is high rather than low; it is settled to the usage reported. */
const BYTES_PER_TOKEN = 3

/** An upper estimate of the tokens of a prompt. @param bytes size of the whole body. */
export const promptTokensOf = (bytes: number): number => Math.ceil(bytes / BYTES_PER_TOKEN)

const ROLES: ReadonlySet<Tree | undefined> = new Set(['system', 'developer', 'user', 'assistant', 'tool', 'function'])
/** Parts that no text filter can look into, by type. */
const OPAQUE_PARTS: ReadonlyMap<string, UnreadableKind> = new Map([
  ['image_url', 'image'],
  ['input_image', 'image'],
  ['input_audio', 'audio'],
  ['audio', 'audio'],
  ['video_url', 'video'],
  ['file', 'file'],
  ['input_file', 'file'],
])
const NUMERIC_MEMBERS: ReadonlySet<string> = new Set(['n', 'seed', 'max_tokens', 'max_completion_tokens', 'top_logprobs'])
/** By which servers of open models are told to answer in JSON, beside `response_format`. */
const GUIDED_JSON = ['guided_json', 'json_schema'] as const
const REWRITTEN_MEMBERS: ReadonlySet<string> = new Set(['model', 'stream', 'stream_options', 'user', 'safety_identifier'])

/** A chat request that was checked, with its texts open to a filter. Owned by one request. */
export class ChatRequest {
  readonly model: string
  readonly stream: boolean
  /** The client asked for the usage chunk at the end of the stream. */
  readonly includeUsage: boolean
  /** Number of answers asked for (`n`). */
  readonly choices: number
  /** The person the client speaks for (`safety_identifier`, else `user`), as the client names them. */
  readonly subject: string | null
  /** An upper estimate of the prompt's tokens. */
  readonly promptTokens: number
  /** The client's own bound on one answer; null when it named none. */
  readonly maxCompletionTokens: number | null
  /** The client asked for an answer that is a JSON document. */
  readonly jsonAnswer: boolean
  /** Parts that no filter can look into. */
  readonly unreadable: readonly UnreadablePart[]
  readonly tools: readonly AskedTool[]
  readonly #document: Branch
  readonly #opaque = new Set<Branch>()

  constructor(document: Branch, bytes: number) {
    this.#document = document
    this.model = modelName(document)
    refuseUnknown(document, CHAT_MEMBERS)
    refuseStorage(document)
    this.stream = flag(document['stream'], 'stream')
    this.includeUsage = flag(object(document['stream_options'], 'stream_options')?.['include_usage'], 'stream_options.include_usage')
    this.choices = integer(document['n'], 'n', MAX_CHOICES) ?? 1
    this.maxCompletionTokens =
      integer(document['max_completion_tokens'], 'max_completion_tokens', MAX_COMPLETION_TOKENS) ??
      integer(document['max_tokens'], 'max_tokens', MAX_COMPLETION_TOKENS)
    this.subject = subjectOf(document)
    this.promptTokens = promptTokensOf(bytes)
    const unreadable: UnreadablePart[] = []
    checkMessages(document['messages'], (part, kind, param) => {
      this.#opaque.add(part)
      unreadable.push({ kind, param })
    })
    this.unreadable = unreadable
    checkTools(document)
    this.tools = openAiTools(document, 'nested')
    refuseAudio(document)
    refuseTokenIds(document)
    const format = object(document['response_format'], 'response_format')
    this.jsonAnswer = (format !== null && format['type'] !== 'text') || GUIDED_JSON.some((member) => (document[member] ?? null) !== null)
  }

  get tree(): Branch {
    return this.#document
  }

  /** Tokens to take from a quota before the call: the prompt, and every answer at its longest. */
  reservation(defaultCompletionTokens = DEFAULT_COMPLETION_TOKENS): number {
    return this.promptTokens + this.choices * (this.maxCompletionTokens ?? defaultCompletionTokens)
  }

  /**
   * Passes every text that would leave through `filter`: contents, tool results, tool-call arguments (by what the JSON means), names,
   * ids, tool descriptions and schemas, `stop`, `prediction`, `metadata`, unknown members, long numbers and free member names.
   * @returns whether anything was changed.
   */
  rewriteTexts(filter: TextFilter): boolean {
    const exempt = (holder: Branch, member: string): boolean => {
      if (member === 'role') return ROLES.has(holder[member])
      // It passes unread or not at all; what stands beside it is looked at.
      if (member === holder['type'] && this.#opaque.has(holder)) return true
      // `model` and the stream options are written anew, `user` and `safety_identifier` leave as pseudonym or not at all.
      return (
        holder === this.#document && ((NUMERIC_MEMBERS.has(member) && typeof holder[member] === 'number') || REWRITTEN_MEMBERS.has(member))
      )
    }
    return rewriteTree(this.#document, filter, exempt, 'ERR_FILTER_BLOCKED_INPUT')
  }

  /**
   * The body for the upstream. Usage is always asked for in a stream, for the accounts.
   * @param pseudonym stands for the person at the upstream; null leaves the person out.
   */
  toUpstream(upstreamModel: string, pseudonym: string | null = null): string {
    const body = withPerson({ ...this.#document, model: upstreamModel }, pseudonym)
    if (this.stream) body['stream_options'] = { include_usage: true }
    else delete body['stream_options']
    delete body['store']
    return JSON.stringify(body)
  }
}

/**
 * Parses a chat request: types, sizes, roles, no opaque parts, no member at its top that is not understood; what is unknown further down is looked at as a text.
 * @throws {RedoubtError} `ERR_INPUT_…`, with the place in evidence `param`.
 */
export function parseChatRequest(body: Uint8Array, maxBytes = MAX_REQUEST_BYTES): ChatRequest {
  const document = parseStrictJson(body, { maxBytes, maxDepth: MAX_DEPTH }) as Tree
  return new ChatRequest(bodyObject(document), body.byteLength)
}

/** Is told of each part that no filter can look into. */
type Opaque = (part: Branch, kind: UnreadableKind, param: string) => void

function checkMessages(messages: Tree | undefined, opaque: Opaque): void {
  if (messages === undefined) throw invalid('`messages` is missing', 'messages')
  if (!Array.isArray(messages)) throw invalid('`messages` is not an array', 'messages')
  if (messages.length === 0) throw invalid('`messages` is empty', 'messages')
  if (messages.length > MAX_MESSAGES) throw invalid(`there are more than ${MAX_MESSAGES} messages`, 'messages')
  messages.forEach((message, i) => {
    const place = `messages[${i}]`
    if (!isBranch(message)) throw invalid('a message is not an object', place)
    if (!ROLES.has(message['role'])) throw invalid('the role is none of system, developer, user, assistant, tool', `${place}.role`)
    const assistant = message['role'] === 'assistant'
    const calls = message['tool_calls'] ?? null
    const legacyCall = message['function_call'] ?? null
    if (!assistant && (calls !== null || legacyCall !== null)) throw invalid('only the assistant calls tools', `${place}.tool_calls`)
    if (message['role'] === 'tool') text(message['tool_call_id'], `${place}.tool_call_id`, MAX_IDENTIFIER_LENGTH)
    optionalText(message['name'], `${place}.name`, MAX_IDENTIFIER_LENGTH)
    if ((message['audio'] ?? null) !== null) throw textOnly('audio', `${place}.audio`)
    checkContent(message['content'], `${place}.content`, assistant, opaque)
    if (calls !== null) checkToolCalls(calls, `${place}.tool_calls`)
    if (legacyCall !== null) checkFunction(legacyCall, `${place}.function_call`)
  })
}

function checkContent(content: Tree | undefined, place: string, optional: boolean, opaque: Opaque): void {
  if (typeof content === 'string') return
  if (content === undefined || content === null) {
    if (optional) return
    throw invalid('the content is missing', place)
  }
  if (!Array.isArray(content)) throw invalid('the content is neither a text nor an array of parts', place)
  if (content.length > MAX_PARTS) throw invalid(`there are more than ${MAX_PARTS} parts`, place)
  content.forEach((part, i) => {
    const at = `${place}[${i}]`
    if (!isBranch(part)) throw invalid('a part is not an object', at)
    const type = part['type']
    const kind = typeof type === 'string' ? OPAQUE_PARTS.get(type) : undefined
    if (kind !== undefined) opaque(part, kind, `${at}.type`)
    else if (type === 'text' || type === 'refusal') text(part[type], `${at}.${type}`, Number.MAX_SAFE_INTEGER)
    else throw invalid('the part is of no known type', `${at}.type`)
  })
}

function checkToolCalls(calls: Tree, place: string): void {
  if (!Array.isArray(calls)) throw invalid('`tool_calls` is not an array', place)
  if (calls.length > MAX_TOOL_CALLS) throw invalid(`there are more than ${MAX_TOOL_CALLS} tool calls`, place)
  calls.forEach((call, i) => {
    const at = `${place}[${i}]`
    if (!isBranch(call)) throw invalid('a tool call is not an object', at)
    text(call['id'], `${at}.id`, MAX_IDENTIFIER_LENGTH)
    if (call['type'] === 'custom') {
      const custom = object(call['custom'], `${at}.custom`)
      text(custom?.['name'], `${at}.custom.name`, MAX_IDENTIFIER_LENGTH)
      text(custom?.['input'], `${at}.custom.input`, Number.MAX_SAFE_INTEGER)
    } else if (call['type'] === 'function') checkFunction(call['function'], `${at}.function`)
    else throw invalid('the tool call is of no known type', `${at}.type`)
  })
}

function checkFunction(call: Tree | undefined, place: string): void {
  if (!isBranch(call)) throw invalid('the function call is not an object', place)
  text(call['name'], `${place}.name`, MAX_IDENTIFIER_LENGTH)
  text(call['arguments'], `${place}.arguments`, Number.MAX_SAFE_INTEGER)
}

function checkTools(document: Branch): void {
  for (const member of ['tools', 'functions']) {
    const tools = document[member] ?? null
    if (tools === null) continue
    if (!Array.isArray(tools)) throw invalid(`\`${member}\` is not an array`, member)
    if (tools.length > MAX_TOOLS) throw invalid(`there are more than ${MAX_TOOLS} tools`, member)
    tools.forEach((tool, i) => {
      if (!isBranch(tool)) throw invalid('a tool is not an object', `${member}[${i}]`)
    })
  }
}

/** What an upstream keeps could be asked for past every decision. */
function refuseStorage(document: Branch): void {
  if (flag(document['store'], 'store')) throw invalid('answers are not stored: send `store: false`, or leave it out', 'store')
}

function refuseAudio(document: Branch): void {
  const modalities = document['modalities'] ?? null
  if (modalities !== null && !(Array.isArray(modalities) && modalities.every((modality) => modality === 'text'))) {
    throw invalid('answers are accepted as text only, for only text can be filtered', 'modalities')
  }
  if ((document['audio'] ?? null) !== null) throw textOnly('audio', 'audio')
}

function textOnly(type: string, param: string): RedoubtError {
  return invalid(`\`${type}\` is not accepted, for only text can be filtered`, param)
}
