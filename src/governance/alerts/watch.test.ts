import { describe, expect, it } from 'vitest'
import { type Alert, type AuditEvent, ManualClock } from '#foundation/core'
import { alertRules } from './alert-rules.ts'
import { NOW, TestLog } from './alerts.fixtures.ts'
import { alertsConfig } from './config.ts'
import { MAX_COUNTED, RefusalCounter } from './refusal-counter.ts'
import { watchEvents } from './watch-events.ts'
import { type LogHealth, OUTSIDE_GRACE_MS, watchLog } from './watch-log.ts'

const config = alertsConfig.parse({ authenticationRefusals: 30, policyRefusals: 5 })
function watch() {
  const raised: Alert[] = []
  const clock = new ManualClock(NOW)
  const log = new TestLog()
  const audit = watchEvents({ audit: log, alerts: { raise: (alert) => void raised.push(alert) }, clock, config })
  const record = async (change: Partial<AuditEvent>): Promise<void> => {
    await audit.record(event(change)).catch(() => undefined)
    await Promise.resolve()
  }
  return { raised, clock, log, audit, record }
}
const event = (change: Partial<AuditEvent>): AuditEvent => ({
  type: 'inference.completion',
  actor: { type: 'ServiceAccount', id: 'app' },
  action: 'invoke',
  resource: { type: 'Model', id: 'credit' },
  outcome: 'success',
  ...change,
})
const kinds = (raised: readonly Alert[]): readonly string[] => raised.map(({ kind, severity }) => `${severity} ${kind}`)
const anonymous = { type: 'User', id: 'anonymous' }

