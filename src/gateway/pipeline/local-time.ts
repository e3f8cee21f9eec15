/** Hour and weekday in the organisation's time zone, for policies. */
export interface LocalTime {
  at(epochMs: number): { readonly hour: number; readonly weekday: number }
}

/** Every zone's offset is a multiple of a quarter of an hour, and changes of it fall on such a boundary. */
const QUARTER_MS = 15 * 60 * 1000
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

/**
 * @param timeZone IANA name.
 * @throws {RangeError} for an unknown time zone.
 */
export function localTime(timeZone: string): LocalTime {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, hour: 'numeric', hourCycle: 'h23', weekday: 'short' })
  // Formatting costs microseconds, so the answer is kept for the quarter of an hour that it holds.
  let quarter = Number.NaN
  let cached = { hour: 0, weekday: 0 }
  return {
    at(epochMs) {
      const wanted = Math.floor(epochMs / QUARTER_MS)
      if (wanted !== quarter) {
        const parts = format.formatToParts(epochMs)
        const part = (type: string): string => parts.find((candidate) => candidate.type === type)?.value ?? ''
        cached = { hour: Number(part('hour')), weekday: WEEKDAYS.indexOf(part('weekday')) }
        quarter = wanted
      }
      return cached
    },
  }
}
