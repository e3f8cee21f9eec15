import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { localTime } from './organisation-time.ts'

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
        for (const at of moments) expect(time.at(at)).toMatchObject(byIntl(zone, at))
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
        expect(time.at(change + minute * 60_000)).toMatchObject(byIntl(zone, change + minute * 60_000))
    }
    expect(localTime('Europe/Berlin').at(Date.UTC(2026, 2, 29, 0, 59)).hour).toBe(1)
    expect(localTime('Europe/Berlin').at(Date.UTC(2026, 2, 29, 1)).hour).toBe(3)
  })

  it('knows the weekday on both sides of midnight', () => {
    const time = localTime('Asia/Kathmandu')
    const midnight = Date.UTC(2026, 0, 3, 18, 15)
    expect(time.at(midnight - 1)).toMatchObject({ hour: 23, weekday: 6 })
    expect(time.at(midnight)).toMatchObject({ hour: 0, weekday: 0 })
  })

  it('refuses an unknown zone', () => {
    expect(() => localTime('Nowhere/Land')).toThrow(RangeError)
  })
})

describe('working hours (B7)', () => {
  const office = { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '08:00', to: '17:30' } as const
  const berlin = localTime('Europe/Berlin', {
    workingHours: [office, { days: ['fri'], from: '22:00', to: '06:00' }],
    holidays: ['2026-12-25', '2026-05-01'],
  })
  const works = (iso: string): boolean => berlin.at(Date.parse(iso)).workingHours

  it('is always while no hours are named', () => {
    expect(localTime('UTC').at(Date.UTC(2026, 0, 4, 3)).workingHours).toBe(true)
    expect(localTime('UTC', { workingHours: [], holidays: ['2026-01-04'] }).at(Date.UTC(2026, 0, 4, 3)).workingHours).toBe(true)
  })

  it('begins and ends to the quarter, in local time, in winter and in summer', () => {
    expect([works('2026-01-07T06:59:59Z'), works('2026-01-07T07:00:00Z')]).toEqual([false, true])
    expect([works('2026-01-07T16:29:59Z'), works('2026-01-07T16:30:00Z')]).toEqual([true, false])
    expect([works('2026-07-08T05:59:59Z'), works('2026-07-08T06:00:00Z')]).toEqual([false, true])
    expect([works('2026-07-08T15:29:59Z'), works('2026-07-08T15:30:00Z')]).toEqual([true, false])
  })

  it('keeps the local hours on the days when the clock is changed', () => {
    const nights = localTime('Europe/Berlin', { workingHours: [{ days: ['sun'], from: '01:00', to: '04:00' }] })
    const worked = (from: number): number =>
      Array.from({ length: 96 }, (_, n) => nights.at(from + n * 900_000).workingHours).filter(Boolean).length / 4
    expect(worked(Date.parse('2026-03-28T23:00:00Z'))).toBe(2)
    expect(worked(Date.parse('2026-10-24T22:00:00Z'))).toBe(4)
    expect(worked(Date.parse('2026-11-01T23:00:00Z') - 86_400_000)).toBe(3)
  })

  it('goes on over midnight into the next day, and from Saturday into Sunday', () => {
    expect([works('2026-01-09T20:59:00Z'), works('2026-01-09T21:00:00Z')]).toEqual([false, true])
    expect([works('2026-01-10T04:59:00Z'), works('2026-01-10T05:00:00Z')]).toEqual([true, false])
    const weekend = localTime('UTC', { workingHours: [{ days: ['sat'], from: '23:00', to: '01:00' }] })
    expect(weekend.at(Date.parse('2026-01-11T00:59:00Z')).workingHours).toBe(true)
    expect(weekend.at(Date.parse('2026-01-11T01:00:00Z')).workingHours).toBe(false)
    const whole = localTime('UTC', { workingHours: [{ days: ['sat'], from: '00:00', to: '24:00' }] })
    expect(whole.at(Date.parse('2026-01-10T23:59:00Z')).workingHours).toBe(true)
    expect(whole.at(Date.parse('2026-01-11T00:00:00Z')).workingHours).toBe(false)
  })

  it('does not hold on a holiday, which is a local date', () => {
    expect(works('2026-05-01T10:00:00Z')).toBe(false)
    expect(works('2026-05-04T10:00:00Z')).toBe(true)
    const newYork = localTime('America/New_York', { workingHours: [office], holidays: ['2026-05-04'] })
    expect(newYork.at(Date.parse('2026-05-05T03:59:00Z')).workingHours).toBe(false)
    expect(newYork.at(Date.parse('2026-05-05T12:00:00Z')).workingHours).toBe(true)
  })
})
