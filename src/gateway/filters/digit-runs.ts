import { isAlphanumericUnit } from './characters.ts'
import type { Segment } from './recogniser.ts'

const LONGEST_SEPARATOR = 3
/** Nothing, or something else than signs that group a number, stands between two groups. */
export const NO_SEPARATOR = 0

/** What stands between two groups as one number: its units, the first in the lowest byte. No string is made of it. */
export const separatorOf = (signs: string): number => {
  let packed = 0
  for (let i = signs.length - 1; i >= 0; i--) packed = (packed << 8) | signs.charCodeAt(i)
  return packed
}

export const SPACE = separatorOf(' ')
export const DASH = separatorOf('-')
export const STOP = separatorOf('.')
export const STROKE = separatorOf('/')
const OPEN = 0x28
const CLOSE = 0x29

/** Whether one of its signs is `unit`. */
export function holds(separator: number, unit: number): boolean {
  return (separator & 0xff) === unit || ((separator >> 8) & 0xff) === unit || separator >> 16 === unit
}

export const beginsWithClose = (separator: number): boolean => (separator & 0xff) === CLOSE

export function endsWithOpen(separator: number): boolean {
  return (separator > 0xffff ? separator >> 16 : separator > 0xff ? separator >> 8 : separator) === OPEN
}

/** With a space or an opening bracket: what sets a number off from the next. */
export const isSetOff = (separator: number): boolean => holds(separator, SPACE) || holds(separator, OPEN)

/** Groups of digits with grouping signs between them, as long as the signs go on: `+44 (0)20 7946 0958`. */
export class DigitRun {
  /** How many groups. */
  readonly count: number
  /** A `+` stands directly before the first group. */
  readonly plus: boolean
  /** A `(` stands directly before the first group (and its `+`). */
  readonly open: boolean
  /** A letter, or a dash after a letter or digit, touches the first digit: part of an identifier. */
  readonly gluedBefore: boolean
  /** A letter touches the last digit. */
  readonly gluedAfter: boolean
  readonly #segment: Segment
  /** Starts and ends, in turn, of the groups of the segment; those of this run begin at `#from`. */
  readonly #digits: readonly number[]
  readonly #from: number
  readonly #separators: readonly number[]

  constructor(segment: Segment, from: number, to: number, separators: readonly number[]) {
    this.#segment = segment
    this.#digits = segment.outline.digits
    this.#from = from
    this.#separators = separators
    this.count = (to - from) / 2
    let start = this.startOf(0)
    this.plus = segment.unitAt(start - 1) === 0x2b
    if (this.plus) start--
    this.open = segment.unitAt(start - 1) === OPEN
    if (this.open) start--
    const previous = segment.unitAt(start - 1)
    this.gluedBefore =
      !this.plus && !this.open && (isAlphanumericUnit(previous) || (previous === 0x2d && isAlphanumericUnit(segment.unitAt(start - 2))))
    this.gluedAfter = isAlphanumericUnit(segment.unitAt(this.endOf(this.count - 1)))
  }

  startOf(group: number): number {
    return this.#digits[this.#from + 2 * group]!
  }

  endOf(group: number): number {
    return this.#digits[this.#from + 2 * group + 1]!
  }

  /** Digits of a group. */
  size(group: number): number {
    const at = this.#from + 2 * group
    return this.#digits[at + 1]! - this.#digits[at]!
  }

  /** What stands between a group and the next; `NO_SEPARATOR` before the first one and behind the last. */
  separator(group: number): number {
    return group < 0 || group >= this.count - 1 ? NO_SEPARATOR : this.#separators[this.#from / 2 + group]!
  }

  /** The digits of the groups from `from` to before `to`. */
  digits(from: number, to: number): string {
    const { text } = this.#segment
    let digits = text.slice(this.startOf(from), this.endOf(from))
    for (let i = from + 1; i < to; i++) digits += text.slice(this.startOf(i), this.endOf(i))
    return digits
  }

  /** Of one group of at most fifteen digits. */
  number(group: number): number {
    let value = 0
    for (let i = this.startOf(group); i < this.endOf(group); i++) value = value * 10 + this.digitAt(i)
    return value
  }

  /** @param at offset of a digit in the segment's text. */
  digitAt(at: number): number {
    return this.#segment.unitAt(at) - 0x30
  }
}

/** All runs of a segment, in order. */
export function digitRuns(segment: Segment): readonly DigitRun[] {
  const { digits } = segment.outline
  const { units, base } = segment
  const separators: number[] = []
  const runs: DigitRun[] = []
  let from = 0
  for (let at = 0; at < digits.length; at += 2) {
    const isLast = at + 2 >= digits.length
    const separator = isLast ? NO_SEPARATOR : between(units, base + digits[at + 1]!, base + digits[at + 2]!)
    separators.push(separator)
    if (separator !== NO_SEPARATOR) continue
    runs.push(new DigitRun(segment, from, at + 2, separators))
    from = at + 2
  }
  return runs
}

function between(units: Uint16Array, start: number, end: number): number {
  if (end - start > LONGEST_SEPARATOR) return NO_SEPARATOR
  let separator = 0
  for (let i = end - 1; i >= start; i--) {
    const unit = units[i]!
    if (!isSeparatorUnit(unit)) return NO_SEPARATOR
    separator = (separator << 8) | unit
  }
  return separator
}

function isSeparatorUnit(unit: number): boolean {
  return unit === 0x20 || unit === 0x2d || unit === 0x2e || unit === 0x2f || unit === OPEN || unit === CLOSE || unit === 0x09
}
