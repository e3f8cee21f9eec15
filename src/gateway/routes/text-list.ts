import { RedoubtError } from '#foundation/core'
import type { UnreadablePart } from '#gateway/pipeline'
import type { Tree } from './chat-completions/texts.ts'
import { invalid } from './request-members.ts'

/** Texts of one request, or lists of token ids. */
const MAX_TEXTS = 2048

/** What completions and embeddings take: a text, texts, or what a tokenizer made of them. */
export interface TextList {
  readonly count: number
  /** Token ids are numbers to every filter, so they are told apart here. */
  readonly unreadable: readonly UnreadablePart[]
}

/** @throws {RedoubtError} `ERR_INPUT_INVALID` when it is none of the four forms. */
export function readTextList(value: Tree | undefined, param: string): TextList {
  if (value === undefined || value === null) throw invalid(`\`${param}\` is missing`, param)
  if (typeof value === 'string') return { count: 1, unreadable: [] }
  if (!Array.isArray(value)) throw invalid(`\`${param}\` is neither a text nor an array`, param)
  if (value.length === 0) throw invalid(`\`${param}\` is empty`, param)
  const tokens: UnreadablePart[] = [{ kind: 'token_ids', param }]
  if (value.every(isTokenId)) return { count: 1, unreadable: tokens }
  if (value.length > MAX_TEXTS) throw new RedoubtError('ERR_LIMIT_CALL_SIZE', `\`${param}\` has more than ${MAX_TEXTS} texts`)
  if (value.every((item) => typeof item === 'string')) return { count: value.length, unreadable: [] }
  if (value.every((item) => Array.isArray(item) && item.length > 0 && item.every(isTokenId)))
    return { count: value.length, unreadable: tokens }
  throw invalid(`\`${param}\` is neither all texts nor all token ids`, param)
}

const isTokenId = (value: Tree): boolean => typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 31
