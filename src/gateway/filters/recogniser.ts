import { SCORE_THRESHOLD } from '#foundation/core'
import type { ContextWords } from './context-words.ts'
import { type DigitRun, digitRuns } from './digit-runs.ts'
import { OUTLINE, type Outline } from './outline.ts'
import { type LentUnits, PAD, WINDOW } from './unit-window.ts'

export { contextWords } from './context-words.ts'

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

let segments = 0

/** A stretch of text that no value crosses, in ASCII form as far as look-alikes go. */
export class Segment {
  /** Its own in this process. */
  readonly number = ++segments
  readonly text: string
  /** The raw text before it: `BEFORE_UNITS`, fewer only at the start of the text. */
  readonly before: string
  /** Findings below it are of no use to the caller. */
  readonly minScore: number
  readonly base: number
  readonly wholeBase: number
  /** The same number for all segments of a text that stands in one window, which are searched in order; its own, below zero, for one that is searched alone. */
  readonly loaded: number
  /** Where the context of its first unit begins. */
  readonly contextBase: number
  readonly #units: Uint16Array | null
  #whole: string | null = null
  #isAscii: boolean | null = null
  /** The last context that was asked for: several recognisers ask for that of the same value. */
  #context = ''
  #contextOf = -1

  /** @param lent of use while the segment is searched. */
  constructor(text: string, before: string, minScore: number = SCORE_THRESHOLD, lent: LentUnits | null = null) {
    this.text = text
    this.before = before
    this.minScore = minScore
    this.base = lent === null ? PAD + before.length : lent.base
    this.wholeBase = this.base - before.length
    this.contextBase = this.base - Math.min(before.length, CONTEXT_UNITS)
    this.#units = lent === null ? null : lent.units
    this.loaded = lent === null ? -this.number : lent.loaded
    if (lent !== null) this.#isAscii = true
  }

  /** The units of `whole` from `wholeBase` on, and of `text` from `base` on, with zeros around them. Of use until another segment is asked for its own. */
  get units(): Uint16Array {
    return this.#units ?? WINDOW.of(this.number, this.before, this.text)
  }

  /** The unit at `index`, where -1 and below reach into `before`; 0 a little outside. */
  unitAt(index: number): number {
    return this.units[this.base + index]!
  }

  /** Of use until another segment is asked for its own. */
  get outline(): Outline {
    if (OUTLINE.owner !== this.number) OUTLINE.read(this.number, this.units, this.base, this.text.length)
    return OUTLINE
  }

  get digitRuns(): readonly DigitRun[] {
    return digitRuns(this)
  }

  /** What is known before it and the segment itself. */
  get whole(): string {
    this.#whole ??= this.before + this.text
    return this.#whole
  }

  get isAscii(): boolean {
    this.#isAscii ??= this.outline.isAscii && !BEYOND_ASCII.test(this.before)
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
    if (this.isAscii) {
      const end = this.base + start
      return words.standIn(this, Math.max(this.wholeBase, end - Math.min(units, CONTEXT_UNITS)), end)
    }
    return words.test(this.context(start).slice(-units))
  }
}

export interface Recogniser {
  /** Upper-case names used in policies and placeholders. */
  readonly entities: readonly [string, ...string[]]
  /** Union of `TRAIT`s, one of which a segment must show. */
  readonly needs: number
  /** Union of `SHAPE`s, one of which it must show as well; any segment will do where it is left out. */
  readonly shapes?: number
  /**
   * Finds the values in a segment. Pure; time linear in the segment for any input; whether a match begins at some place depends only on
   * the `BEFORE_UNITS` before it and the `LONGEST_VALUE` units from there on. Scores below `SCORE_THRESHOLD` may be returned.
   */
  find(segment: Segment): readonly Match[]
}
