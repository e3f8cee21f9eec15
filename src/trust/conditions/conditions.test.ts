import { describe, expect, it } from 'vitest'
import type { AuditEvent, ErrorCode } from '#foundation/core'
import { type Circumstances, DAY_MS, SCORER, START, TestConditions } from './conditions.fixtures.ts'
import { watchConduct } from './watch-conduct.ts'
import { conditionsConfig } from './config.ts'

const HOUR_MS = 3_600_000
const ANNA = { type: 'User', id: 'user_anna' }
const ELSEWHERE = '203.0.113.66'
const refusal = (code: ErrorCode, actor = SCORER, type = 'inference.refusal', count?: number): AuditEvent => ({
  type,
  actor,
  action: 'invoke',
  resource: { type: 'Model', id: 'credit' },
  outcome: 'refused',
  code,
  ...(count === undefined ? {} : { details: { count } }),
})

/** A room that knows the habits of the scorer and of Anna. */
function settled(parts: ConstructorParameters<typeof TestConditions>[0] = {}): TestConditions {
  const test = new TestConditions(parts)
  test.work(SCORER, 21)
  test.clock.setNow(START)
  test.work(ANNA, 21)
  return test
}

describe('circumstances (B7)', () => {
  it('are the organisation’s hours, the network and the country', () => {
    const test = new TestConditions({
      config: {
        workingHours: [{ days: ['mon'], from: '08:00', to: '18:00' }],
        networks: { ward: ['10.1.0.0/16'] },
      },
      countries: { of: (address) => (address === ELSEWHERE ? 'NO' : ''), file: null },
    })
    expect(test.ask(SCORER, { at: START + 9 * HOUR_MS })).toMatchObject({ workingHours: true, network: 'ward', country: '' })
    expect(test.ask(SCORER, { at: START + 19 * HOUR_MS, address: ELSEWHERE })).toMatchObject({
      workingHours: false,
      network: '',
      country: 'NO',
    })
  })

  it('refuses a configuration that would mean something else than it says', () => {
    for (const config of [
      { networks: { ward: ['10.1.2.3/8'] } },
      { networks: { ward: ['2001:db8::1/129'] } },
      { networks: { 'Ward 1': ['10.0.0.0/8'] } },
      { workingHours: [{ days: ['mon'], from: '8:00', to: '17:00' }] },
      { workingHours: [{ days: ['mon'], from: '08:10', to: '17:00' }] },
      { workingHours: [{ days: ['mon'], from: '24:00', to: '17:00' }] },
      { holidays: ['2026-02-30'] },
      { timeZone: 'Nowhere/Land' },
    ])
      expect(conditionsConfig.safeParse(config).success, JSON.stringify(config)).toBe(false)
  })
})

