import {
  type AuditEvent,
  type Decision,
  type DecisionQuery,
  type EntityFacts,
  ManualClock,
  NOTHING_REMARKABLE,
  type Obligations,
  RedoubtError,
} from '#foundation/core'
import { localTime } from '#trust/conditions'
import { describe, expect, it } from 'vitest'
import { admitElsewhere } from './admit-elsewhere.ts'
import type { House } from './house.ts'
import { principal } from './pipeline.fixtures.ts'
import type { Admitted } from './states.ts'

const place = (id: string, sensitivity: number): EntityFacts => ({ type: 'Endpoint', id, attributes: { sensitivity }, parents: [] })
const FIRST = place('assistant', 1)
const OTHER = place('assistant', 3)
const obligations = (change: Partial<Obligations> = {}): Obligations => ({
  filterInput: { CREDIT_CARD: 'mask' },
  filterOutput: { default: 'mask' },
  limits: [{ unit: 'requests', amount: 10, windowMs: 60_000 }],
  maxRowsPerCall: null,
  ...change,
})
const decision = (change: Partial<Decision> = {}): Decision => ({
  effect: 'allow',
  policies: ['p'],
  errors: [],
  code: null,
  obligations: obligations(),
  policySet: 'test',
  ...change,
})

/** Asks whether a request admitted for FIRST may go to OTHER; `there` is what is decided of the other place. */
async function ask(there: (query: DecisionQuery) => Decision, change: { before?: Obligations; log?: 'broken'; breakGlass?: string } = {}) {
  const events: AuditEvent[] = []
  const house = {
    clock: new ManualClock(Date.UTC(2026, 5, 1, 12)),
    localTime: localTime('UTC'),
    conditions: NOTHING_REMARKABLE,
    profile: 'production',
    decider: { decide: there },
    audit: {
      async record(event: AuditEvent) {
        if (change.log === 'broken') throw new Error('disk')
        events.push(event)
        return { index: 7, leafHash: '' }
      },
    },
  } as unknown as House
  const state = {
    received: { requestId: 'req_1', sourceAddress: '10.0.0.1', userAgent: undefined, surface: { name: 'test' } },
    principal: principal(),
    call: { resource: FIRST, endpoint: 'Endpoint/assistant', details: { upstream: 'one' } },
    subject: null,
    inputDigest: 'ab',
    decision: decision({ obligations: change.before ?? obligations() }),
    breakGlass: change.breakGlass ?? null,
    admission: { index: 3, leafHash: '' },
  } as unknown as Admitted
  const refused = await admitElsewhere(house, state, OTHER, { upstream: 'two' })
  return { refused: refused?.code ?? null, events }
}

describe('a request that would go to another place', () => {
  it('is decided anew for that place and on record before it goes (D4, E3)', async () => {
    const asked: DecisionQuery[] = []
    const { refused, events } = await ask((query) => (asked.push(query), decision()))
    expect(refused).toBeNull()
    expect(asked.map(({ resource, action }) => ({ resource, action }))).toEqual([{ resource: OTHER, action: 'invoke' }])
    expect(events).toMatchObject([
      { type: 'inference.failover', requestId: 'req_1', outcome: 'success', details: { upstream: 'two', admission: 3, surface: 'test' } },
    ])
  })

  it('does not go where no policy lets it, and leaves no record of having gone (B7, D4)', async () => {
    const { refused, events } = await ask(() => decision({ effect: 'deny', code: 'ERR_POLICY_PURPOSE' }))
    expect({ refused, events }).toEqual({ refused: 'ERR_POLICY_PURPOSE', events: [] })
  })

  it('does not take broken glass along', async () => {
    const { refused } = await ask(
      ({ context }) => (context.breakGlass ? decision() : decision({ effect: 'deny', code: 'ERR_POLICY_DENIED' })),
      { breakGlass: 'bg_1' },
    )
    expect(refused).toBe('ERR_POLICY_DENIED')
  })

  it.each<[string, Partial<Obligations>]>([
    ['a stricter input filter', { filterInput: { CREDIT_CARD: 'block' } }],
    ['a filter for another entity', { filterInput: { CREDIT_CARD: 'mask', US_SSN: 'mask' } }],
    ['a stricter output filter', { filterOutput: { default: 'block' } }],
    ['a smaller limit', { limits: [{ unit: 'requests', amount: 9, windowMs: 60_000 }] }],
    ['a look at what steers the model', { injection: 'log' }],
    ['marks on what tools say', { markUntrusted: ['tool_result'] }],
    ['a marker in the system prompt', { canary: true }],
    ['a limit of another kind', { limits: [{ unit: 'tokens', amount: 1_000_000, windowMs: 60_000 }] }],
  ])('does not go where the policies ask for %s: it did not go through that (C6, C4)', async (_, change) => {
    expect((await ask(() => decision({ obligations: obligations(change) }))).refused).toBe('ERR_POLICY_DENIED')
  })

  it('does not go where what passed unread may not pass (C6)', async () => {
    const before = obligations({ unreadInput: ['image'] })
    expect((await ask(() => decision(), { before })).refused).toBe('ERR_POLICY_DENIED')
    expect((await ask(() => decision({ obligations: before }), { before })).refused).toBeNull()
  })

  it('goes where the policies ask for no more against texts that steer the model (C7)', async () => {
    const before = obligations({ injection: 'block', markUntrusted: ['document', 'tool_result'], canary: true })
    for (const there of [{}, { injection: 'log' }, { injection: 'block', markUntrusted: ['document'], canary: true }] as const)
      expect((await ask(() => decision({ obligations: obligations(there) }), { before })).refused).toBeNull()
    const counted = obligations({ injection: 'log' })
    expect((await ask(() => decision({ obligations: obligations({ injection: 'block' }) }), { before: counted })).refused).toBe(
      'ERR_POLICY_DENIED',
    )
  })

  it('does not go where fewer tools may be used, or where arguments have to be checked (C6)', async () => {
    const before = obligations({ tools: [['pay', 'search_*']] })
    for (const there of [{ tools: [['pay']] }, { tools: [['pay', 'search_*'], ['*']] }, { ...before, toolArguments: 'check' as const }])
      expect((await ask(() => decision({ obligations: obligations(there) }), { before })).refused).toBe('ERR_POLICY_DENIED')
    expect((await ask(() => decision({ obligations: before }), { before })).refused).toBeNull()
  })

  it('does not go without a record, nor when a policy cannot be asked', async () => {
    expect((await ask(() => decision(), { log: 'broken' })).refused).toBe('ERR_AUDIT_UNAVAILABLE')
    const failing = (): never => {
      throw new RedoubtError('ERR_POLICY_ERROR')
    }
    expect((await ask(failing)).refused).toBe('ERR_POLICY_ERROR')
  })
})
