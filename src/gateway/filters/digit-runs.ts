import { isAlphanumericUnit } from './characters.ts'
import type { Segment } from './recogniser.ts'

export interface DigitGroup {
  readonly start: number
  readonly end: number
}

/** Groups of digits with grouping signs between them, as long as the signs go on: `+44 (0)20 7946 0958`. */
export interface DigitRun {
  readonly groups: readonly DigitGroup[]
  /** `separators[i]` stands between group i and i + 1. */
  readonly separators: readonly string[]
  /** A `+` stands directly before the first group. */
  readonly plus: boolean
  /** A `(` stands directly before the first group (and its `+`). */
  readonly open: boolean
  /** A letter, or a dash after a letter or digit, touches the first digit: part of an identifier. */
  readonly gluedBefore: boolean
  /** A letter touches the last digit. */
  readonly gluedAfter: boolean
}

const LONGEST_SEPARATOR = 3

function isSeparatorUnit(unit: number): boolean {
  return unit === 0x20 || unit === 0x2d || unit === 0x2e || unit === 0x2f || unit === 0x28 || unit === 0x29 || unit === 0x09
}

/** All runs of a segment, in order. */
export function digitRuns(segment: Segment): readonly DigitRun[] {
  const { text } = segment
  const { digits } = segment.outline
  const { units, base } = segment
  const runs: DigitRun[] = []
  for (let at = 0; at < digits.length;) {
    const groups: DigitGroup[] = []
    const separators: string[] = []
    for (;;) {
      const end = digits[at + 1]!
      groups.push({ start: digits[at]!, end })
      at += 2
      if (at >= digits.length || !isSeparator(units, base + end, base + digits[at]!)) break
      separators.push(text.slice(end, digits[at]))
    }
    runs.push(runOf(segment, groups, separators))
  }
  return runs
}

function isSeparator(units: Uint16Array, start: number, end: number): boolean {
  if (end - start > LONGEST_SEPARATOR) return false
  for (let i = start; i < end; i++) if (!isSeparatorUnit(units[i]!)) return false
  return true
}

function runOf(segment: Segment, groups: readonly DigitGroup[], separators: readonly string[]): DigitRun {
  let { start } = groups[0]!
  const plus = segment.unitAt(start - 1) === 0x2b
  if (plus) start--
  const open = segment.unitAt(start - 1) === 0x28
  if (open) start--
  const previous = segment.unitAt(start - 1)
  const gluedBefore =
    !plus && !open && (isAlphanumericUnit(previous) || (previous === 0x2d && isAlphanumericUnit(segment.unitAt(start - 2))))
  return { groups, separators, plus, open, gluedBefore, gluedAfter: isAlphanumericUnit(segment.unitAt(groups.at(-1)!.end)) }
}

export function digitsOf(text: string, groups: readonly DigitGroup[], from: number, to: number): string {
  let digits = ''
  for (let i = from; i < to; i++) digits += text.slice(groups[i]!.start, groups[i]!.end)
  return digits
}
