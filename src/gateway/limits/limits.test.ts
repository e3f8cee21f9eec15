import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { type LimitRule, ManualClock } from '#foundation/core'
import { type Database, openDatabase } from '#foundation/storage'
import { type Exceeded, type Limits, openLimits, type Taken } from './limits.ts'

const NOW = 1_750_000_000_000
const HOUR = 3_600_000
const databases: Database[] = []

function memory(): Database {
  const database = openDatabase(':memory:')
  databases.push(database)
  return database
}
afterEach(async () => {
  for (const database of databases.splice(0)) await database.close()
})

const requests = (amount: number, windowMs = 60_000): LimitRule => ({ unit: 'requests', amount, windowMs })
const tokens = (amount: number, windowMs = 60_000): LimitRule => ({ unit: 'tokens', amount, windowMs })
const rows = (amount: number, windowMs = 60_000): LimitRule => ({ unit: 'rows', amount, windowMs })

const take = (
  limits: Limits,
  rules: readonly LimitRule[],
  use: { tokens?: number; rows?: number; principal?: string; actor?: string; endpoint?: string } = {},
): Taken | Exceeded => limits.take({ principal: 'app', endpoint: 'chat', rules, requests: 1, ...use })

function taken(result: Taken | Exceeded): Taken {
  if (!result.allowed) throw new Error(`refused: ${result.code}`)
  return result
}
function exceeded(result: Taken | Exceeded): Exceeded {
  if (result.allowed) throw new Error('allowed')
  return result
}

