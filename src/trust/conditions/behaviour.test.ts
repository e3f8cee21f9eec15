import { describe, expect, it } from 'vitest'
import { DAY_MS, START, TestConditions } from './conditions.fixtures.ts'
import { type Ask, type Caller, CALLERS, generator, intruder, ordinary } from './traffic.fixtures.ts'

const SEEDS = [1, 2, 3] as const
const LEARNING_DAYS = 14
const WEEKS = 4
/** What the policies refuse everything at, and what ordinary variation stays below. */
const REFUSED_ABOVE = 80
const ORDINARY_BELOW = 30

interface Weeks {
  readonly test: TestConditions
  readonly end: number
  readonly requests: number
  readonly highest: number
  readonly alarms: number
}

const uid = { type: 'ServiceAccount', id: 'caller' }
const asked = ({ at, address, endpoint }: Ask): { at: number; address: string; endpoint: string } => ({ at, address, endpoint })

function weeksOf(caller: Caller, random: () => number): Weeks {
  const test = new TestConditions()
  const learnt = START + LEARNING_DAYS * DAY_MS
  const end = learnt + WEEKS * 7 * DAY_MS
  let [requests, highest, alarms] = [0, 0, 0]
  for (const ask of ordinary(caller, START, end, random)) {
    const { risk } = test.ask(uid, asked(ask))
    if (ask.at < learnt) continue
    requests++
    highest = Math.max(highest, risk)
    if (risk >= ORDINARY_BELOW) alarms++
  }
  return { test, end, requests, highest, alarms }
}

describe('what is unusual of a caller (B6)', () => {
  it.each(CALLERS)(
    'is not the ordinary variation of four weeks, and is the night in which its credentials are stolen: $name',
    { timeout: 60_000 },
    (caller) => {
      for (const seed of SEEDS) {
        const random = generator(seed)
        const { test, end, requests, highest, alarms } = weeksOf(caller, random)
        const words = `${caller.name}, seed ${seed}: highest ordinary risk ${highest}, ${alarms} false alarms in ${requests} requests`
        expect(highest, words).toBeLessThan(ORDINARY_BELOW)
        expect(test.alerts, words).toEqual([])

        let [worst, through, refusedAfterMs] = [0, 0, -1]
        for (const ask of intruder(caller, end, random)) {
          const { risk } = test.ask(uid, asked(ask))
          worst = Math.max(worst, risk)
          if (risk > REFUSED_ABOVE && refusedAfterMs < 0) refusedAfterMs = ask.at - (end + caller.quiet * 3_600_000)
          if (refusedAfterMs < 0) through++
        }
        console.log(`${words}; intruder refused after ${Math.round(refusedAfterMs / 1000)} s and ${through} requests, risk ${worst}`)
        expect(worst, words).toBeGreaterThan(REFUSED_ABOVE)
        expect(test.alerts.map(({ kind }) => kind)).toEqual(['behaviour.deviation'])
      }
    },
  )
})
