import { describe, expect, it } from 'vitest'
import { type AuditEvent, ManualClock } from '#foundation/core'
import { DAY_MS, SCORER, START, TestConditions } from './conditions.fixtures.ts'
import { ForwardTime } from './forward-time.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const ELSEWHERE = '203.0.113.66'

function settled(): TestConditions {
  const test = new TestConditions()
  test.work(SCORER, 21)
  return test
}

/** A clock that somebody sets back, while real time passes. */
function setBack(test: TestConditions, ms: number): void {
  test.clock.setNow(test.clock.now() - ms)
}

describe('with the clock set back (B6, B7)', () => {
  it('the rate goes on: a flood is a flood, however often the clock is set back in it', () => {
    const test = settled()
    const morning = test.clock.now() + 9 * HOUR_MS
    test.clock.setNow(morning)
    for (let n = 0; n < 200; n++) {
      test.ask(SCORER)
      test.clock.advance(1_000)
      // Each time to a span that has not begun, or has been over for long.
      setBack(test, n % 2 === 0 ? 6 * MINUTE_MS : 2 * HOUR_MS)
    }
    expect(test.ask(SCORER).risk).toBeGreaterThanOrEqual(40)
    expect(test.room.explain(SCORER)?.reasons.map(({ reason }) => reason)).toContain('rate')
  })

  it('what is usual is not learnt a second time', () => {
    const repeat = (back: boolean): readonly (readonly [string, number])[] => {
      const test = settled()
      test.clock.setNow(test.clock.now() + 9 * HOUR_MS)
      for (let n = 0; n < 100; n++) {
        test.ask(SCORER, { endpoint: 'Model/rare' })
        if (!back) continue
        setBack(test, 5 * MINUTE_MS)
        test.room.save()
        test.restart()
      }
      return test.room.explain(SCORER)!.usual.endpoints.map(({ endpoint, share }) => [endpoint, share] as const)
    }
    expect(repeat(true)).toEqual(repeat(false))
  })

  it('no time of learning begins anew, nor does one after a restart', () => {
    const test = new TestConditions({ config: { learningRequests: 1_000 } })
    for (let day = 0; day < 15; day++) test.ask(SCORER, { at: START + day * DAY_MS + 9 * HOUR_MS })
    expect(test.ask(SCORER, { address: ELSEWHERE }).firstSeenNetwork).toBe(true)
    setBack(test, 14 * DAY_MS)
    expect(test.ask(SCORER, { address: ELSEWHERE }).firstSeenNetwork).toBe(true)
    test.room.save()
    setBack(test, 5 * DAY_MS)
    test.restart()
    expect(test.ask(SCORER, { address: ELSEWHERE }).firstSeenNetwork).toBe(true)
    expect(test.room.explain(SCORER)).toMatchObject({ learning: false })
  })

  it('refusals fade as real time passes, neither sooner nor never', () => {
    const test = settled()
    test.clock.setNow(test.clock.now() + 9 * HOUR_MS)
    test.ask(SCORER)
    const refusal: AuditEvent = {
      type: 'inference.refusal',
      actor: SCORER,
      action: 'invoke',
      resource: { type: 'Model', id: 'credit' },
      outcome: 'refused',
      code: 'ERR_POLICY_DENIED',
    }
    for (let n = 0; n < 20; n++) test.room.observe(refusal)
    const before = test.ask(SCORER).risk
    expect(before).toBeGreaterThan(30)
    setBack(test, 7 * DAY_MS)
    expect(test.ask(SCORER).risk).toBe(before)
    test.clock.advance(HOUR_MS)
    expect(test.ask(SCORER).risk).toBe(0)
  })

  it('a span under way is not begun anew by a restart', () => {
    const test = settled()
    test.clock.setNow(test.clock.now() + 9 * HOUR_MS)
    for (let n = 0; n < 30; n++) test.ask(SCORER)
    const before = test.ask(SCORER).risk
    expect(before).toBeGreaterThan(0)
    test.room.save()
    test.restart()
    expect(test.ask(SCORER).risk).toBeGreaterThanOrEqual(before)
  })
})

describe('time that never goes back', () => {
  it('is the wall clock while that goes on, and the monotonic one where it is set back', () => {
    const clock = new ManualClock(1_000_000)
    const time = new ForwardTime(clock, 0)
    expect(time.now()).toBe(1_000_000)
    clock.advance(500)
    expect(time.now()).toBe(1_000_500)
    clock.setNow(2_000_000)
    expect(time.now()).toBe(2_000_000)
    clock.advance(10)
    clock.setNow(1_500_000)
    expect(time.now()).toBe(2_000_010)
    expect(time.shown(time.now())).toBe(1_500_000)
    clock.advance(5)
    expect(time.now()).toBe(2_000_015)
    // A request that was received before the clock was set back is not one of the future.
    expect(time.at(1_999_999)).toBe(2_000_015)
    expect(time.at(1_500_000)).toBe(2_000_010)
  })

  it('goes on after a restart from what was known last', () => {
    const time = new ForwardTime(new ManualClock(1_000), 5_000)
    expect(time.now()).toBe(5_000)
    expect(new ForwardTime(new ManualClock(9_000), 5_000).now()).toBe(9_000)
  })
})
