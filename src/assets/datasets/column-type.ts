import { RedoubtError } from '#foundation/core'
import type { ColumnType } from './dataset-version.ts'

/**
 * What one value looks like. `digits` is a number that would lose something as a number: leading zeros (postal codes) or more
 * than 2⁵³ (card and account numbers).
 */
type Kind = 'missing' | 'integer' | 'real' | 'digits' | 'text'

const ZERO = 48
const NINE = 57

/** White space around a number is not part of it; white space alone is a missing value. */
export function kindOf(field: string): Kind {
  let from = 0
  let to = field.length
  while (from < to && isBlank(field.charCodeAt(from))) from++
  while (to > from && isBlank(field.charCodeAt(to - 1))) to--
  if (from === to) return 'missing'
  const first = field.charCodeAt(from)
  let i = first === 43 || first === 45 ? from + 1 : from
  const digitsFrom = i
  while (i < to && isDigit(field.charCodeAt(i))) i++
  const digits = i - digitsFrom
  if (i === to) {
    if (digits === 0) return 'text'
    if (digits > 1 && field.charCodeAt(digitsFrom) === ZERO) return 'digits'
    return digits <= 15 || Number.isSafeInteger(Number(field)) ? 'integer' : 'digits'
  }
  let fraction = 0
  if (field.charCodeAt(i) === 46) {
    i++
    while (i < to && isDigit(field.charCodeAt(i))) {
      i++
      fraction++
    }
  }
  if (digits + fraction === 0) return 'text'
  if (i < to && (field.charCodeAt(i) | 32) === 101) {
    i++
    if (field.charCodeAt(i) === 43 || field.charCodeAt(i) === 45) i++
    const exponentFrom = i
    while (i < to && isDigit(field.charCodeAt(i))) i++
    if (i === exponentFrom) return 'text'
  }
  return i === to && Number.isFinite(Number(field)) ? 'real' : 'text'
}

const isDigit = (c: number): boolean => c >= ZERO && c <= NINE
const isBlank = (c: number): boolean => c === 32 || c === 9

/** A number as stored: NaN when missing, never −0. */
export function numberOf(field: string): number {
  return kindOf(field) === 'missing' ? Number.NaN : Number(field) + 0
}

/** Text as stored: null when missing. */
export function textOf(field: string): string | null {
  return kindOf(field) === 'missing' ? null : field
}

/** Fewer values than this tell nothing about what a column was meant to be. */
export const MIN_VALUES_TO_JUDGE = 10
/** Up to this share of values that are no numbers, they are mistakes; beyond it the column is text. One is always a mistake. */
export const MISTAKE_SHARE = 0.01

/** Watches every value of one column; the type is decided when the whole file has passed, never from a sample. */
export class ColumnObserver {
  readonly name: string
  readonly #counts: Record<Kind, number> = { missing: 0, integer: 0, real: 0, digits: 0, text: 0 }
  #firstTextLine = 0
  #firstMissingLine = 0

  constructor(name: string) {
    this.name = name
  }

  observe(field: string, line: number): void {
    const kind = kindOf(field)
    this.#counts[kind]++
    if (kind === 'text' && this.#firstTextLine === 0) this.#firstTextLine = line
    else if (kind === 'missing' && this.#firstMissingLine === 0) this.#firstMissingLine = line
  }

  get nullable(): boolean {
    return this.#counts.missing > 0
  }

  /** First line without a value, 0 when there is none. */
  get firstMissingLine(): number {
    return this.#firstMissingLine
  }

  /**
   * - only integers: `integer`; integers and reals: `real`; nothing but missing values: `text`
   * - numbers that would lose something as numbers, and no reals: `text`
   * - other text: `text`, unless at least `MIN_VALUES_TO_JUDGE` values are there and all but one, or all but `MISTAKE_SHARE`, are numbers
   * @param asText the caller says that the column is text, whatever it looks like.
   * @throws {RedoubtError} `ERR_DATA_MISTYPED` naming column and first line in that last case.
   */
  decide(asText: boolean): ColumnType {
    const { integer, real, digits, text } = this.#counts
    if (asText) return 'text'
    if (text === 0) {
      if (real > 0) return 'real'
      return digits > 0 || integer === 0 ? 'text' : 'integer'
    }
    const present = integer + real + digits + text
    const mistakes = digits === 0 && present >= MIN_VALUES_TO_JUDGE && text <= Math.max(1, Math.floor(present * MISTAKE_SHARE))
    if (!mistakes) return 'text'
    const type = real > 0 ? 'real' : 'integer'
    throw new RedoubtError(
      'ERR_DATA_MISTYPED',
      `line ${this.#firstTextLine} has a value that is no number in the column \`${this.name}\`, in which ${present - text} of ${present} are`,
      { evidence: { line: this.#firstTextLine, column: this.name, expected: type, numbers: present - text, others: text } },
    )
  }
}