describe('limits (C4)', () => {
  it('lets exactly the amount pass and says when the next may', () => {
    const clock = new ManualClock(NOW)
    const limits = openLimits({ database: memory(), clock })
    const rules = [requests(3, 1000)]
    for (let i = 0; i < 3; i++) {
      expect(taken(take(limits, rules)).states).toMatchObject([{ limit: 3, remaining: 2 - i, windowMs: 1000 }])
      clock.advance(100)
    }
    const refusal = exceeded(take(limits, rules))
    expect(refusal).toMatchObject({
      code: 'ERR_LIMIT_REQUESTS',
      rule: rules[0],
      retryAfterMs: 700,
      states: [{ remaining: 0, resetMs: 900 }],
    })
    clock.advance(699)
    expect(take(limits, rules).allowed).toBe(false)
    clock.advance(1)
    expect(take(limits, rules).allowed).toBe(true)
    expect(take(limits, rules).allowed).toBe(false)
  })

  it('counts each principal, endpoint, unit and window apart', () => {
    const limits = openLimits({ database: memory(), clock: new ManualClock(NOW) })
    const rules = [requests(1)]
    expect(take(limits, rules).allowed).toBe(true)
    expect(take(limits, rules).allowed).toBe(false)
    expect(take(limits, rules, { principal: 'other' }).allowed).toBe(true)
    expect(take(limits, rules, { endpoint: 'other' }).allowed).toBe(true)
    expect(take(limits, [requests(1, 61_000)]).allowed).toBe(true)
    expect(take(limits, rules, { principal: 'appchat', endpoint: '' }).allowed).toBe(true)
  })

  it('charges who acts for principals beside them: with the tokens of many it gets no more than with one', () => {
    const limits = openLimits({ database: memory(), clock: new ManualClock(NOW) })
    const rules = [requests(3), tokens(100)]
    const use = { actor: 'helper', tokens: 20 }
    for (const principal of ['ann', 'ben', 'cid']) expect(take(limits, rules, { ...use, principal }).allowed).toBe(true)
    expect(exceeded(take(limits, rules, { ...use, principal: 'dan' })).code).toBe('ERR_LIMIT_REQUESTS')
    // All or none: what the helper was refused, Dan was not charged with, nor is anyone by what others do for them.
    const [left] = taken(take(limits, rules, { principal: 'dan' })).states
    expect(left?.remaining).toBe(2)
    // Its own requests are of the same windows, and a principal that acts for itself pays once.
    expect(take(limits, rules, { principal: 'helper' }).allowed).toBe(false)
    expect(taken(take(limits, rules, { principal: 'eve', actor: 'eve' })).states[0]?.remaining).toBe(2)
  })

  it('shows who acts for a principal what is left to both, and gives back to both', () => {
    const limits = openLimits({ database: memory(), clock: new ManualClock(NOW) })
    const rules = [tokens(100)]
    taken(take(limits, rules, { principal: 'ann', actor: 'helper', tokens: 60 })).settle({ tokens: 10 })
    expect(taken(take(limits, rules, { principal: 'ben', actor: 'helper', tokens: 30 })).states).toMatchObject([{ remaining: 60 }])
    expect(taken(take(limits, rules, { principal: 'ann', tokens: 0 })).states).toMatchObject([{ remaining: 90 }])
  })

  it('takes from all rules or from none', () => {
    const limits = openLimits({ database: memory(), clock: new ManualClock(NOW) })
    const rules = [requests(10), tokens(100), rows(5)]
    expect(exceeded(take(limits, rules, { tokens: 50, rows: 6 })).code).toBe('ERR_LIMIT_ROWS')
    expect(exceeded(take(limits, rules, { tokens: 101 })).code).toBe('ERR_LIMIT_TOKENS')
    expect(taken(take(limits, rules, { tokens: 100, rows: 5 })).states.map(({ remaining }) => remaining)).toEqual([9, 0, 0])
  })

  it('charges one window once when two rules share it, and holds both', () => {
    const limits = openLimits({ database: memory(), clock: new ManualClock(NOW) })
    expect(take(limits, [requests(5), requests(2)]).allowed).toBe(true)
    expect(take(limits, [requests(5), requests(2)]).allowed).toBe(true)
    expect(take(limits, [requests(2), requests(5)]).allowed).toBe(false)
    expect(take(limits, [requests(3)]).allowed).toBe(true)
  })

  it('reserves tokens before and settles them after, once', () => {
    const clock = new ManualClock(NOW)
    const limits = openLimits({ database: memory(), clock })
    const rules = [tokens(100, 1000)]
    const first = taken(take(limits, rules, { tokens: 80 }))
    expect(take(limits, rules, { tokens: 30 }).allowed).toBe(false)
    first.settle({ tokens: 10 })
    first.settle({ tokens: 0 })
    expect(taken(take(limits, rules, { tokens: 90 })).states[0]!.remaining).toBe(0)
  })

  it('counts a reservation until it is settled and its tokens from then on, however long the stream', () => {
    const clock = new ManualClock(NOW)
    const limits = openLimits({ database: memory(), clock })
    const rules = [tokens(100, 1000)]
    const stream = taken(take(limits, rules, { tokens: 100 }))
    clock.advance(5000)
    expect(take(limits, rules, { tokens: 1 }).allowed).toBe(false)
    stream.settle({ tokens: 100 })
    clock.advance(999)
    expect(take(limits, rules, { tokens: 1 }).allowed).toBe(false)
    clock.advance(1)
    expect(take(limits, rules, { tokens: 1 }).allowed).toBe(true)
  })

  it('counts what was used beyond the reservation as a debt, over a crash too', () => {
    const clock = new ManualClock(NOW)
    const database = memory()
    const limits = openLimits({ database, clock })
    const rules = [tokens(100, HOUR)]
    taken(take(limits, rules, { tokens: 10 })).settle({ tokens: 500 })
    expect(exceeded(take(limits, rules, { tokens: 1 })).states[0]!.remaining).toBe(0)
    expect(take(limits, rules).allowed).toBe(false)
    expect(take(openLimits({ database, clock }), rules, { tokens: 1 }).allowed).toBe(false)
  })

  it('takes what is no count for the whole reservation', () => {
    const limits = openLimits({ database: memory(), clock: new ManualClock(NOW) })
    for (const nonsense of [Number.NaN, -5, 0.5, Number.POSITIVE_INFINITY]) {
      const rules = [tokens(100)]
      taken(take(limits, rules, { tokens: 100, principal: String(nonsense) })).settle({ tokens: nonsense })
      expect(take(limits, rules, { tokens: 1, principal: String(nonsense) }).allowed).toBe(false)
      expect(() => take(limits, rules, { tokens: nonsense })).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }))
    }
    expect(() => take(limits, [requests(Number.NaN)])).toThrow(expect.objectContaining({ code: 'ERR_POLICY_INVALID' }))
  })

  it('refuses an ask larger than the limit without taking anything', () => {
    const limits = openLimits({ database: memory(), clock: new ManualClock(NOW) })
    expect(exceeded(take(limits, [rows(10)], { rows: 11 }))).toMatchObject({ code: 'ERR_LIMIT_ROWS', retryAfterMs: 60_000 })
    expect(take(limits, [rows(10)], { rows: 10 }).allowed).toBe(true)
  })
})