describe('conduct of a service for a person (B7)', () => {
  const acting = { address: ELSEWHERE, agent: 'helper/1', endpoint: 'Model/other', actingFor: ANNA }

  it('is the service’s: the person’s places, hours and rate stay as they were', () => {
    const test = settled()
    const before = JSON.stringify(test.room.explain(ANNA))
    const monday = test.clock.now() + 9 * HOUR_MS
    for (let n = 0; n < 300; n++) test.ask(SCORER, { ...acting, at: monday + n * 1_000 })
    expect(JSON.stringify(test.room.explain(ANNA))).toBe(before)
    expect(test.ask(ANNA, { at: monday + HOUR_MS, address: ELSEWHERE, agent: 'helper/1' })).toMatchObject({
      firstSeenNetwork: true,
      firstSeenDevice: true,
    })
    // What it does with a person's token is unlike it as what it does with its own.
    expect(test.room.explain(SCORER)?.risk).toBeGreaterThan(60)
    expect(test.room.explain(SCORER)?.requests).toBeGreaterThan(300)
  })

  it('charges refusals to the service, whoever the record names as the actor', () => {
    const test = settled()
    const monday = test.clock.now() + 9 * HOUR_MS
    test.ask(SCORER, { at: monday })
    test.ask(ANNA, { at: monday })
    const event = refusal('ERR_POLICY_DENIED', ANNA)
    for (let n = 0; n < 40; n++) test.room.observe({ ...event, details: { onBehalfBy: SCORER.id } })
    expect(test.ask(ANNA, { at: monday + 1_000 }).risk).toBe(0)
    expect(test.ask(SCORER, { at: monday + 1_000 }).risk).toBe(40)
  })

  it('is held to what the person is suspected of: nobody goes on through a service who may not go on', () => {
    const test = settled()
    const monday = test.clock.now() + 9 * HOUR_MS
    expect(test.ask(SCORER, { at: monday, actingFor: ANNA }).risk).toBe(0)
    for (let n = 0; n < 40; n++) test.room.observe(refusal('ERR_POLICY_DENIED', ANNA))
    expect(test.ask(SCORER, { at: monday + 1_000, actingFor: ANNA }).risk).toBe(40)
    expect(test.ask(SCORER, { at: monday + 1_000 }).risk).toBe(0)
    for (let n = 0; n < 200; n++) test.ask(ANNA, { at: monday + 2_000 + n, address: ELSEWHERE, endpoint: 'Model/other' })
    const own = test.room.explain(ANNA)!.risk
    expect(own).toBeGreaterThan(80)
    expect(test.ask(SCORER, { at: monday + 3_000, actingFor: ANNA }).risk).toBe(own)
    // For an hour; nothing of it is the service's own.
    expect(test.ask(SCORER, { at: monday + 2 * HOUR_MS, actingFor: ANNA }).risk).toBe(0)
  })
})

