import { describe, expect, it } from 'vitest'
import { type Circumstances, DAY_MS, START, TestConditions } from './conditions.fixtures.ts'
import { CALLERS, generator, ordinary } from './traffic.fixtures.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8] as const
const LEARNING_DAYS = 14
const uid = { type: 'ServiceAccount', id: 'slow' }
const slow = CALLERS.find(({ name }) => name === 'slow service')!
const USUAL = { address: '10.1.2.30', endpoint: 'Model/triage' }

interface Baseline {
  readonly test: TestConditions
  /** A Monday, midnight. */
  readonly end: number
}

/** What it is known by after so many weeks of ordinary traffic, with its oddities. */
function baseline(seed: number, weeks: number): Baseline {
  const test = new TestConditions()
  const end = START + weeks * 7 * DAY_MS
  for (const { at, address, endpoint } of ordinary(slow, START, end, generator(seed))) test.ask(uid, { at, address, endpoint })
  return { test, end }
}

/** Risk of the first call of a kind, on a baseline of its own, by seed. */
const first = (weeks: number, of: (end: number) => Circumstances): number[] =>
  SEEDS.map((seed) => {
    const { test, end } = baseline(seed, weeks)
    return test.ask(uid, { ...USUAL, ...of(end) }).risk
  })

const WEDNESDAY_11 = 2 * DAY_MS + 11 * HOUR_MS
const WEDNESDAY_3 = 2 * DAY_MS + 3 * HOUR_MS
/** The simulated weekends are worked in at eleven, now and then. */
const SATURDAY_15 = 5 * DAY_MS + 15 * HOUR_MS

describe('a service that asks three times an hour, once it is learnt (B6)', () => {
  it('is at no risk in its ordinary weeks: false alarms by seed', () => {
    for (const seed of SEEDS) {
      const test = new TestConditions()
      const learnt = START + LEARNING_DAYS * DAY_MS
      const counts = { requests: 0, at30: 0, at50: 0, at70: 0, highest: 0 }
      for (const { at, address, endpoint } of ordinary(slow, START, learnt + 8 * 7 * DAY_MS, generator(seed))) {
        const { risk } = test.ask(uid, { at, address, endpoint })
        if (at < learnt) continue
        counts.requests++
        counts.highest = Math.max(counts.highest, risk)
        if (risk >= 30) counts.at30++
        if (risk >= 50) counts.at50++
        if (risk >= 70) counts.at70++
      }
      console.log(`slow service, seed ${seed}, eight weeks: ${JSON.stringify(counts)}`)
      // Oddities of the traffic coincide now and then; what refuses or alerts they never reach.
      expect(counts.at30 / counts.requests, `seed ${seed}`).toBeLessThan(0.01)
      expect(counts.at50, `seed ${seed}`).toBe(0)
    }
  })

  it.each([
    ['in the night', 2, 15, () => ({ at: WEDNESDAY_3 })],
    ['on a weekend, at an hour that is usual on other days', 2, 5, () => ({ at: SATURDAY_15 })],
    ['on a weekend, after six weeks', 6, 14, () => ({ at: SATURDAY_15 })],
    ['from a new network', 2, 25, () => ({ at: WEDNESDAY_11, address: '203.0.113.66' })],
    ['for something new', 2, 20, () => ({ at: WEDNESDAY_11, endpoint: 'export Dataset' })],
    ['in the night and from a new network', 2, 40, () => ({ at: WEDNESDAY_3, address: '203.0.113.66' })],
  ] as const)('is at risk with the first call %s', (_what, weeks, least, of) => {
    const ordinaryRisk = first(weeks, (end) => ({ at: end + WEDNESDAY_11 }))
    expect(Math.max(...ordinaryRisk)).toBeLessThan(5)
    const risks = first(weeks, (end) => {
      const { at, ...rest }: Circumstances & { at: number } = of()
      return { ...rest, at: end + at }
    })
    expect(Math.min(...risks), String(risks)).toBeGreaterThanOrEqual(least)
  })

  it('is refused with the first call at an unusual hour, from elsewhere, for something new', () => {
    const odd = { address: '203.0.113.66', endpoint: 'export Dataset' }
    const risks = first(2, (end) => ({ ...odd, at: end + WEDNESDAY_3 }))
    expect(Math.min(...risks), String(risks)).toBeGreaterThan(80)
    const weekend = first(2, (end) => ({ ...odd, at: end + SATURDAY_15 }))
    expect(Math.min(...weekend), String(weekend)).toBeGreaterThanOrEqual(55)
  })

  it('is at risk within two hours when it asks for its usual things in another mix', () => {
    for (const seed of SEEDS) {
      const { test, end } = baseline(seed, 2)
      const begin = end + WEDNESDAY_11
      const risks: number[] = []
      // As often as ever, from where it always was, and nothing that it never asked for.
      for (let n = 0; n < 6; n++) risks.push(test.ask(uid, { ...USUAL, at: begin + n * 20 * MINUTE_MS, endpoint: 'view Model' }).risk)
      expect(risks[5], `seed ${seed}: ${String(risks)}`).toBeGreaterThanOrEqual(10)
      expect(test.room.explain(uid)?.reasons[0]?.reason).toBe('endpoint')
      // Back to its ways it is soon at none.
      for (let n = 6; n < 18; n++) test.ask(uid, { ...USUAL, at: begin + n * 20 * MINUTE_MS })
      expect(test.room.explain(uid)!.risk, `seed ${seed}`).toBeLessThan(5)
    }
  })

  it('is not at risk together while one of the three is usual, and people are not at all: they travel', () => {
    const { test, end } = baseline(1, 2)
    test.ask(uid, { at: end + WEDNESDAY_3, address: '203.0.113.66', endpoint: USUAL.endpoint })
    expect(test.room.explain(uid)?.reasons.map(({ reason }) => reason)).not.toContain('together')
    const anna = { type: 'User', id: 'user_anna' }
    const people = new TestConditions()
    people.work(anna, 21)
    people.ask(anna, { at: people.clock.now() + 3 * HOUR_MS, address: '203.0.113.66', endpoint: 'export Dataset' })
    expect(people.room.explain(anna)?.reasons.map(({ reason }) => reason)).toEqual(['network', 'hour', 'endpoint'])
  })
})
