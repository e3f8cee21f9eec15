import { beforeEach, describe, expect, it } from 'vitest'
import { type ConditionFacts, type ConditionRequest, type EntityUid, MFA_NEVER } from '#foundation/core'
import type { Principal } from '#trust/identity'
import { conditionRequest, decisionContext, noteAnswer } from './decide.ts'
import { infer } from './pipeline.ts'
import { principal, testHouse, type TestHouse } from './pipeline.fixtures.ts'
import { type WatchedReply } from './watched.fixtures.ts'
import { type Wish } from './wish-surface.fixtures.ts'

const ORDINARY: ConditionFacts = {
  workingHours: true,
  network: '',
  country: '',
  firstSeenNetwork: false,
  firstSeenDevice: false,
  risk: 0,
}

interface Noted {
  readonly who: EntityUid
  readonly request: ConditionRequest
  readonly allowed: boolean
  readonly fresh: boolean
}

let facts: ConditionFacts
let noted: Noted[]
let test: TestHouse
const conditions = {
  factsOf: () => facts,
  note: (who: EntityUid, request: ConditionRequest, allowed: boolean, fresh: boolean) => void noted.push({ who, request, allowed, fresh }),
}
beforeEach(() => {
  facts = ORDINARY
  noted = []
})

async function ask(wish: Wish, who?: Principal, agent = 'client/1.0'): Promise<WatchedReply> {
  test = await testHouse({ conditions, ...(who === undefined ? {} : { principal: who }) })
  const { received, reply } = test.request(wish, { userAgent: agent })
  await infer(test.house, received)
  return reply
}

const person = (change: Partial<Principal>): Principal =>
  principal({
    facts: {
      type: 'User',
      id: 'user_anna',
      attributes: { purpose: 'credit-scoring', legalBasis: 'contract' },
      parents: [{ type: 'Role', id: 'business-user' }],
    },
    mfaLevel: 2,
    ...change,
  })

describe('the circumstances of an inference (B7, B8)', () => {
  it('are asked for with what the request shows, and told once how it was answered', async () => {
    expect((await ask({ model: 'credit' })).sent?.status).toBe(200)
    expect(noted).toHaveLength(1)
    expect(noted[0]).toMatchObject({
      who: { type: 'ServiceAccount', id: 'app' },
      request: { sourceAddress: '10.0.0.1', userAgent: 'client/1.0', endpoint: 'Model/credit' },
      allowed: true,
      fresh: false,
    })
  })

  it('are those of the service that acts for a person, who is named beside it', async () => {
    const who = person({ authTime: Date.UTC(2026, 5, 1, 11, 59), onBehalfBy: 'helper' })
    const judged: EntityUid[] = []
    test = await testHouse({ conditions: { ...conditions, factsOf: (uid) => (judged.push(uid), facts) }, principal: who })
    const { received } = test.request({ model: 'credit' })
    await infer(test.house, received)
    const helper = { type: 'ServiceAccount', id: 'helper' }
    // At the decision, and when the model is about to be asked.
    expect(judged).toEqual([helper, helper])
    expect(noted).toMatchObject([{ who: helper, request: { actingFor: { type: 'User', id: 'user_anna' } }, allowed: true, fresh: false }])
    expect(test.taken).toMatchObject([{ principal: 'User::user_anna', actor: 'ServiceAccount::helper' }])
  })

  it('decide: a caller at high risk is refused, and told as refused', async () => {
    facts = { ...ORDINARY, risk: 81 }
    expect((await ask({ model: 'credit' })).sent?.status).toBe(403)
    expect(noted.map(({ allowed }) => allowed)).toEqual([false])
  })

  it('end an answer that is not begun yet when they change meanwhile', async () => {
    test = await testHouse({ conditions })
    const { received, reply } = test.request({ model: 'credit' })
    const record = test.house.audit.record.bind(test.house.audit)
    const house = {
      ...test.house,
      audit: {
        record: async (event: Parameters<typeof record>[0]) => {
          facts = { ...ORDINARY, risk: 90 }
          return record(event)
        },
      },
    }
    await infer(house, received)
    expect(reply.sent?.status).toBe(403)
    expect(test.asked).toEqual([])
  })

  it('ask a person in a new place for fresh factors (RFC 9470)', async () => {
    facts = { ...ORDINARY, firstSeenNetwork: true }
    const stale = person({ authTime: Date.UTC(2026, 5, 1, 9) })
    const reply = await ask({ model: 'credit' }, stale)
    expect(reply.sent?.status).toBe(401)
    expect(reply.sent?.headers['www-authenticate']).toContain('error="insufficient_user_authentication"')
    expect(reply.sent?.headers['www-authenticate']).toContain('acr_values="2", max_age="900"')
    expect(test.log.of('inference.refusal')[0]).toMatchObject({ code: 'ERR_STEP_UP_REQUIRED', outcome: 'refused' })
    const fresh = person({ authTime: Date.UTC(2026, 5, 1, 11, 55) })
    expect((await ask({ model: 'credit' }, fresh)).sent?.status).toBe(200)
    expect(noted.map(({ allowed, fresh }) => [allowed, fresh])).toEqual([
      [false, false],
      [true, true],
    ])
  })
})

describe('the facts of a request', () => {
  const now = Date.UTC(2026, 5, 1, 12)
  const received = { receivedAt: now, sourceAddress: '192.0.2.1', userAgent: 'x' }
  const contextOf = (who: Principal) =>
    decisionContext(
      { localTime: test.house.localTime, profile: 'production', conditions },
      who,
      conditionRequest(who, received, 'Model/credit'),
    )

  it('are the conditions’, and of the principal the age of its factors, its binding and its actor', async () => {
    test = await testHouse()
    facts = { workingHours: false, network: 'ward', country: 'NO', firstSeenNetwork: true, firstSeenDevice: true, risk: 42 }
    const who = person({ authTime: now - 61_500, tokenBinding: 'dpop', onBehalfBy: 'agent' })
    expect(contextOf(who)).toMatchObject({
      ...facts,
      mfaAge: 61,
      mfaLevel: 2,
      tokenBinding: 'dpop',
      onBehalfBy: 'agent',
      breakGlass: false,
    })
  })

  it('say of a program, and of whoever showed no factors, that it never did', async () => {
    test = await testHouse()
    expect(contextOf(principal()).mfaAge).toBe(MFA_NEVER)
    expect(contextOf(person({ authTime: now + 5_000 })).mfaAge).toBe(0)
  })

  it('count as fresh factors two or more, a quarter of an hour old, of the person itself', () => {
    const fresh = (who: Principal): boolean | undefined => {
      noted = []
      noteAnswer({ conditions }, who, conditionRequest(who, received, 'x'), true)
      return noted[0]?.fresh
    }
    expect(fresh(person({ authTime: now - 900_000 }))).toBe(true)
    expect(fresh(person({ authTime: now - 901_000 }))).toBe(false)
    expect(fresh(person({ authTime: now, mfaLevel: 1 }))).toBe(false)
    expect(fresh(person({ authTime: now, onBehalfBy: 'agent' }))).toBe(false)
    expect(fresh(person({ authTime: null }))).toBe(false)
  })
})