describe('a place seen first (B7)', () => {
  it('is none while a caller is learnt', () => {
    const test = new TestConditions()
    for (const address of ['192.0.2.1', '198.51.100.1', ELSEWHERE])
      expect(test.ask(SCORER, { address })).toMatchObject({ firstSeenNetwork: false, firstSeenDevice: false, risk: 0 })
  })

  it('is a network or device that the caller never used, and the same /24 is no other', () => {
    const test = settled()
    expect(test.ask(SCORER, { address: '10.1.2.200' })).toMatchObject({ firstSeenNetwork: false, firstSeenDevice: false })
    expect(test.ask(SCORER, { address: '10.1.3.3', agent: 'other/2' })).toMatchObject({ firstSeenNetwork: true, firstSeenDevice: true })
    expect(test.ask(SCORER, { agent: 'client/2.7' }).firstSeenDevice).toBe(false)
    expect(test.ask(SCORER, { address: '::ffff:10.1.2.9'.slice(7) }).firstSeenNetwork).toBe(false)
  })

  it('is of one caller alone', () => {
    const test = settled()
    test.work(ANNA, 1, { address: ELSEWHERE, fresh: true })
    expect(test.ask(ANNA, { address: ELSEWHERE }).firstSeenNetwork).toBe(false)
    expect(test.ask(SCORER, { address: ELSEWHERE }).firstSeenNetwork).toBe(true)
  })

  it('is the named network, wherever in it', () => {
    const test = settled({ config: { networks: { house: ['10.0.0.0/8'] } } })
    expect(test.ask(SCORER, { address: '10.200.7.7' }).firstSeenNetwork).toBe(false)
  })

  it('is the key of a bound token before the program that sends it', () => {
    const test = new TestConditions()
    test.work(SCORER, 21, { key: 'thumbprint-a' })
    expect(test.ask(SCORER, { key: 'thumbprint-a', agent: 'renamed/9' }).firstSeenDevice).toBe(false)
    expect(test.ask(SCORER, { key: 'thumbprint-b', agent: 'client/1.0' }).firstSeenDevice).toBe(true)
  })

  it('stays one however often it is used, until a person shows fresh factors there', () => {
    const test = settled()
    for (let n = 0; n < 50; n++) expect(test.ask(ANNA, { address: ELSEWHERE, agent: 'new/1' }).firstSeenNetwork).toBe(true)
    test.ask(ANNA, { address: ELSEWHERE, agent: 'new/1', fresh: true })
    expect(test.ask(ANNA, { address: ELSEWHERE, agent: 'new/1' })).toMatchObject({ firstSeenNetwork: false, firstSeenDevice: false })
  })

  it('becomes known of a program after a day, and not by requests that were refused', () => {
    const test = settled()
    const first = test.clock.now() + 9 * HOUR_MS
    test.ask(SCORER, { at: first, address: ELSEWHERE })
    expect(test.ask(SCORER, { at: first + 23 * HOUR_MS, address: ELSEWHERE }).firstSeenNetwork).toBe(true)
    expect(test.ask(SCORER, { at: first + 25 * HOUR_MS, address: ELSEWHERE }).firstSeenNetwork).toBe(false)
    test.ask(SCORER, { at: first, address: '198.51.100.1', allowed: false })
    expect(test.ask(SCORER, { at: first + 25 * HOUR_MS, address: '198.51.100.1', allowed: false }).firstSeenNetwork).toBe(true)
  })

  it('is remembered over a restart, as keyed hashes', async () => {
    const test = settled()
    await test.room.close()
    test.restart()
    expect(test.ask(SCORER)).toMatchObject({ firstSeenNetwork: false, firstSeenDevice: false })
    expect(test.ask(SCORER, { address: ELSEWHERE, agent: 'new/1' })).toMatchObject({ firstSeenNetwork: true, firstSeenDevice: true })
    const rows = JSON.stringify(test.database.raw.prepare('SELECT * FROM habits').all())
    expect(rows).toContain('scorer')
    for (const secret of ['10.1.2', 'client', Buffer.of(10, 1, 2, 0).toString('hex')]) expect(rows).not.toContain(secret)
  })

  it('is forgotten of the network used longest ago, in bounded memory', () => {
    const test = settled()
    const first = test.clock.now()
    for (let n = 0; n < 250; n++)
      test.ask(ANNA, { at: first + n * HOUR_MS, address: `203.0.${n}.1`, agent: `agent-${n}/1`, fresh: true, allowed: true })
    const usual = test.room.explain(ANNA)?.usual
    expect(usual?.networks).toBe(64)
    expect(usual?.devices).toBe(32)
    expect(test.ask(ANNA, { address: '10.1.2.3' }).firstSeenNetwork).toBe(true)
  })
})

describe('habits (B5, B6)', () => {
  it('are kept of so many callers, the one silent longest is forgotten, on disk too', async () => {
    const test = new TestConditions({ config: { maxPrincipals: 100 } })
    for (let n = 0; n < 150; n++) test.ask({ type: 'ServiceAccount', id: `account-${n}` }, { at: START + n * 1_000 })
    expect(test.room.health().principals).toBe(100)
    expect(test.room.explain({ type: 'ServiceAccount', id: 'account-49' })).toBeNull()
    await test.room.close()
    test.restart()
    expect(test.room.health().principals).toBe(100)
    expect(test.room.explain({ type: 'ServiceAccount', id: 'account-149' })).not.toBeNull()
  })

  it('survive a restart: what was unusual before is so after', async () => {
    const odd: Circumstances = { at: START + 23 * DAY_MS + 3 * HOUR_MS, address: ELSEWHERE, endpoint: 'export Dataset' }
    const before = settled()
    const after = settled()
    await after.room.close()
    after.restart()
    expect(after.ask(SCORER, odd).risk).toBe(before.ask(SCORER, odd).risk)
    expect(after.room.explain(SCORER)?.reasons).toEqual(before.room.explain(SCORER)?.reasons)
    expect(after.room.explain(SCORER)?.reasons.map(({ reason }) => reason)).toEqual(['network', 'together', 'hour', 'endpoint'])
  })

  it('that cannot be read on disk are learnt anew, and no others', async () => {
    const test = settled()
    await test.room.close()
    test.database.raw.exec(`UPDATE habits SET body = '{"since":1' WHERE id = 'scorer'`)
    test.restart()
    expect(test.room.explain(SCORER)).toBeNull()
    expect(test.room.explain(ANNA)?.requests).toBeGreaterThan(1_000)
  })

  it('are no reason to fail when the disk takes nothing', () => {
    const test = settled()
    test.database.raw.exec('DROP TABLE habits')
    expect(() => test.room.save()).toThrow('storage')
    expect(test.ask(SCORER)).toMatchObject({ firstSeenNetwork: false })
  })

  it('are not changed by asking, only by what was asked for in earnest', () => {
    const test = settled()
    const asked = { receivedAt: test.clock.now(), sourceAddress: ELSEWHERE, endpoint: 'x', userAgent: 'y' }
    const before = test.room.factsOf(SCORER, asked)
    for (let n = 0; n < 1_000; n++) test.room.factsOf(SCORER, asked)
    expect(test.room.factsOf(SCORER, asked)).toEqual(before)
    expect(test.alerts).toEqual([])
  })
})

