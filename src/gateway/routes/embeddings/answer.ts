import { type Branch, rewriteTree, type TextFilter, type Tree } from '../chat-completions/texts.ts'
import { numbersOnly, type TokenUsage } from '../chat-completions/usage.ts'
import type { LanguageAnswer } from '../language-protocol.ts'
import { isBranch } from '../request-members.ts'
import { parseAnswerObject, protocol } from '../upstream-answer.ts'
import type { EmbeddingRequest, EncodingFormat } from './request.ts'

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const FLOAT_BYTES = 4

/** A whole answer: vectors and nothing else that a filter would have to leave alone. */
export class EmbeddingAnswer implements LanguageAnswer {
  readonly #document: Branch
  readonly #entries: readonly Branch[]

  /** @throws {RedoubtError} when an embedding is not a vector: what is exempt from the filters has to be what it claims to be. */
  constructor(document: Branch, { count, encodingFormat }: Pick<EmbeddingRequest, 'count' | 'encodingFormat'>) {
    const { data } = document
    if (!Array.isArray(data) || data.length !== count) throw protocol('the answer does not have one embedding for each input')
    for (const entry of data) {
      if (!isBranch(entry)) throw protocol('an embedding is not an object')
      entry['embedding'] = asFormat(entry['embedding'], encodingFormat)
    }
    this.#document = document
    this.#entries = data as Branch[]
  }

  rewriteTexts(filter: TextFilter): void {
    const entries = new Set(this.#entries)
    const exempt = (holder: Branch, member: string): boolean =>
      (holder === this.#document && ['object', 'model', 'usage'].includes(member)) ||
      (entries.has(holder) && (member === 'embedding' || member === 'index'))
    rewriteTree(this.#document, filter, exempt, 'ERR_FILTER_BLOCKED_OUTPUT')
  }

  usage(promptTokens: number): TokenUsage {
    const usage = this.#document['usage']
    const counted = isBranch(usage) ? usage['prompt_tokens'] : undefined
    const exact = typeof counted === 'number' && Number.isSafeInteger(counted) && counted >= 0
    const tokens = exact ? counted : promptTokens
    return { promptTokens: tokens, completionTokens: 0, totalTokens: tokens, exact }
  }

  toClient(publicModel: string): string {
    const { usage } = this.#document
    const data = this.#entries.map((entry, index) => ({ ...entry, object: 'embedding', index }))
    const counts = isBranch(usage) ? numbersOnly(usage) : { prompt_tokens: 0, total_tokens: 0 }
    return JSON.stringify({ ...this.#document, object: 'list', data, model: publicModel, usage: counts })
  }
}

/** In the format that was asked for, whichever the upstream knows. IEEE 754 binary32, little-endian, in base64. */
function asFormat(value: Tree | undefined, format: EncodingFormat): Tree {
  if (Array.isArray(value)) {
    if (value.length === 0 || !value.every((number) => typeof number === 'number' && Number.isFinite(number)))
      throw protocol('an embedding is not a vector of numbers')
    return format === 'float' ? value : encode(value as number[])
  }
  if (typeof value !== 'string' || value === '' || !BASE64.test(value)) throw protocol('an embedding is neither numbers nor base64')
  const bytes = Buffer.from(value, 'base64')
  if (bytes.byteLength % FLOAT_BYTES !== 0) throw protocol('an embedding is not a vector of numbers')
  const numbers = Array.from({ length: bytes.byteLength / FLOAT_BYTES }, (_, i) => bytes.readFloatLE(i * FLOAT_BYTES))
  if (!numbers.every(Number.isFinite)) throw protocol('an embedding is not a vector of numbers')
  return format === 'float' ? numbers : value
}

function encode(numbers: readonly number[]): string {
  const bytes = Buffer.alloc(numbers.length * FLOAT_BYTES)
  for (const [i, number] of numbers.entries()) bytes.writeFloatLE(number, i * FLOAT_BYTES)
  return bytes.toString('base64')
}

/** @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL` for anything that is not a list of vectors. */
export const parseEmbeddingAnswer = (body: Uint8Array, request: EmbeddingRequest): EmbeddingAnswer =>
  new EmbeddingAnswer(parseAnswerObject(body), request)
