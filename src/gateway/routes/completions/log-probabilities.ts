import type { Branch, Tree } from '../chat-completions/texts.ts'
import { nameOf, type SpelledToken } from '../log-probabilities/tokens.ts'
import { isBranch } from '../request-members.ts'

const MAX_TOKENS = 65_536
const MAX_TOKEN_LENGTH = 512
const MAX_ALTERNATIVES = 32
/** How half of a character is named. */
const HALF = /^bytes:((?:\\x[0-9a-f]{2})+)$/

/** Reads the log probabilities of a completion: lists side by side, one place for each token; up to the first that is not understood. */
export function readCompletionTokens(value: Tree | undefined): readonly SpelledToken[] {
  if (!isBranch(value) || !Array.isArray(value['tokens'])) return []
  const { tokens, token_logprobs: logprobs, top_logprobs: top, text_offset: offsets } = value
  const read: SpelledToken[] = []
  for (const [i, name] of tokens.slice(0, MAX_TOKENS).entries()) {
    const [logprob, offset] = [at(logprobs, i), at(offsets, i)]
    if (typeof name !== 'string' || name.length > MAX_TOKEN_LENGTH) break
    read.push({
      bytes: bytesOf(name),
      // The first token of a prompt that is echoed has none.
      logprob: typeof logprob === 'number' ? logprob : Number.NaN,
      told: 'nothing',
      alternatives: readAlternatives(at(top, i)),
      ...(typeof offset === 'number' && Number.isSafeInteger(offset) ? { offset } : {}),
    })
  }
  return read
}

function readAlternatives(value: Tree): SpelledToken['alternatives'] {
  if (!isBranch(value)) return []
  return Object.entries(value)
    .slice(0, MAX_ALTERNATIVES)
    .flatMap(([name, logprob]) =>
      typeof logprob === 'number' && name.length <= MAX_TOKEN_LENGTH ? [{ bytes: bytesOf(name), logprob, told: 'nothing' as const }] : [],
    )
}

const at = (list: Tree | undefined, i: number): Tree => (Array.isArray(list) ? (list[i] ?? null) : null)

function bytesOf(name: string): Uint8Array {
  const [, half] = HALF.exec(name) ?? []
  return Buffer.from(half === undefined ? name : half.replaceAll(String.raw`\x`, ''), half === undefined ? 'utf8' : 'hex')
}

/** Writes them anew; null when none is left. */
export function writeCompletionTokens(tokens: readonly SpelledToken[]): Branch | null {
  if (tokens.length === 0) return null
  return {
    tokens: tokens.map(named),
    token_logprobs: tokens.map(({ logprob }) => (Number.isNaN(logprob) ? null : logprob)),
    top_logprobs: tokens.some(({ alternatives }) => alternatives.length > 0)
      ? tokens.map(({ alternatives }) => Object.fromEntries(alternatives.map((one) => [named(one), one.logprob])))
      : null,
    ...(tokens.every(({ offset }) => offset !== undefined) ? { text_offset: tokens.map(({ offset }) => offset ?? 0) } : {}),
  }
}

function named({ bytes }: { readonly bytes: Uint8Array }): string {
  const name = nameOf(bytes)
  return name.startsWith(String.raw`\x`) ? `bytes:${name}` : name
}