describe('the record', () => {
  it.each<[string, Partial<AuditEvent>]>([
    ['critical model.refused', { type: 'model.refusal', outcome: 'refused', code: 'ERR_MODEL_SIGNATURE' }],
    ['critical model.load-failed', { type: 'model.load', outcome: 'failed', code: 'ERR_MODEL_FORMAT' }],
    ['critical canary.seen', { type: 'inference.completion', outcome: 'refused', code: 'ERR_FILTER_CANARY' }],
    ['critical canary.seen', { type: 'inference.refusal', outcome: 'refused', code: 'ERR_FILTER_CANARY' }],
    ['critical filter.failed', { type: 'inference.refusal', outcome: 'refused', code: 'ERR_FILTER_FAILED' }],
    ['critical filter.failed', { type: 'inference.completion', outcome: 'failed', code: 'ERR_FILTER_FAILED' }],
    [
      'critical canary.seen',
      { type: 'inference.refusal', outcome: 'refused', code: 'ERR_FILTER_BLOCKED_OUTPUT', details: { entity: 'CANARY' } },
    ],
    ['critical canary.seen', { type: 'inference.completion', outcome: 'refused', details: { outputFindings: { CANARY: 1 } } }],
    ['warning confidential.removed', { type: 'confidential.remove' }],
    ['warning confidential.removed', { type: 'confidential.add', details: { replaces: true } }],
    ['warning confidential.removed', { type: 'confidential.add', details: { kind: 'public' } }],
    ['critical policy.shadow-mismatch', { type: 'policy.mismatch', outcome: 'failed', code: 'ERR_POLICY_ERROR' }],
    ['warning filter.reload-refused', { type: 'filters.reload', outcome: 'failed', code: 'ERR_FILTER_RECOGNISER' }],
    ['warning data.sensitivity', { type: 'data.import', details: { scan: { isStricter: true } } }],
    ['info model.quarantined', { type: 'model.quarantine' }],
    ['info access.administrator-enrolled', { type: 'access.enrolment.complete' }],
    ['critical storage.tampered', { type: 'key.unwrap', outcome: 'failed', code: 'ERR_CRYPTO_AUTHENTICATION' }],
    ['critical storage.tampered', { type: 'anything.else', outcome: 'failed', code: 'ERR_STORAGE_CORRUPT' }],
  ])('raises %s (E6)', async (expected, change) => {
    const { raised, record } = watch()
    await record({ ...change, requestId: 'req_1' })
    expect(kinds(raised)).toEqual([expected])
    expect(raised[0]).toMatchObject({ logIndex: 0, requestId: 'req_1', details: { event: change.type } })
  })

  it('raises nothing for what goes as it should', async () => {
    const { raised, record } = watch()
    for (const type of ['inference.completion', 'model.load', 'model.deploy', 'key.unwrap', 'authentication.refused', 'server.start'])
      await record({ type })
    for (const scan of [{ isStricter: false }, { isStricter: 'true' }, null, [true], 1])
      await record({ type: 'data.import', details: { scan } })
    await record({ type: 'data.import', outcome: 'failed', details: { scan: { isStricter: true } } })
    expect(raised).toEqual([])
  })

  it('raises a flood of refused authentications by its counts, and of one account by its name (E6)', async () => {
    const { raised, clock, record } = watch()
    const refused = (actor: AuditEvent['actor'], count: number): Promise<void> =>
      record({
        type: 'authentication.refused',
        actor,
        outcome: 'refused',
        code: 'ERR_TOKEN_SIGNATURE',
        resource: { type: 'System', id: 'identity' },
        details: { count },
      })
    for (let i = 0; i < 10; i++) await refused(anonymous, 1)
    clock.advance(60_000)
    await refused(anonymous, 19)
    expect(raised).toEqual([])
    await refused(anonymous, 1)
    expect(kinds(raised)).toEqual(['warning authentication.flood'])
    await refused({ type: 'ServiceAccount', id: 'app' }, 29)
    await refused({ type: 'ServiceAccount', id: 'other' }, 29)
    expect(raised).toHaveLength(1)
    await refused({ type: 'ServiceAccount', id: 'app' }, 1)
    expect(raised[1]).toMatchObject({ kind: 'authentication.account', subject: { type: 'ServiceAccount', id: 'app' } })
  })

  it('raises nothing when programs are asked for a nonce, which is no failure (RFC 9449)', async () => {
    const { raised, record } = watch()
    const event = {
      type: 'authentication.refused',
      actor: { type: 'ServiceAccount', id: 'app' },
      outcome: 'refused',
      details: { count: 100 },
    } as const
    await record({ ...event, code: 'ERR_DPOP_NONCE' })
    expect(raised).toEqual([])
    await record({ ...event, code: 'ERR_DPOP_REPLAYED' })
    expect(kinds(raised)).toEqual(['warning authentication.account'])
  })

  it('raises many refusals of one account by policy, not those of many, nor spread over time (E6)', async () => {
    const { raised, clock, record } = watch()
    const refused = (id: string, code: AuditEvent['code'] & string, type = 'inference.refusal'): Promise<void> =>
      record({ type, actor: { type: 'ServiceAccount', id }, outcome: 'refused', code })
    for (let i = 0; i < 20; i++) await refused(`app-${i}`, 'ERR_POLICY_DENIED')
    for (let i = 0; i < 20; i++) await refused('limited', 'ERR_LIMIT_ROWS')
    for (let i = 0; i < 20; i++) {
      await refused('slow', 'ERR_POLICY_DENIED')
      clock.advance(150_000)
    }
    expect(raised).toEqual([])
    for (const code of ['ERR_POLICY_DENIED', 'ERR_POLICY_PURPOSE', 'ERR_POLICY_ERROR'] as const) await refused('app', code)
    await refused('app', 'ERR_POLICY_DENIED', 'control.refusal')
    await refused('app', 'ERR_POLICY_DENIED')
    expect(raised).toMatchObject([{ kind: 'policy.refusals', key: 'ServiceAccount::app' }])
  })

  it('raises that the log takes nothing, and what the log could not take, and the caller gets its error (E6)', async () => {
    const { raised, log, audit, record } = watch()
    log.down = true
    await expect(audit.record(event({}))).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    await record({ type: 'model.refusal', outcome: 'refused', code: 'ERR_MODEL_SIGNATURE' })
    expect(kinds(raised)).toEqual(['critical log.unwritable', 'critical log.unwritable', 'critical model.refused'])
    expect(raised[2]?.logIndex).toBeUndefined()
  })

  it('gives the caller what the log gives, whatever the alerts do', async () => {
    const log = new TestLog()
    const broken = {
      raise: () => {
        throw new Error('broken')
      },
    }
    const audit = watchEvents({ audit: log, alerts: broken, clock: new ManualClock(NOW), config })
    expect(await audit.record(event({ type: 'model.quarantine' }))).toMatchObject({ index: 0 })
  })

  it('puts nothing of the event into an alert but types, ids and codes: no personal data (E6)', async () => {
    const { raised, record } = watch()
    const canary = 'Erika Mustermann'
    for (const rule of alertRules(config))
      for (const type of rule.types)
        for (const outcome of ['success', 'failed', 'refused'] as const)
          for (let i = 0; i < 40; i++)
            await record({
              type,
              outcome,
              actor: i % 2 === 0 ? anonymous : { type: 'ServiceAccount', id: 'app' },
              ...(outcome === 'success'
                ? {}
                : {
                    code:
                      outcome === 'failed'
                        ? i % 4 === 0
                          ? ('ERR_KEYS_UNACCOUNTED' as const)
                          : ('ERR_FILTER_FAILED' as const)
                        : i % 4 === 0
                          ? ('ERR_FILTER_CANARY' as const)
                          : ('ERR_POLICY_DENIED' as const),
                  }),
              purpose: canary,
              action: canary,
              details: {
                reason: canary,
                name: canary,
                nested: { canary },
                scan: { isStricter: true, subject: canary },
                entity: 'CANARY',
                replaces: true,
              },
              personal: [{ subject: canary, fields: { name: canary } }],
            })
    expect(new Set(raised.map(({ kind }) => kind))).toEqual(new Set(alertRules(config).map(({ kind }) => kind)))
    expect(JSON.stringify(raised)).not.toContain('Erika')
  })
})