describe('limits over restarts (C4)', () => {
  it('keeps a small quota exactly over a crash and over a clean restart', async () => {
    const clock = new ManualClock(NOW)
    const database = memory()
    const day = [requests(20, 24 * HOUR)]
    let passed = 0
    for (let life = 0; life < 12; life++) {
      const limits = openLimits({ database, clock })
      for (let i = 0; i < 3; i++) if (take(limits, day).allowed) passed++
      clock.advance(1000)
      if (life % 2 === 0) await limits.close()
    }
    expect(passed).toBe(20)
    clock.advance(24 * HOUR - 1001)
    expect(take(openLimits({ database, clock }), day).allowed).toBe(true)
  })

  it('loses at most a block of a large quota to a crash, and nothing to a clean restart', async () => {
    const clock = new ManualClock(NOW)
    const database = memory()
    const rules = [requests(1000, HOUR)]
    const drain = (limits: Limits, most: number): number => {
      let passed = 0
      while (passed < most && take(limits, rules).allowed) passed++
      return passed
    }
    const first = openLimits({ database, clock })
    expect(drain(first, 505)).toBe(505)
    await first.close()
    expect(drain(openLimits({ database, clock }), 100)).toBe(100)
    const rest = drain(openLimits({ database, clock }), 1000)
    expect(605 + rest).toBeLessThanOrEqual(1000)
    expect(605 + rest).toBeGreaterThanOrEqual(980)
  })

  it('writes once a block, not once a request', () => {
    const limits = openLimits({ database: memory(), clock: new ManualClock(NOW) })
    const before = limits.usage.durableWrites
    for (let i = 0; i < 1000; i++) taken(take(limits, [requests(1000, HOUR)]))
    expect(limits.usage.durableWrites - before).toBe(50)
  })

  it('writes once for many reservations that are mostly given back', () => {
    const limits = openLimits({ database: memory(), clock: new ManualClock(NOW) })
    const before = limits.usage.durableWrites
    for (let i = 0; i < 100; i++) taken(take(limits, [tokens(200_000, HOUR)], { tokens: 4096 })).settle({ tokens: 300 })
    expect(limits.usage.durableWrites - before).toBeLessThanOrEqual(5)
  })

  it('renews the leases of several keys in one write', () => {
    const clock = new ManualClock(NOW)
    const limits = openLimits({ database: memory(), clock })
    const rules = [requests(1000, HOUR)]
    for (let i = 0; i < 20; i++) taken(take(limits, rules, { principal: `p${i}` }))
    clock.advance(HOUR / 40)
    const before = limits.usage.durableWrites
    for (let i = 0; i < 20; i++) taken(take(limits, rules, { principal: `p${i}` }))
    expect(limits.usage.durableWrites - before).toBeLessThanOrEqual(2)
  })

  it('counts what was in flight at a crash as used', () => {
    const clock = new ManualClock(NOW)
    const database = memory()
    const rules = [tokens(1000, HOUR)]
    taken(take(openLimits({ database, clock }), rules, { tokens: 900 }))
    clock.advance(HOUR)
    const limits = openLimits({ database, clock })
    expect(take(limits, rules, { tokens: 200 }).allowed).toBe(false)
    clock.advance(HOUR)
    expect(take(limits, rules, { tokens: 200 }).allowed).toBe(true)
  })

  it('frees nothing when the wall clock is set backwards over a restart, and goes on when it is', () => {
    const database = memory()
    const rules = [requests(1, HOUR)]
    taken(take(openLimits({ database, clock: new ManualClock(NOW) }), rules))
    const clock = new ManualClock(NOW - 10 * HOUR)
    const limits = openLimits({ database, clock })
    expect(take(limits, rules).allowed).toBe(false)
    clock.advance(HOUR - 1)
    expect(take(limits, rules).allowed).toBe(false)
    clock.advance(1)
    expect(take(limits, rules).allowed).toBe(true)
  })

  it('does not look at the wall clock while it runs', () => {
    const clock = new ManualClock(NOW)
    const limits = openLimits({ database: memory(), clock })
    taken(take(limits, [requests(1, HOUR)]))
    clock.setNow(NOW + 10 * HOUR)
    expect(take(limits, [requests(1, HOUR)]).allowed).toBe(false)
  })

  it('refuses and takes nothing when use cannot be made durable', () => {
    const clock = new ManualClock(NOW)
    const database = memory()
    const limits = openLimits({ database, clock })
    const rules = [requests(2, HOUR)]
    database.raw.exec('PRAGMA query_only=ON')
    expect(() => take(limits, rules)).toThrow(expect.objectContaining({ code: 'ERR_STORAGE_IO' }))
    expect(() => take(limits, rules)).toThrow()
    database.raw.exec('PRAGMA query_only=OFF')
    expect(take(limits, rules).allowed).toBe(true)
    expect(take(limits, rules).allowed).toBe(true)
    expect(take(limits, rules).allowed).toBe(false)
  })

  it('refuses inside a transaction of someone else', () => {
    const database = memory()
    const limits = openLimits({ database, clock: new ManualClock(NOW) })
    database.raw.exec('BEGIN')
    expect(() => take(limits, [requests(2)])).toThrow(expect.objectContaining({ code: 'ERR_STORAGE_IO' }))
    database.raw.exec('ROLLBACK')
  })

  it('refuses to start on records that are not readable', () => {
    const database = memory()
    taken(take(openLimits({ database, clock: new ManualClock(NOW) }), [requests(2)]))
    database.raw.exec(`UPDATE limit_windows SET events = '[["x",1]]'`)
    expect(() => openLimits({ database, clock: new ManualClock(NOW) })).toThrow(expect.objectContaining({ code: 'ERR_STORAGE_CORRUPT' }))
  })

  it('takes nothing after it was closed', async () => {
    const limits = openLimits({ database: memory(), clock: new ManualClock(NOW) })
    await limits.close()
    expect(() => take(limits, [requests(2)])).toThrow(expect.objectContaining({ code: 'ERR_DRAINING' }))
  })

  it('forgets idle keys', () => {
    const clock = new ManualClock(NOW)
    const limits = openLimits({ database: memory(), clock })
    for (let i = 0; i < 3000; i++) {
      taken(take(limits, [requests(100, 1000)], { principal: `p${i}` }))
      clock.advance(10)
    }
    expect(limits.usage.keys).toBeLessThan(1200)
  })
})

