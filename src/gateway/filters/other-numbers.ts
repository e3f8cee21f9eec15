import { type DigitRun, STOP, STROKE } from './digit-runs.ts'

/** Calendar dates, money in thousands, IPv4 addresses, counting: what else is written as short groups of digits. */
export function looksOtherwise(run: DigitRun, from: number, to: number): boolean {
  const count = to - from
  if (count < 2) return false
  const { signs, hasStroke, hasStop } = signsIn(run, from, to)
  // Acts and cases: `2016/679`.
  if (count === 2 && hasStroke && (isYear(run, from) || isYear(run, from + 1))) return true
  if (counts(run, from, to)) return true
  if (count >= 3 && signs <= 2) {
    const [b, c] = [from + 1, from + 2]
    if (isYear(run, from) && isSmall(run, b, 12) && isSmall(run, c, 31)) return true
    if (isYear(run, c) && ((isSmall(run, from, 31) && isSmall(run, b, 12)) || (isSmall(run, from, 12) && isSmall(run, b, 31)))) return true
  }
  if (signs !== 1) return false
  if (count === 4 && hasStop && areOctets(run, from, to)) return true
  return run.size(from) < 3 && areThousands(run, from + 1, to)
}

/** How many different separators there are, 3 for more. */
function signsIn(run: DigitRun, from: number, to: number): { signs: number; hasStroke: boolean; hasStop: boolean } {
  const first = run.separator(from)
  let second = first
  let signs = 1
  let hasStroke = first === STROKE
  let hasStop = first === STOP
  for (let i = from + 1; i < to - 1; i++) {
    const separator = run.separator(i)
    if (separator === STROKE) hasStroke = true
    if (separator === STOP) hasStop = true
    if (separator === first || separator === second) continue
    signs = signs === 1 ? 2 : 3
    if (signs === 2) second = separator
  }
  return { signs, hasStroke, hasStop }
}

/** 1800 to 2099. */
function isYear(run: DigitRun, group: number): boolean {
  if (run.size(group) !== 4) return false
  const value = run.number(group)
  return value >= 1800 && value < 2100
}

function isSmall(run: DigitRun, group: number, most: number): boolean {
  const value = run.size(group) <= 2 ? run.number(group) : 0
  return value >= 1 && value <= most
}

/** Equal steps: `05 06 07 08 09`. */
function counts(run: DigitRun, from: number, to: number): boolean {
  if (to - from < 4) return false
  const step = run.number(from + 1) - run.number(from)
  for (let i = from + 2; i < to; i++) if (run.number(i) - run.number(i - 1) !== step) return false
  return true
}

function areOctets(run: DigitRun, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (run.number(i) > 255) return false
  return true
}

function areThousands(run: DigitRun, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (run.size(i) !== 3) return false
  return true
}

/** A day of birth and a serial: `011150-4237`. */
export function isDayAndSerial(run: DigitRun, from: number): boolean {
  if (run.size(from) !== 6 || run.size(from + 1) < 3) return false
  const day = run.number(from)
  const [date, month] = [Math.trunc(day / 10_000), Math.trunc(day / 100) % 100]
  return date >= 1 && date <= 31 && month >= 1 && month <= 12
}
