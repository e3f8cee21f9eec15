import { parseStrictJson } from '#foundation/core'
import type { UnreadablePart } from '#gateway/pipeline'
import { DEFAULT_COMPLETION_TOKENS, MAX_REQUEST_BYTES, promptTokensOf } from '../chat-completions/request.ts'
import { type Branch, rewriteTree, type TextFilter, type Tree } from '../chat-completions/texts.ts'
import type { LanguageRequest } from '../language-protocol.ts'
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
  withPerson,
} from '../request-members.ts'
import { openAiTools } from '../tools/asked-tools.ts'
import { checkContainer, type HostedKind, openAiHostedKind } from '../tools/hosted.ts'
import type { AskedTool } from '../tools/tool-guard.ts'
import { refuseUnknown, RESPONSES_MEMBERS } from '../understood-members.ts'
import { checkInput, type Opaque, OPAQUE_MEMBERS } from './input.ts'

const MAX_DEPTH = 64
const MAX_TOOLS = 256
/** What an answer may hold beside its texts, with the tool that makes it. */
const INCLUDED: Readonly<Record<string, HostedKind | null>> = {
  'message.output_text.logprobs': null,
  'web_search_call.action.sources': 'web_search',
  'web_search_call.results': 'web_search',
  'file_search_call.results': 'file_search',
  'code_interpreter_call.outputs': 'code_interpreter',
}
const MAX_INCLUDED = 16
const ANY_LENGTH = Number.MAX_SAFE_INTEGER

/** Tools that the caller runs. What the upstream runs reads and sends data past the gateway: it is allowed by name, and only where its results are texts. */
const CALLERS_TOOLS: ReadonlySet<Tree | undefined> = new Set(['function', 'custom'])
const WRITTEN: ReadonlySet<string> = new Set([
  'model',
  'stream',
  'stream_options',
  'store',
  'user',
  'safety_identifier',
  'max_output_tokens',
])

/** A request in OpenAI's responses shape that was checked. Owned by one call. */
export class ResponsesRequest implements LanguageRequest {
  readonly model: string
  readonly stream: boolean
  readonly subject: string | null
  readonly promptTokens: number
  readonly unreadable: readonly UnreadablePart[]
  /** The client asked for an answer that is a JSON document. */
  readonly jsonAnswer: boolean
  readonly tools: readonly AskedTool[]
  readonly #maxTokens: number | null
  readonly #document: Branch
  readonly #opaque = new Set<Branch>()

  constructor(document: Branch, bytes: number) {
    this.#document = document
    this.model = modelName(document)
    refuseUnknown(document, RESPONSES_MEMBERS)
    this.stream = flag(document['stream'], 'stream')
    object(document['stream_options'], 'stream_options')
    refuseMemory(document)
    this.#maxTokens = integer(document['max_output_tokens'], 'max_output_tokens', MAX_COMPLETION_TOKENS)
    optionalText(document['instructions'], 'instructions', ANY_LENGTH)
    const format = object(object(document['text'], 'text')?.['format'], 'text.format')
    this.jsonAnswer = format !== null && format['type'] !== 'text'
    const unreadable: UnreadablePart[] = []
    const opaque: Opaque = (part, kind, param) => {
      this.#opaque.add(part)
      unreadable.push({ kind, param })
    }
    checkInput(document['input'], opaque)
    checkTools(document['tools'] ?? null)
    this.tools = openAiTools(document, 'flat')
    checkIncluded(document['include'] ?? null, this.tools)
    this.unreadable = unreadable
    this.subject = subjectOf(document)
    this.promptTokens = promptTokensOf(bytes)
  }

  get tree(): Branch {
    return this.#document
  }

  reservation(): number {
    return this.promptTokens + (this.#maxTokens ?? DEFAULT_COMPLETION_TOKENS)
  }

  rewriteTexts(filter: TextFilter): boolean {
    const exempt = (holder: Branch, member: string): boolean =>
      // It passes unread or not at all; what stands beside it is looked at.
      this.#opaque.has(holder) ? OPAQUE_MEMBERS.has(member) : holder === this.#document && WRITTEN.has(member)
    return rewriteTree(this.#document, filter, exempt, 'ERR_FILTER_BLOCKED_INPUT')
  }

  /** The upstream is always told to keep nothing: what it kept could be asked for past every decision. */
  toUpstream(upstreamModel: string, pseudonym: string | null): string {
    const body = withPerson({ ...this.#document, model: upstreamModel, store: false }, pseudonym)
    for (const member of ['background', 'previous_response_id', 'stream_options']) delete body[member]
    if (!(body['include'] as Tree[] | null | undefined)?.length) delete body['include']
    return JSON.stringify(body)
  }
}

function refuseMemory(document: Branch): void {
  if (flag(document['store'], 'store'))
    throw invalid('responses are not stored: send `store: false`, or leave it out, and send the whole conversation as `input`', 'store')
  if (flag(document['background'], 'background')) throw invalid('responses are not made in the background', 'background')
  if ((document['previous_response_id'] ?? null) !== null)
    throw invalid('responses are not stored: send the whole conversation as `input`', 'previous_response_id')
}

function checkIncluded(include: Tree, tools: readonly AskedTool[]): void {
  if (include === null) return
  const allowed = (one: Tree): boolean => {
    if (typeof one !== 'string' || !Object.hasOwn(INCLUDED, one)) return false
    const kind = INCLUDED[one]!
    return kind === null || tools.some((tool) => tool.kind === kind)
  }
  if (!Array.isArray(include) || include.length > MAX_INCLUDED || !include.every(allowed))
    throw invalid(
      'nothing beyond the texts of an answer and what its tools bring as text is given, for only text can be filtered',
      'include',
    )
}

function checkTools(tools: Tree): void {
  if (tools === null) return
  if (!Array.isArray(tools)) throw invalid('`tools` is not an array', 'tools')
  if (tools.length > MAX_TOOLS) throw invalid(`there are more than ${MAX_TOOLS} tools`, 'tools')
  for (const [i, tool] of tools.entries()) {
    if (!isBranch(tool)) throw invalid('a tool is not an object', `tools[${i}]`)
    if (CALLERS_TOOLS.has(tool['type'])) continue
    const kind = openAiHostedKind(tool['type'])
    if (kind === null) throw invalid('the tool is none that the caller runs, and what it does cannot be filtered', `tools[${i}].type`)
    if (kind === 'code_interpreter') checkContainer(tool['container'], `tools[${i}].container`)
  }
}

/** @throws {RedoubtError} `ERR_INPUT_INVALID` with the place in `evidence.param`, and the errors of `parseStrictJson`. */
export function parseResponsesRequest(body: Uint8Array): ResponsesRequest {
  const document = parseStrictJson(body, { maxBytes: MAX_REQUEST_BYTES, maxDepth: MAX_DEPTH }) as Tree
  return new ResponsesRequest(bodyObject(document), body.byteLength)
}