it('does not forget a key before its calls have settled (C4)', () => {
  const clock = new ManualClock(NOW)
  const limits = openLimits({ database: memory(), clock })
  const first = taken(take(limits, [tokens(100, HOUR)], { tokens: 0 }))
  for (let i = 0; i < 500; i++) taken(take(limits, [requests(100, 1000)], { principal: `p${i}` }))
  first.settle({ tokens: 100 })
  expect(take(limits, [tokens(100, HOUR)], { tokens: 1 }).allowed).toBe(false)
})

/** Everything that passed, in true time; `until` is when it was settled. */
interface Passed {
  readonly from: number
  until: number
  amount: number
}

function mostInAnyWindow(passed: readonly Passed[], windowMs: number, at: (event: Passed) => number): number {
  const events = [...passed].sort((a, b) => at(a) - at(b))
  let most = 0
  for (const last of events) {
    let sum = 0
    for (const event of events) if (at(event) <= at(last) && at(event) > at(last) - windowMs) sum += event.amount
    most = Math.max(most, sum)
  }
  return most
}

describe('limits against a brute-force count (C4)', () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('take' as const),
        tokens: fc.integer({ min: 0, max: 400 }),
        rows: fc.integer({ min: 0, max: 30 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('wait' as const),
        ms: fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 1500 })),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('settle' as const), which: fc.nat(), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constantFrom('crash' as const, 'close' as const),
        down: fc.integer({ min: 0, max: 800 }),
        back: fc.integer({ min: 0, max: 5000 }),
      }),
    },
  )

  it('never lets more than the amount pass in any rolling window, with random times, crashes, restarts and clocks set backwards', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 20, maxLength: 150 }),
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom(700, 1000, 6000),
        async (steps, amount, windowMs) => {
          const rules = [requests(amount, windowMs), requests(amount * 3, windowMs * 4), tokens(1000, windowMs), rows(60, windowMs)]
          const database = openDatabase(':memory:')
          let clock = new ManualClock(NOW)
          let limits = openLimits({ database, clock })
          let trueTime = 0
          const calls: Passed[] = []
          const used = { tokens: [] as Passed[], rows: [] as Passed[] }
          let open: { taken: Taken; tokens: Passed; rows: Passed }[] = []
          for (const action of steps) {
            if (action.do === 'wait') {
              clock.advance(action.ms)
              trueTime += action.ms
            } else if (action.do === 'take') {
              const result = take(limits, rules, action)
              if (!result.allowed) continue
              calls.push({ from: trueTime, until: trueTime, amount: 1 })
              const entry = {
                taken: result,
                tokens: { from: trueTime, until: Number.POSITIVE_INFINITY, amount: action.tokens },
                rows: { from: trueTime, until: Number.POSITIVE_INFINITY, amount: action.rows },
              }
              used.tokens.push(entry.tokens)
              used.rows.push(entry.rows)
              open.push(entry)
            } else if (action.do === 'settle') {
              const entry = open.splice(action.which % Math.max(1, open.length), 1)[0]
              if (!entry) continue
              entry.tokens.amount = Math.floor(entry.tokens.amount * action.share)
              entry.tokens.until = entry.rows.until = trueTime
              entry.taken.settle({ tokens: entry.tokens.amount })
            } else {
              if (action.do === 'close') await limits.close()
              for (const entry of open) entry.tokens.until = entry.rows.until = trueTime
              open = []
              trueTime += action.down
              clock = new ManualClock(clock.now() + action.down - action.back)
              limits = openLimits({ database, clock })
            }
          }
          await database.close()
          for (const entry of open) entry.tokens.until = entry.rows.until = trueTime
          for (const rule of rules) {
            const passed = rule.unit === 'requests' ? calls : used[rule.unit]
            // Tokens may be said to pass at the start, at the end or half way of their stream: the law holds for each.
            for (const at of [(e: Passed) => e.from, (e: Passed) => e.until, (e: Passed) => (e.from + e.until) / 2])
              expect(mostInAnyWindow(passed, rule.windowMs, at), JSON.stringify(rule)).toBeLessThanOrEqual(rule.amount)
          }
        },
      ),
      { numRuns: 250 },
    )
  }, 60_000)

  it('lets pass whatever the law allows, while no restart intervenes and the amount is small', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1, max: 5 })), { maxLength: 120 }),
        fc.integer({ min: 1, max: 20 }),
        (asks, amount) => {
          const clock = new ManualClock(NOW)
          const database = openDatabase(':memory:')
          const limits = openLimits({ database, clock })
          const passed: { time: number; amount: number }[] = []
          let time = 0
          for (const [wait, need] of asks) {
            clock.advance(wait)
            time += wait
            const sum = passed.filter((event) => event.time > time - 1000).reduce((total, event) => total + event.amount, 0)
            const result = take(limits, [rows(amount, 1000)], { rows: need })
            expect(result.allowed).toBe(sum + need <= amount)
            if (!result.allowed) continue
            result.settle({})
            passed.push({ time, amount: need })
          }
          database.raw.close()
        },
      ),
      { numRuns: 100 },
    )
  })

  it('holds large amounts with merged times, never more, and at most a 256th of the window late', () => {
    const clock = new ManualClock(NOW)
    const limits = openLimits({ database: memory(), clock })
    const rules = [requests(10_000, 100_000)]
    const passed: number[] = []
    let seed = 42
    for (let i = 0; i < 20_000; i++) {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
      clock.advance((seed / 2_147_483_648) * 12)
      // In bursts, so that every slot is taken as soon as it comes free.
      for (let j = 0; j < 3 && take(limits, rules).allowed; j++) passed.push(clock.monotonic())
    }
    // 10,001 events in a row never lie within one window.
    for (let i = 0; i + 10_000 < passed.length; i++) if (passed[i + 10_000]! - passed[i]! < 100_000) throw new Error(`too many at ${i}`)
    expect(passed.length).toBeGreaterThan(10_000)
    clock.advance(100_000 + 100_000 / 256)
    expect(taken(take(limits, rules)).states[0]!.remaining).toBe(9999)
  })
})