describe('the counter of refusals', () => {
  it('fires at the count within the window, and at no less', () => {
    const clock = new ManualClock(NOW)
    const counter = new RefusalCounter(clock, { count: 3, windowMs: 1_000 })
    expect([counter.add('a', 1), counter.add('a', 1), counter.add('b', 1), counter.add('a', 1)]).toEqual([false, false, false, true])
    expect([counter.add('a', 1), counter.add('a', 1)]).toEqual([false, false])
    clock.advance(1_000)
    expect([counter.add('a', 2), counter.add('a', 1)]).toEqual([false, true])
    expect(counter.add('c', 100)).toBe(true)
  })

  it('takes bounded memory under a flood of names, and forgets the silent first', () => {
    const counter = new RefusalCounter(new ManualClock(NOW), { count: 2_003, windowMs: 1_000 })
    for (let i = 0; i < 3 * MAX_COUNTED; i++) {
      counter.add(`name ${i}`, 1)
      if (i % 3 === 0) counter.add('busy', 1)
    }
    expect(counter.size).toBe(MAX_COUNTED)
    expect([counter.add('busy', 1), counter.add('busy', 1), counter.add('busy', 1)]).toEqual([false, false, true])
  })
})

describe('the log', () => {
  it('is looked at: not writable, and a place outside that fails or refuses for longer than a minute (E5, E6)', () => {
    const raised: Alert[] = []
    const clock = new ManualClock(NOW)
    let health: LogHealth = { ok: true, outside: [{ name: 'witness', problem: null, refused: false }] }
    const watch = watchLog({ health: () => health, alerts: { raise: (alert) => void raised.push(alert) }, clock, checkMs: 0 })
    watch.check()
    health = {
      ok: true,
      outside: [
        { name: 'witness', problem: 'down', refused: false },
        { name: 'folder', problem: 'larger', refused: true },
      ],
    }
    watch.check()
    clock.advance(OUTSIDE_GRACE_MS - 1)
    watch.check()
    expect(raised).toEqual([])
    clock.advance(1)
    watch.check()
    expect(kinds(raised)).toEqual(['warning log.outside-unreachable', 'critical log.outside-refuses'])
    health = { ok: true, outside: [{ name: 'witness', problem: null, refused: false }] }
    watch.check()
    health = { ok: true, outside: [{ name: 'witness', problem: 'down', refused: false }] }
    clock.advance(1_000)
    watch.check()
    expect(raised).toHaveLength(2)
    health = { ok: false, outside: [] }
    watch.check()
    expect(kinds(raised).at(-1)).toBe('critical log.unwritable')
  })
})
