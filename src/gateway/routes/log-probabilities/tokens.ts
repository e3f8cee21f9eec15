import type { Branch, Tree } from '../chat-completions/texts.ts'
import { isBranch } from '../request-members.ts'

/** Tokens of one list; what comes after them is dropped. */
const MAX_TOKENS = 65_536
const MAX_TOKEN_BYTES = 512
const MAX_ALTERNATIVES = 32

/** A token that might have stood in the place of the one that was chosen. */
export interface Alternative {
  readonly bytes: Uint8Array
  readonly logprob: number
  /** Whether the upstream named the bytes: null when it said that there are none, undefined when it said nothing. */
  readonly told: Told
}
/** One token of a text, by the bytes that it stands for: what its name says is not believed. */
export interface SpelledToken extends Alternative {
  readonly alternatives: readonly Alternative[]
  /** Where the upstream says that it stands, in characters; completions alone say it. */
  readonly offset?: number
}
type Told = 'bytes' | 'null' | 'nothing'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Reads log probabilities as chat completions and responses write them, up to the first that is not understood. */
export function readTokens(value: Tree | undefined): readonly SpelledToken[] {
  const tokens: SpelledToken[] = []
  for (const item of Array.isArray(value) ? value : []) {
    const chosen = readAlternative(item)
    if (chosen === null || tokens.length >= MAX_TOKENS) break
    const { top_logprobs: top } = item as Branch
    const alternatives = (Array.isArray(top) ? top.slice(0, MAX_ALTERNATIVES) : []).map(readAlternative)
    tokens.push({ ...chosen, alternatives: alternatives.every((one) => one !== null) ? alternatives : [] })
  }
  return tokens
}

function readAlternative(value: Tree): Alternative | null {
  if (!isBranch(value)) return null
  const { token, logprob, bytes } = value
  if (typeof token !== 'string' || token.length > MAX_TOKEN_BYTES || typeof logprob !== 'number') return null
  if (bytes === undefined || bytes === null) return { bytes: Buffer.from(token), logprob, told: bytes === null ? 'null' : 'nothing' }
  const plain = Array.isArray(bytes) && bytes.length <= MAX_TOKEN_BYTES && bytes.every(isByte)
  return plain ? { bytes: Uint8Array.from(bytes as number[]), logprob, told: 'bytes' } : null
}

const isByte = (value: Tree): boolean => typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255

/** Writes tokens anew from the bytes that they stand for, with nothing else of what the upstream said of them. */
export const writeTokens = (tokens: readonly SpelledToken[]): Tree[] =>
  tokens.map((token) => ({ ...writeAlternative(token), top_logprobs: token.alternatives.map(writeAlternative) }))

function writeAlternative({ bytes, logprob, told }: Alternative): Branch {
  return { token: nameOf(bytes), logprob, ...(told === 'nothing' ? {} : { bytes: told === 'null' ? null : [...bytes] }) }
}

/** The text of a token; one that is half of a character is named by its bytes. */
export function nameOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    return Array.from(bytes, (byte) => String.raw`\x${byte.toString(16).padStart(2, '0')}`).join('')
  }
}
