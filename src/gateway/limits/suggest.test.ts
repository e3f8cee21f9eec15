import { describe, expect, it } from 'vitest'
import { type PastCall, suggestLimits } from './index.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const call = (at: number, principal = 'a', rows = 0, tokens = 0): PastCall => ({ at, principal, rows, tokens })
const ALL = { keep: 1, headroom: 1 }
const find = (calls: readonly PastCall[], unit: string, windowMs: number, options = ALL) =>
  suggestLimits(calls, options).find((each) => each.unit === unit && each.windowMs === windowMs)

describe('limits from past use (C4)', () => {
  it('finds the most that one caller used within any rolling window, not within calendar ones', () => {
    // Four calls around the full minute: three of them within sixty seconds.
    const calls = [call(0), call(40_000), call(59_999), call(70_000), call(200_000)]
    expect(find(calls, 'requests', MINUTE)).toMatchObject({ peak: 3, amount: 3, calls: 5, principals: 1, refused: 0 })
  })

  it('counts each caller by itself', () => {
    const calls = [call(0, 'a'), call(1, 'b'), call(2, 'a'), call(3, 'b')]
    expect(find(calls, 'requests', MINUTE)).toMatchObject({ peak: 2, principals: 2 })
  })

  it('leaves out units that nobody used', () => {
    expect(suggestLimits([call(0, 'a', 5)], ALL).map(({ unit }) => unit)).toEqual(['requests', 'requests', 'rows', 'rows'])
    expect(suggestLimits([], ALL)).toEqual([])
  })

  it('lets a rare burst fall, and tells how many calls and callers it would have refused', () => {
    const ordinary = Array.from({ length: 999 }, (_, n) => call(n * HOUR, `caller-${n % 9}`, 10))
    const calls = [...ordinary, call(2_000 * HOUR, 'scraper', 50_000)]
    const suggestion = find(calls, 'rows', HOUR, { keep: 0.999, headroom: 1.25 })
    expect(suggestion).toMatchObject({ peak: 50_000, amount: 13, refused: 1, refusedPrincipals: 1, principals: 10 })
    expect(find(calls, 'rows', HOUR)).toMatchObject({ amount: 50_000, refused: 0 })
  })

  it('does not let a refused call count against the limit', () => {
    const calls = [call(0, 'a', 5), call(1, 'a', 100), call(2, 'a', 5), call(HOUR * 30, 'a', 5), call(HOUR * 60, 'a', 5)]
    // 0.6 of five calls: the third smallest sum, 5; headroom 2 makes 10, which the first and third call share.
    expect(find(calls, 'rows', HOUR, { keep: 0.6, headroom: 2 })).toMatchObject({ amount: 10, refused: 1 })
  })

  it('rounds up to two digits, never down', () => {
    expect(find([call(0, 'a', 1_012)], 'rows', HOUR)?.amount).toBe(1_100)
    expect(find([call(0, 'a', 1_000)], 'rows', HOUR)?.amount).toBe(1_000)
    expect(find([call(0, 'a', 7)], 'rows', HOUR)?.amount).toBe(7)
    expect(find([call(0, 'a', 99)], 'rows', HOUR, { keep: 1, headroom: 1.01 })?.amount).toBe(100)
  })

  it('proposes what a replay of the past lets pass whole, for any past use', () => {
    let state = 20_261_127
    const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
    for (let round = 0; round < 50; round++) {
      const calls = Array.from({ length: 200 }, () =>
        call(
          Math.floor(random() * 3 * 24 * HOUR),
          `caller-${Math.floor(random() * 4)}`,
          Math.floor(random() * 90),
          Math.floor(random() * 4000),
        ),
      ).sort((a, b) => a.at - b.at)
      for (const { refused, amount, peak } of suggestLimits(calls, ALL)) {
        expect(refused).toBe(0)
        expect(amount).toBeGreaterThanOrEqual(peak)
        expect(amount).toBeLessThan(peak * 1.1 + 1)
      }
    }
  })
})
