import { fail } from './evaluation-failure.ts'
import { add, type Long, longOf, quotient, remainder, subtract } from './long.ts'

const DAY_MS = 86_400_000

/** Cedar's `datetime`: milliseconds since the Unix epoch, leap seconds not counted. */
export class DateTime {
  readonly epochMs: Long

  constructor(epochMs: Long) {
    this.epochMs = epochMs
  }

  offset(duration: Duration): DateTime {
    return new DateTime(add(this.epochMs, duration.ms))
  }

  durationSince(other: DateTime): Duration {
    return new Duration(subtract(this.epochMs, other.epochMs))
  }

  toDate(): DateTime {
    return new DateTime(subtract(this.epochMs, remainder(this.epochMs, DAY_MS)))
  }

  toTime(): Duration {
    return new Duration(remainder(this.epochMs, DAY_MS))
  }
}

/** Cedar's `duration`: milliseconds, which may be negative. */
export class Duration {
  readonly ms: Long

  constructor(ms: Long) {
    this.ms = ms
  }

  /** Whole units, rounded towards zero. */
  in(unit: DurationUnit): Long {
    return quotient(this.ms, UNIT_MS[unit])
  }
}

const UNIT_MS = { days: DAY_MS, hours: 3_600_000, minutes: 60_000, seconds: 1000, milliseconds: 1 } as const
export type DurationUnit = keyof typeof UNIT_MS

const DATETIME = /^([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{3}))?(?:Z|([+-])([0-9]{2})([0-9]{2})))?$/

/** @throws {EvaluationFailure} for what Cedar's grammar refuses: a day that is not in the calendar, second 60, `24:00`, a colon in the offset. */
export function parseDateTime(text: string): DateTime {
  const match = DATETIME.exec(text)
  if (!match) return fail('the datetime is not valid')
  const field = (index: number): number => Number(match[index] ?? 0)
  const [year, month, day] = [field(1), field(2), field(3)]
  const [hour, minute, second, ms] = [field(4), field(5), field(6), field(7)]
  const [offsetHour, offsetMinute] = [field(9), field(10)]
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return fail('the datetime names no day of the calendar')
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return fail('the datetime names no time of the day')
  const offset = (offsetHour * 60 + offsetMinute) * 60_000 * (match[8] === '-' ? -1 : 1)
  const time = ((hour * 60 + minute) * 60 + second) * 1000 + ms
  // Date.UTC would read the years 0 to 99 as 1900 to 1999.
  return new DateTime(new Date(0).setUTCFullYear(year, month - 1, day) + time - offset)
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

const DURATION = /^(-?)(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?(?:([0-9]+)ms)?$/
const PARTS = [UNIT_MS.days, UNIT_MS.hours, UNIT_MS.minutes, UNIT_MS.seconds, UNIT_MS.milliseconds] as const
// As for decimals: leading zeros are accepted, so the bound is generous.
const MAX_TEXT = 4096

/** @throws {EvaluationFailure} for units out of order, repeated or missing, and for overflow on the way from days to milliseconds. */
export function parseDuration(text: string): Duration {
  const match = text.length > MAX_TEXT || text === '' || text === '-' ? null : DURATION.exec(text)
  if (!match) return fail('the duration is not valid')
  const sign = match[1] === '-' ? -1n : 1n
  let total = 0n
  PARTS.forEach((unitMs, index) => (total += BigInt(match[index + 2] ?? 0) * BigInt(unitMs)))
  return new Duration(longOf(sign * total))
}
