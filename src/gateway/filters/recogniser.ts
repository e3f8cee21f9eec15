import { type DigitRun, digitRuns } from './digit-runs.ts'

/** A finding counts from this score on: the operating point "strict". Weak patterns stay below it unless a context word lifts them. */
export const SCORE_THRESHOLD = 0.5

/** What a context word adds to a weak pattern's score. */
export const CONTEXT_BOOST = 0.35

/** Units before a value in which its context words are looked for. */
export const CONTEXT_UNITS = 48

/** Units kept before a segment; more than `CONTEXT_UNITS`, so that every value in it has its whole context. */
export const BEFORE_UNITS = 64

/** Units after a segment in which context words are looked for; only a weak value waits for them, see `Match.resolve`. */
export const AFTER_UNITS = 32

/**
 * The longest value of bounded shape, in UTF-16 units: an e-mail address of 64 + 1 + 255 (RFC 5321 §4.5.3.1).
 * Values without a bound (JWT, PEM, vendor keys) are allowed only because a match that reaches the end of a full window is
 * masked on to the end of its word.
 */
export const LONGEST_VALUE = 320

/** What the one pass over the text has seen in a segment; a recogniser runs only if one of the traits it needs is there. */
export const TRAIT = {
  /** Seven digits or more. */
  digits: 1,
  /** An `@`. */
  at: 2,
  /** Two colons or more. */
  colons: 4,
  /** Three dots and four digits or more. */
  dots: 8,
  /** Sixteen units or more. */
  long: 16,
  /** Five dashes or more. */
  dashes: 32,
  /** A digit. */
  digit: 64,
  /** One of `! # $ & * ; = ? ^ ~`. */
  sign: 128,
  /** A colon. */
  colon: 256,
  /** Eight capital letters or more. */
  capitals: 512,
  /** A dot. */
  dot: 1024,
} as const

/** What stands after a segment. */
export interface After {
  /** `AFTER_UNITS` of raw text, fewer at the end of the text or before the next segment with a value. */
  readonly text: string
  /** The value is the whole text: a cell of a table, a field of a form. */
  readonly alone: boolean
}

export interface Match {
  /** Offsets in `segment.text`, end exclusive. */
  readonly start: number
  readonly end: number
  /** 0 to 1. */
  readonly score: number
  /** One of the recogniser's entities; the first unless said. */
  readonly entity?: string
  /** What follows belongs to the value as well: mask on until the PEM footer. */
  readonly continues?: 'pem'
  /**
   * A weak value asks what stands after it. Called once, with text that does not depend on the chunking; pure.
   * @returns what the value may be then; empty if it is none.
   */
  readonly resolve?: (after: After) => readonly Pick<Match, 'score' | 'entity'>[]
}

// oxlint-disable-next-line no-control-regex -- the first 128 code points are what is meant
const BEYOND_ASCII = /[^\u0000-\u007f]/

/** A stretch of text that no value crosses, in ASCII form as far as look-alikes go. */
export class Segment {
  readonly text: string
  /** The raw text before it: `BEFORE_UNITS`, fewer only at the start of the text. */
  readonly before: string
  /** Findings below it are of no use to the caller. */
  readonly minScore: number
  #runs: readonly DigitRun[] | null = null
  #whole: string | null = null
  #small: string | null = null
  #isAscii: boolean | null = null
  /** The last context that was asked for: several recognisers ask for that of the same value. */
  #context = ''
  #contextOf = -1

  constructor(text: string, before: string, minScore: number = SCORE_THRESHOLD) {
    this.text = text
    this.before = before
    this.minScore = minScore
  }

  /** The unit at `index`, where -1 and below reach into `before`; NaN outside. */
  unitAt(index: number): number {
    return index >= 0 ? this.text.charCodeAt(index) : this.before.charCodeAt(this.before.length + index)
  }

  get digitRuns(): readonly DigitRun[] {
    this.#runs ??= digitRuns(this)
    return this.#runs
  }

  /** What is known before it and the segment itself. */
  get whole(): string {
    this.#whole ??= this.before + this.text
    return this.#whole
  }

  /** Of the same length as `whole` where that is ASCII. */
  get wholeInSmallLetters(): string {
    this.#small ??= this.whole.toLowerCase()
    return this.#small
  }

  get isAscii(): boolean {
    this.#isAscii ??= !BEYOND_ASCII.test(this.whole)
    return this.#isAscii
  }

  /** Text before `start`, as written, at most `units` of it. */
  rawContext(start: number, units: number): string {
    const own = this.text.slice(Math.max(0, start - units), start)
    const missing = units - own.length
    return (missing > 0 ? this.before.slice(-missing) : '') + own
  }

  /** Lower-case text before `start`, to look for context words. */
  context(start: number): string {
    if (this.#contextOf !== start) {
      this.#context = this.rawContext(start, CONTEXT_UNITS).toLowerCase()
      this.#contextOf = start
    }
    return this.#context
  }

  /** Whether one of `words` stands in the last `units` before `start`. */
  hasContext(start: number, words: ContextWords, units: number = CONTEXT_UNITS): boolean {
    return words.test(this.context(start).slice(-units))
  }
}

export interface Recogniser {
  /** Upper-case names used in policies and placeholders. */
  readonly entities: readonly [string, ...string[]]
  /** Union of `TRAIT`s, one of which a segment must show. */
  readonly needs: number
  /**
   * Finds the values in a segment. Pure; time linear in the segment for any input; whether a match begins at some place depends only on
   * the `BEFORE_UNITS` before it and the `LONGEST_VALUE` units from there on. Scores below `SCORE_THRESHOLD` may be returned.
   */
  find(segment: Segment): readonly Match[]
}

/** A test for any of some words in a text in small letters, not inside longer words. */
export interface ContextWords {
  test(text: string): boolean
}

const ASCII = 128

/**
 * Most contexts have no word that begins as one of these do, which a look at two units tells; the full expression costs twenty times that.
 * @param words lower case; spaces match any white space.
 */
export function contextWords(...words: readonly string[]): ContextWords {
  const alternatives = words.map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/gu, String.raw`\$&`).replaceAll(' ', String.raw`\s`))
  const pattern = new RegExp(String.raw`(?<![\p{L}\p{N}])(?:${alternatives.join('|')})(?![\p{L}\p{N}])`, 'u')
  const heads = new Uint8Array(ASCII * ASCII)
  for (const word of words) {
    const [first, second] = [word.charCodeAt(0), word.charCodeAt(1)]
    // Of a word of one letter, and of one that goes on beyond ASCII, only the first unit is looked at.
    if (first < ASCII && second < ASCII && word[1] !== ' ') heads[first * ASCII + second] = 1
    else if (first < ASCII) heads.fill(1, first * ASCII, (first + 1) * ASCII)
  }
  return { test: (text) => mayHold(text, heads) && pattern.test(text) }
}

function mayHold(text: string, heads: Uint8Array): boolean {
  let isInside = false
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= ASCII) return true
    if (!isInside) {
      const next = i + 1 < text.length ? text.charCodeAt(i + 1) : 0
      if (next >= ASCII || heads[unit * ASCII + next] === 1) return true
    }
    isInside = (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x30 && unit <= 0x39) || (unit >= 0x41 && unit <= 0x5a)
  }
  return false
}