describe('refusals of a caller (B6)', () => {
  it('by policy raise its risk, by limits less, and both fade', () => {
    const risk = (code: ErrorCode, type: string, times: number): number => {
      const test = new TestConditions()
      test.ask(SCORER)
      for (let n = 0; n < times; n++) test.room.observe(refusal(code, SCORER, type))
      return test.ask(SCORER).risk
    }
    expect(risk('ERR_POLICY_DENIED', 'inference.refusal', 2)).toBe(0)
    expect(risk('ERR_POLICY_DENIED', 'inference.refusal', 30)).toBe(40)
    expect(risk('ERR_POLICY_PURPOSE', 'control.refusal', 11)).toBe(20)
    expect(risk('ERR_LIMIT_REQUESTS', 'inference.refusal', 44)).toBe(20)
    expect(risk('ERR_INPUT_INVALID', 'inference.refusal', 100)).toBe(0)
    expect(risk('ERR_STEP_UP_REQUIRED', 'control.refusal', 100)).toBe(0)
    const test = new TestConditions()
    test.ask(SCORER)
    for (let n = 0; n < 30; n++) test.room.observe(refusal('ERR_POLICY_DENIED'))
    expect(test.ask(SCORER, { at: START + HOUR_MS }).risk).toBe(0)
  })

  it('are seen in the record, and the record goes on', async () => {
    const test = new TestConditions()
    test.ask(SCORER)
    const recorded: AuditEvent[] = []
    const audit = watchConduct(
      {
        record: async (event) => {
          recorded.push(event)
          return { index: 7, leafHash: 'x' }
        },
      },
      test.room,
    )
    for (let n = 0; n < 30; n++) expect(await audit.record(refusal('ERR_POLICY_DENIED'))).toEqual({ index: 7, leafHash: 'x' })
    expect(recorded).toHaveLength(30)
    expect(test.ask(SCORER).risk).toBe(40)
  })

  it('do not let a stranger lock a caller out by sending nonsense in its name', () => {
    const test = settled()
    for (let n = 0; n < 50; n++) test.room.observe(refusal('ERR_TOKEN_SIGNATURE', SCORER, 'authentication.refused', 10_000))
    const at = test.clock.now() + 9 * HOUR_MS
    expect(test.ask(SCORER, { at }).risk).toBe(0)
    for (let n = 0; n < 50; n++) test.room.observe(refusal('ERR_TOKEN_SIGNATURE', SCORER, 'authentication.refused', 10_000))
    expect(test.ask(SCORER, { at }).risk).toBe(10)
  })

  it('for its risk do not keep it refused', () => {
    const test = settled()
    const night = test.clock.now() + 3 * HOUR_MS
    let at = night
    for (; at < night + 10 * 60_000; at += 500) {
      const { risk } = test.ask(SCORER, { at, address: ELSEWHERE, endpoint: 'export Dataset' })
      if (risk > 80) test.room.observe(refusal('ERR_POLICY_DENIED'))
    }
    expect(test.room.explain(SCORER)?.risk).toBeGreaterThan(80)
    expect(test.room.explain(SCORER)?.reasons.map(({ reason }) => reason)).not.toContain('refusals')
    expect(test.ask(SCORER, { at: night + 6 * HOUR_MS }).risk).toBeLessThan(30)
  })
})

