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
  count = 0
  /** A `+` stands directly before the first group. */
  plus = false
  /** A `(` stands directly before the first group (and its `+`). */
  open = false
  /** A letter, or a dash after a letter or digit, touches the first digit: part of an identifier. */
  gluedBefore = false
  /** A letter touches the last digit. */
  gluedAfter = false
  readonly #runs: DigitRuns
  /** Its first entry in those of the segment. */
  #from = 0

  constructor(runs: DigitRuns) {
    this.#runs = runs
  }

  /** @param from and `to` are entries of the outline's `digits`. */
  set(from: number, to: number): void {
    this.#from = from
    this.count = (to - from) >> 1
    const { units, base, digits } = this.#runs
    let start = base + digits[from]!
    this.plus = units[start - 1] === 0x2b
    if (this.plus) start--
    this.open = units[start - 1] === OPEN
    if (this.open) start--
    const previous = units[start - 1]!
    this.gluedBefore =
      !this.plus && !this.open && (isAlphanumericUnit(previous) || (previous === 0x2d && isAlphanumericUnit(units[start - 2]!)))
    this.gluedAfter = isAlphanumericUnit(units[base + digits[to - 1]!]!)
  }

  startOf(group: number): number {
    return this.#runs.digits[this.#from + 2 * group]!
  }

  endOf(group: number): number {
    return this.#runs.digits[this.#from + 2 * group + 1]!
  }

  /** Digits of a group. */
  size(group: number): number {
    const at = this.#from + 2 * group
    const { digits } = this.#runs
    return digits[at + 1]! - digits[at]!
  }

  /** What stands between a group and the next; `NO_SEPARATOR` before the first one and behind the last. */
  separator(group: number): number {
    return group < 0 || group >= this.count - 1 ? NO_SEPARATOR : this.#runs.separators[(this.#from >> 1) + group]!
  }

  /** The digits of the groups from `from` to before `to`. */
  digits(from: number, to: number): string {
    let digits = ''
    for (let group = from; group < to; group++) for (let i = this.startOf(group); i < this.endOf(group); i++) digits += this.digitAt(i)
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
    const { units, base } = this.#runs
    return units[base + at]! - 0x30
  }
}

const FIRST_SIZE = 256

/** The runs of the segment that was read last, in order. One for all: one segment is searched at a time, and no run outlives its search. */
class DigitRuns {
  units: Uint16Array = new Uint16Array()
  base = 0
  digits = new Int32Array()
  /** What stands behind each group. */
  separators = new Int32Array(FIRST_SIZE)
  readonly #made: DigitRun[] = []
  #runs: readonly DigitRun[] = []
  /** The number of the segment. */
  #owner = 0

  of(segment: Segment): readonly DigitRun[] {
    if (this.#owner !== segment.number) this.#read(segment)
    return this.#runs
  }

  #read(segment: Segment): void {
    const { digits, digitsEnd } = segment.outline
    const { units, base } = segment
    this.#owner = segment.number
    this.units = units
    this.base = base
    this.digits = digits
    if (digitsEnd > this.separators.length * 2) this.separators = new Int32Array(digitsEnd)
    const runs: DigitRun[] = []
    let from = 0
    for (let at = 0; at < digitsEnd; at += 2) {
      const isLast = at + 2 >= digitsEnd
      const separator = isLast ? NO_SEPARATOR : between(units, base + digits[at + 1]!, base + digits[at + 2]!)
      this.separators[at >> 1] = separator
      if (separator !== NO_SEPARATOR) continue
      const run = (this.#made[runs.length] ??= new DigitRun(this))
      run.set(from, at + 2)
      runs.push(run)
      from = at + 2
    }
    this.#runs = runs
  }
}
const RUNS = new DigitRuns()

/** All runs of a segment, in order. Of use until another segment is asked for its own. */
export function digitRuns(segment: Segment): readonly DigitRun[] {
  return RUNS.of(segment)
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
