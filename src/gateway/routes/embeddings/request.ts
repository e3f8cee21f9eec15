import { parseStrictJson } from '#foundation/core'
import type { UnreadablePart } from '#gateway/pipeline'
import { MAX_REQUEST_BYTES, promptTokensOf } from '../chat-completions/request.ts'
import { type Branch, rewriteTree, type TextFilter, type Tree } from '../chat-completions/texts.ts'
import type { LanguageRequest } from '../language-protocol.ts'
import { bodyObject, integer, invalid, modelName, subjectOf, withPerson } from '../request-members.ts'
import { readTextList } from '../text-list.ts'
import { EMBEDDING_MEMBERS, refuseUnknown } from '../understood-members.ts'

const MAX_DEPTH = 16
const MAX_DIMENSIONS = 65_536

export type EncodingFormat = 'float' | 'base64'

/** A request for embeddings that was checked. Owned by one call. */
export class EmbeddingRequest implements LanguageRequest {
  readonly model: string
  readonly stream = false
  readonly encodingFormat: EncodingFormat
  /** Vectors asked for. */
  readonly count: number
  readonly subject: string | null
  readonly promptTokens: number
  readonly unreadable: readonly UnreadablePart[]
  readonly #document: Branch

  constructor(document: Branch, bytes: number) {
    this.#document = document
    this.model = modelName(document)
    refuseUnknown(document, EMBEDDING_MEMBERS)
    const input = readTextList(document['input'], 'input')
    this.count = input.count
    this.unreadable = input.unreadable
    const format = document['encoding_format'] ?? 'float'
    if (format !== 'float' && format !== 'base64') throw invalid('`encoding_format` is neither `float` nor `base64`', 'encoding_format')
    this.encodingFormat = format
    integer(document['dimensions'], 'dimensions', MAX_DIMENSIONS)
    if ((document['stream'] ?? false) !== false) throw invalid('embeddings do not stream', 'stream')
    this.subject = subjectOf(document)
    this.promptTokens = promptTokensOf(bytes)
  }

  get tree(): Branch {
    return this.#document
  }

  reservation(): number {
    return this.promptTokens
  }

  /** Token ids, which only a policy lets pass, are left alone. */
  rewriteTexts(filter: TextFilter): boolean {
    const tokens = this.unreadable.length > 0
    const written = new Set(['model', 'user', 'safety_identifier', 'dimensions', 'encoding_format', ...(tokens ? ['input'] : [])])
    return rewriteTree(
      this.#document,
      filter,
      (holder, member) => holder === this.#document && written.has(member),
      'ERR_FILTER_BLOCKED_INPUT',
    )
  }

  toUpstream(upstreamModel: string, pseudonym: string | null = null): string {
    return JSON.stringify(withPerson({ ...this.#document, model: upstreamModel, encoding_format: this.encodingFormat }, pseudonym))
  }
}

/** @throws {RedoubtError} `ERR_INPUT_INVALID` with the place in `evidence.param`, and the errors of `parseStrictJson`. */
export function parseEmbeddingRequest(body: Uint8Array): EmbeddingRequest {
  const document = parseStrictJson(body, { maxBytes: MAX_REQUEST_BYTES, maxDepth: MAX_DEPTH }) as Tree
  return new EmbeddingRequest(bodyObject(document), body.byteLength)
}
