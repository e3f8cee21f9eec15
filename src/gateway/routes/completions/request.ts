import { parseStrictJson } from '#foundation/core'
import type { UnreadablePart } from '#gateway/pipeline'
import { DEFAULT_COMPLETION_TOKENS, MAX_CHOICES, MAX_REQUEST_BYTES, promptTokensOf } from '../chat-completions/request.ts'
import { type Branch, rewriteTree, type TextFilter, type Tree } from '../chat-completions/texts.ts'
import type { LanguageRequest } from '../language-protocol.ts'
import { bodyObject, flag, integer, invalid, MAX_COMPLETION_TOKENS, modelName, object, subjectOf, withPerson } from '../request-members.ts'
import { refuseTokenIds } from '../token-ids.ts'
import { readTextList } from '../text-list.ts'
import { COMPLETION_MEMBERS, refuseUnknown } from '../understood-members.ts'

const MAX_DEPTH = 16
const NUMERIC_MEMBERS: ReadonlySet<string> = new Set(['n', 'best_of', 'seed', 'max_tokens', 'logprobs'])
const REWRITTEN_MEMBERS: ReadonlySet<string> = new Set(['model', 'stream', 'stream_options', 'user', 'safety_identifier'])

/** A request for completions of texts that was checked. Owned by one call. */
export class CompletionRequest implements LanguageRequest {
  readonly model: string
  readonly stream: boolean
  readonly includeUsage: boolean
  /** Completions asked for: `n` for each prompt. */
  readonly choices: number
  readonly subject: string | null
  readonly promptTokens: number
  readonly unreadable: readonly UnreadablePart[]
  readonly #maxTokens: number | null
  readonly #bestOf: number
  readonly #document: Branch

  constructor(document: Branch, bytes: number) {
    this.#document = document
    this.model = modelName(document)
    refuseUnknown(document, COMPLETION_MEMBERS)
    this.stream = flag(document['stream'], 'stream')
    this.includeUsage = flag(object(document['stream_options'], 'stream_options')?.['include_usage'], 'stream_options.include_usage')
    refuseTokenIds(document)
    const prompt = readTextList(document['prompt'], 'prompt')
    const each = integer(document['n'], 'n', MAX_CHOICES) ?? 1
    this.choices = prompt.count * each
    if (this.choices > MAX_CHOICES) throw invalid(`more than ${MAX_CHOICES} completions in one request`, 'prompt')
    this.#bestOf = Math.max(each, integer(document['best_of'], 'best_of', MAX_CHOICES) ?? 1) * prompt.count
    this.#maxTokens = integer(document['max_tokens'], 'max_tokens', MAX_COMPLETION_TOKENS)
    this.subject = subjectOf(document)
    this.promptTokens = promptTokensOf(bytes)
    this.unreadable = prompt.unreadable
  }

  get tree(): Branch {
    return this.#document
  }

  reservation(): number {
    return this.promptTokens + this.#bestOf * (this.#maxTokens ?? DEFAULT_COMPLETION_TOKENS)
  }

  /** Token ids, which only a policy lets pass, are left alone: each is too short to be anybody's number, and a changed one means another text. */
  rewriteTexts(filter: TextFilter): boolean {
    const tokens = this.unreadable.length > 0
    const exempt = (holder: Branch, member: string): boolean =>
      holder === this.#document &&
      ((NUMERIC_MEMBERS.has(member) && typeof holder[member] === 'number') ||
        REWRITTEN_MEMBERS.has(member) ||
        (tokens && member === 'prompt'))
    return rewriteTree(this.#document, filter, exempt, 'ERR_FILTER_BLOCKED_INPUT')
  }

  toUpstream(upstreamModel: string, pseudonym: string | null = null): string {
    const body = withPerson({ ...this.#document, model: upstreamModel }, pseudonym)
    if (this.stream) body['stream_options'] = { include_usage: true }
    else delete body['stream_options']
    return JSON.stringify(body)
  }
}

/** @throws {RedoubtError} `ERR_INPUT_INVALID` with the place in `evidence.param`, and the errors of `parseStrictJson`. */
export function parseCompletionRequest(body: Uint8Array): CompletionRequest {
  const document = parseStrictJson(body, { maxBytes: MAX_REQUEST_BYTES, maxDepth: MAX_DEPTH }) as Tree
  return new CompletionRequest(bodyObject(document), body.byteLength)
}