describe('habits of a person (B6)', () => {
  it('are not taught within hours by an intruder whom nothing refuses', () => {
    const test = settled()
    const night = test.clock.now() + HOUR_MS
    const odd = { address: ELSEWHERE, endpoint: 'export Dataset' }
    const risks: number[] = []
    for (let n = 0; n < 36; n++) risks.push(test.ask(ANNA, { ...odd, at: night + n * 5 * 60_000 }).risk)
    expect(risks[0]).toBeGreaterThanOrEqual(60)
    expect(risks[0]).toBeLessThanOrEqual(80)
    // Three hours and thirty-six acts later it is hardly less unlike her.
    expect(Math.min(...risks), String(risks)).toBeGreaterThanOrEqual(50)
  })
})

describe('a deviation (B6)', () => {
  const flood = (test: TestConditions, from: number, minutes: number): void => {
    for (let at = from; at < from + minutes * 60_000; at += 500) test.ask(SCORER, { at, address: ELSEWHERE, endpoint: 'export Dataset' })
  }

  it('is one alert and one entry, with its reasons and without places', () => {
    const test = settled()
    flood(test, test.clock.now() + 3 * HOUR_MS, 20)
    expect(test.alerts).toHaveLength(1)
    expect(test.events).toHaveLength(1)
    expect(test.alerts[0]).toMatchObject({ kind: 'behaviour.deviation', subject: SCORER, key: 'ServiceAccount::scorer' })
    expect(test.events[0]).toMatchObject({ type: 'behaviour.deviation', resource: SCORER, outcome: 'success' })
    const { details } = test.events[0]!
    expect(details?.['risk']).toBeGreaterThanOrEqual(70)
    expect(Object.keys(details?.['reasons'] as object).sort()).toEqual(['endpoint', 'hour', 'network', 'together'])
    expect(JSON.stringify([test.alerts, test.events])).not.toContain('203.0.113')
  })

  it('that goes on is told again only after it had ended, and once an hour at most', () => {
    const test = settled()
    const night = test.clock.now() + 3 * HOUR_MS
    flood(test, night, 15)
    test.ask(SCORER, { at: night + 16 * 60_000 })
    flood(test, night + 30 * 60_000, 15)
    expect(test.alerts).toHaveLength(1)
    test.ask(SCORER, { at: night + 80 * 60_000 })
    flood(test, night + 90 * 60_000, 15)
    expect(test.alerts).toHaveLength(2)
  })

  it('of everybody at once does not fill the log', () => {
    const test = new TestConditions({ config: { learningRequests: 10, alertAt: 30 } })
    const night = START + 20 * DAY_MS + 3 * HOUR_MS
    const all = (circumstances: Circumstances): void => {
      for (let n = 0; n < 300; n++) test.ask({ type: 'ServiceAccount', id: `account-${n}` }, circumstances)
    }
    all({ at: START })
    for (let minute = 0; minute < 600; minute += 5) all({ at: START + 8 * HOUR_MS + minute * 60_000 })
    all({ at: night, address: ELSEWHERE, endpoint: 'export Dataset' })
    expect(test.alerts).toHaveLength(300)
    expect(test.events.length).toBeLessThanOrEqual(200)
  })
})
