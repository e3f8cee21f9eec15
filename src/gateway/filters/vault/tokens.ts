import { createHash, randomBytes } from 'node:crypto'
import { LETTER_CLASS, lettersOf } from '../actions/letters.ts'

/** 96 bits: who does not have a token does not find one. */
const TOKEN_BYTES = 12
const TAIL = `${LETTER_CLASS}{${TOKEN_BYTES * 2}}`
/** `[[EMAIL_ADDRESS_bcd…]]`: brackets that no value crosses, and letters that no recogniser takes for one. */
const TOKEN = new RegExp(`\\[\\[[A-Z][A-Z0-9_]{0,62}_${TAIL}\\]\\]`, 'g')
const WHOLE = new RegExp(`^${TOKEN.source}$`)
/** The start of a token at the end of a text. */
const PREFIX = new RegExp(`^\\[(?:\\[(?:[A-Z][A-Z0-9_]{0,63}(?:${LETTER_CLASS}{1,${TOKEN_BYTES * 2}}\\]?)?)?)?$`)
/** Longest token in UTF-16 units. */
export const LONGEST_TOKEN = 2 + 63 + 1 + TOKEN_BYTES * 2 + 2

export function newToken(entity: string): string {
  return `[[${entity}_${lettersOf(randomBytes(TOKEN_BYTES))}]]`
}

export const isToken = (text: string): boolean => text.length <= LONGEST_TOKEN && WHOLE.test(text)

/** The tokens of a text, in order; at most `most`. */
export function tokensIn(text: string, most: number): readonly string[] {
  if (!text.includes('[[')) return []
  const found: string[] = []
  for (const [token] of text.matchAll(TOKEN)) {
    if (found.length >= most) break
    found.push(token)
  }
  return found
}

/** What a token is found by on the disk: who reads the disk has no tokens. */
export const digestOfToken = (token: string): string => createHash('sha256').update(token).digest('base64url')

/** The value of a token, or null when it stays as it is. */
export type ValueOf = (token: string) => string | null

/** @param valueOf is also told where in the text the token stands. */
export const restoreTokens = (text: string, valueOf: (token: string, at: number) => string | null): string =>
  text.includes('[[') ? text.replaceAll(TOKEN, (token, at: number) => valueOf(token, at) ?? token) : text

/** `restoreTokens` over a text that comes in pieces: the same text for every cutting. Holds back only the start of a token, if one is at the end. */
export class TokenRestorer {
  readonly #valueOf: ValueOf
  #held = ''
  /** Units that were put out since the last value that was turned back; infinite before there was one. */
  sinceRestored = Infinity

  constructor(valueOf: ValueOf) {
    this.#valueOf = valueOf
  }

  get heldBack(): number {
    return this.#held.length
  }

  push(delta: string): string {
    const text = this.#held + delta
    const cut = startOfToken(text)
    this.#held = text.slice(cut)
    this.sinceRestored += cut
    return restoreTokens(text.slice(0, cut), (token, at) => {
      const value = this.#valueOf(token)
      if (value !== null) this.sinceRestored = cut - at - token.length
      return value
    })
  }

  flush(): string {
    const rest = this.#held
    this.#held = ''
    this.sinceRestored += rest.length
    return rest
  }
}

/** Where a token begins that may go on beyond the text; else its length. */
function startOfToken(text: string): number {
  let at = text.indexOf('[', Math.max(0, text.length - LONGEST_TOKEN))
  while (at !== -1) {
    if (PREFIX.test(text.slice(at))) return at
    at = text.indexOf('[', at + 1)
  }
  return text.length
}
