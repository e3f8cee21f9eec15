import type { SpelledToken } from './tokens.ts'

/** Tokens and bytes that wait for their text to go out: more than any filter holds back. */
const MAX_WAITING = 8_192
const MAX_WAITING_BYTES = 65_536
/** A piece that went out whole and has a word in it cannot stand inside of a value that was changed. */
const WORD = /\p{L}{2}/u

/**
 * The log probabilities of one text that arrives in pieces. A token leaves with the text that it spells or not at all: from the first
 * difference between what came and what goes out, tokens are dropped until a piece goes out whole again. Alternatives do not go out, for
 * they cannot be held back until the value that they might spell is whole.
 */
export class StreamedTokens {
  #waiting: { readonly token: SpelledToken; readonly from: number; readonly to: number }[] = []
  /** What came and has not gone out, with the beginning of a token that has not; and where it begins in the text, in bytes. */
  #raw = Buffer.alloc(0)
  #rawFrom = 0
  #gone = 0
  #spelled = 0
  #differs: boolean
  /** Something was changed, so that places the upstream names are those of another text. */
  #moved = false
  #last: { readonly piece: string; readonly tokens: readonly SpelledToken[] } | null = null

  /** @param begun The text had begun before its tokens came, so that it is not known what is held back. */
  constructor(begun: boolean) {
    this.#differs = begun
    this.#moved = begun
  }

  /** Takes a piece as it came, and the tokens that came with it, before the piece is filtered. */
  push(tokens: readonly SpelledToken[], piece: string): void {
    this.#last = { piece, tokens }
    if (this.#differs) return
    if (piece !== '') this.#raw = Buffer.concat([this.#raw, Buffer.from(piece)])
    if (tokens.length === 0 && piece !== '') this.#spelled = this.#rawFrom + this.#raw.length
    for (const token of tokens) {
      const to = this.#spelled + token.bytes.length
      const came = this.#raw.subarray(this.#spelled - this.#rawFrom, to - this.#rawFrom)
      if (Buffer.compare(came, token.bytes.subarray(0, came.length)) !== 0) return this.#lose()
      this.#waiting.push({ token, from: this.#spelled, to })
      this.#spelled = to
    }
    if (this.#waiting.length > MAX_WAITING || this.#raw.length > MAX_WAITING_BYTES) this.#lose()
  }

  /** Takes what goes out. @returns the tokens that go out with it. */
  take(piece: string): readonly SpelledToken[] {
    if (piece === '') return []
    const last = this.#last
    this.#last = null
    if (this.#differs) return last === null ? [] : this.#findAgain(piece, last)
    const out = Buffer.from(piece)
    const start = this.#gone - this.#rawFrom
    if (Buffer.compare(this.#raw.subarray(start, start + out.length), out) !== 0) {
      this.#lose()
      return last === null ? [] : this.#findAgain(piece, last)
    }
    const gone: SpelledToken[] = []
    const end = this.#gone + out.length
    let count = 0
    for (const { token, from, to } of this.#waiting) {
      if (to > end) break
      count++
      if (from < this.#rawFrom || Buffer.compare(this.#raw.subarray(from - this.#rawFrom, to - this.#rawFrom), token.bytes) !== 0) {
        this.#lose()
        return gone
      }
      gone.push(this.#leaving(token))
    }
    this.#waiting.splice(0, count)
    // A token that has begun needs its beginning to be compared with.
    const keepFrom = Math.min(end, this.#waiting[0]?.from ?? end)
    this.#raw = this.#raw.subarray(keepFrom - this.#rawFrom)
    this.#gone = end
    this.#rawFrom = keepFrom
    return gone
  }

  #findAgain(piece: string, last: { readonly piece: string; readonly tokens: readonly SpelledToken[] }): readonly SpelledToken[] {
    if (!WORD.test(last.piece) || !piece.endsWith(last.piece)) return []
    if (Buffer.compare(Buffer.concat(last.tokens.map(({ bytes }) => bytes)), Buffer.from(last.piece)) !== 0) return []
    this.#differs = false
    return last.tokens.map((token) => this.#leaving(token))
  }

  #leaving({ offset, ...token }: SpelledToken): SpelledToken {
    return { ...token, alternatives: [], ...(offset === undefined || this.#moved ? {} : { offset }) }
  }

  #lose(): void {
    this.#differs = true
    this.#moved = true
    this.#waiting = []
    this.#raw = Buffer.alloc(0)
    this.#rawFrom = 0
    this.#gone = 0
    this.#spelled = 0
  }
}
