import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { localTime } from './local-time.ts'

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'America/St_Johns',
  'Asia/Tehran',
]
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const YEAR_2000 = Date.UTC(2000, 0, 1)
const YEAR_2040 = Date.UTC(2040, 0, 1)

function byIntl(timeZone: string, at: number): { hour: number; weekday: number } {
  const text = new Intl.DateTimeFormat('en-GB', { timeZone, weekday: 'short', hour: '2-digit', hourCycle: 'h23' }).format(at)
  return { hour: Number(/\d+/.exec(text)?.[0]), weekday: WEEKDAYS.indexOf(text.slice(0, 3)) }
}

describe('localTime', () => {
  it('is what Intl says, in every zone at any moment', () => {
    const moment = fc.integer({ min: YEAR_2000, max: YEAR_2040 })
    fc.assert(
      fc.property(fc.constantFrom(...ZONES), fc.array(moment, { minLength: 2, maxLength: 6 }), (zone, moments) => {
        const time = localTime(zone)
        for (const at of moments) expect(time.at(at)).toEqual(byIntl(zone, at))
      }),
      { seed: 20_260_101, numRuns: 60 },
    )
  })

  it('follows the change of summer time to the minute', () => {
    const changes = [
      ['Europe/Berlin', Date.UTC(2026, 2, 29, 1)],
      ['Europe/Berlin', Date.UTC(2026, 9, 25, 1)],
      ['America/New_York', Date.UTC(2026, 10, 1, 6)],
      ['Australia/Lord_Howe', Date.UTC(2026, 3, 4, 15)],
    ] as const
    for (const [zone, change] of changes) {
      const time = localTime(zone)
      for (let minute = -120; minute <= 120; minute++)
        expect(time.at(change + minute * 60_000)).toEqual(byIntl(zone, change + minute * 60_000))
    }
    expect(localTime('Europe/Berlin').at(Date.UTC(2026, 2, 29, 0, 59)).hour).toBe(1)
    expect(localTime('Europe/Berlin').at(Date.UTC(2026, 2, 29, 1)).hour).toBe(3)
  })

  it('knows the weekday on both sides of midnight', () => {
    const time = localTime('Asia/Kathmandu')
    const midnight = Date.UTC(2026, 0, 3, 18, 15)
    expect(time.at(midnight - 1)).toEqual({ hour: 23, weekday: 6 })
    expect(time.at(midnight)).toEqual({ hour: 0, weekday: 0 })
  })

  it('refuses an unknown zone', () => {
    expect(() => localTime('Nowhere/Land')).toThrow(RangeError)
  })
})
