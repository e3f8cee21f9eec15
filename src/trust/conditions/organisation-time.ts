/** Hour and weekday in the organisation's time zone, for policies, and whether it is at work. */
export interface LocalTime {
  at(epochMs: number): LocalMoment
}

export interface LocalMoment {
  /** 0 to 23. */
  readonly hour: number
  /** 0 (Sunday) to 6. */
  readonly weekday: number
  /** Whether the organisation's hours include this instant. */
  readonly workingHours: boolean
}

export const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
export type Weekday = (typeof WEEKDAYS)[number]

/** One span of the organisation's week, in local wall time and quarters of an hour. A span whose end is not after its begin ends on the next day. */
export interface WorkingSpan {
  readonly days: readonly Weekday[]
  /** `HH:MM`; `to` is not in the span and may be `24:00`. */
  readonly from: string
  readonly to: string
}

/** Every zone's offset is a multiple of a quarter of an hour, and changes of it fall on such a boundary. */
const QUARTER_MS = 15 * 60 * 1000
const QUARTERS_OF_DAY = 96

/**
 * @param timeZone IANA name.
 * @param working Without spans the organisation is always at work.
 * @throws {RangeError} for an unknown time zone.
 */
export function localTime(
  timeZone: string,
  working: { readonly workingHours?: readonly WorkingSpan[]; readonly holidays?: readonly string[] } = {},
): LocalTime {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    calendar: 'iso8601',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    weekday: 'short',
  })
  const week = weekOf(working.workingHours ?? [])
  const holidays = new Set(working.holidays ?? [])
  // Formatting costs microseconds, so the answer is kept for the quarter of an hour that it holds.
  let quarter = Number.NaN
  let cached: LocalMoment = { hour: 0, weekday: 0, workingHours: false }
  return {
    at(epochMs) {
      const wanted = Math.floor(epochMs / QUARTER_MS)
      if (wanted !== quarter) {
        cached = momentAt(epochMs)
        quarter = wanted
      }
      return cached
    },
  }

  function momentAt(epochMs: number): LocalMoment {
    const parts = new Map(format.formatToParts(epochMs).map(({ type, value }) => [type, value]))
    const part = (name: Intl.DateTimeFormatPartTypes): string => parts.get(name) ?? ''
    const hour = Number(part('hour'))
    const weekday = WEEKDAYS.indexOf(part('weekday').slice(0, 3).toLowerCase() as Weekday)
    const date = `${part('year')}-${part('month')}-${part('day')}`
    const quarterOfWeek = weekday * QUARTERS_OF_DAY + hour * 4 + Math.floor(Number(part('minute')) / 15)
    return { hour, weekday, workingHours: week === null || (week[quarterOfWeek] === true && !holidays.has(date)) }
  }
}

/** The working quarters of a week; null when no hours are named. */
function weekOf(spans: readonly WorkingSpan[]): readonly boolean[] | null {
  if (spans.length === 0) return null
  const week = Array.from({ length: WEEKDAYS.length * QUARTERS_OF_DAY }, () => false)
  for (const { days, from, to } of spans) {
    const begin = quarterOf(from)
    const end = quarterOf(to)
    const length = end > begin ? end - begin : end + QUARTERS_OF_DAY - begin
    for (const day of days)
      for (let n = 0; n < length; n++) week[(WEEKDAYS.indexOf(day) * QUARTERS_OF_DAY + begin + n) % week.length] = true
  }
  return week
}

function quarterOf(time: string): number {
  const [hour = 0, minute = 0] = time.split(':').map(Number)
  return hour * 4 + Math.floor(minute / 15)
}
