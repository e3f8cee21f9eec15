import { beforeAll, describe, expect, it } from 'vitest'
import {
  type Decider,
  type Decision,
  type DecisionQuery,
  type EntityFacts,
  MFA_NEVER,
  ORDINARY_REQUEST,
  RedoubtError,
} from '#foundation/core'
import { loadPolicies, type PolicyEngine } from '#trust/policy'
import { refusalOf, type StepUp, challengeOf, stepUpFor } from './step-up.ts'

let engine: PolicyEngine
beforeAll(async () => {
  engine = await loadPolicies()
})

const person = (role: string, attributes: EntityFacts['attributes'] = {}): EntityFacts => ({
  type: 'User',
  id: 'user_anna',
  attributes: { purpose: 'credit-scoring', legalBasis: 'contract', ...attributes },
  parents: [{ type: 'Role', id: role }],
})
const system = (id: string): EntityFacts => ({ type: 'System', id, attributes: {}, parents: [] })
const data: EntityFacts = {
  type: 'Dataset',
  id: 'patients',
  attributes: { sensitivity: 3, purposes: ['credit-scoring'], legalBases: ['contract'] },
  parents: [],
}

function query(
  principal: EntityFacts,
  action: DecisionQuery['action'],
  resource: EntityFacts,
  context: Partial<DecisionQuery['context']>,
): DecisionQuery {
  return {
    principal,
    action,
    resource,
    context: {
      now: Date.UTC(2026, 0, 7, 12),
      hour: 12,
      weekday: 3,
      purpose: 'credit-scoring',
      legalBasis: 'contract',
      sourceAddress: '10.1.2.3',
      profile: 'production',
      mfaLevel: 2,
      risk: 0,
      ...ORDINARY_REQUEST,
      ...context,
    },
  }
}

/** Denies until the facts are as the rule wants, and counts how often it is asked. */
class Rule implements Decider {
  asked = 0
  readonly #rule: (query: DecisionQuery) => boolean
  constructor(rule: (query: DecisionQuery) => boolean) {
    this.#rule = rule
  }
  decide(asked: DecisionQuery): Decision {
    this.asked++
    const allowed = this.#rule(asked)
    return {
      effect: allowed ? 'allow' : 'deny',
      policies: [],
      errors: [],
      code: allowed ? null : 'ERR_POLICY_DENIED',
      obligations: { filterInput: {}, filterOutput: {}, limits: [], maxRowsPerCall: null },
      policySet: 'test',
    }
  }
}

const ask = (
  rule: (query: DecisionQuery) => boolean,
  context: Partial<DecisionQuery['context']>,
  who = person('deployer'),
): StepUp | null => stepUpFor(new Rule(rule), query(who, 'deploy', data, context))

describe('step-up (B7, RFC 9470)', () => {
  it('asks for the lowest level and the greatest age that would do', () => {
    const level = (wanted: number) => (asked: DecisionQuery) => asked.context.mfaLevel >= wanted
    const age = (wanted: number) => (asked: DecisionQuery) => asked.context.mfaAge <= wanted
    expect(ask(level(2), { mfaLevel: 1, mfaAge: 50_000 })).toEqual({ level: 2, maxAge: null })
    expect(ask(level(3), { mfaLevel: 1 })).toEqual({ level: 3, maxAge: null })
    expect(ask(level(1), { mfaLevel: 0, mfaAge: MFA_NEVER })).toEqual({ level: 1, maxAge: null })
    expect(ask(age(900), { mfaLevel: 2, mfaAge: 901 })).toEqual({ level: 2, maxAge: 900 })
    expect(ask(age(1_000), { mfaLevel: 2, mfaAge: 4_000 })).toEqual({ level: 2, maxAge: 900 })
    expect(ask(age(100_000), { mfaLevel: 2, mfaAge: MFA_NEVER })).toEqual({ level: 2, maxAge: 43_200 })
    const both = (asked: DecisionQuery): boolean => asked.context.mfaLevel >= 3 && asked.context.mfaAge <= 300
    expect(ask(both, { mfaLevel: 2, mfaAge: 10 })).toEqual({ level: 3, maxAge: null })
    expect(ask(both, { mfaLevel: 2, mfaAge: 3_600 })).toEqual({ level: 3, maxAge: 300 })
    expect(ask(both, { mfaLevel: 3, mfaAge: 3_600 })).toEqual({ level: 3, maxAge: 300 })
  })

  it('reads the level from the person where policies do', () => {
    const rule = (asked: DecisionQuery): boolean => Number(asked.principal.attributes['mfaLevel']) >= 3
    expect(ask(rule, { mfaLevel: 2 }, person('deployer', { mfaLevel: 2 }))).toEqual({ level: 3, maxAge: null })
    expect(ask(rule, { mfaLevel: 2 })).toBeNull()
  })

  it('asks for nothing that factors cannot mend, and nothing impossible', () => {
    expect(ask(() => false, { mfaLevel: 1 })).toBeNull()
    expect(ask(({ context }) => context.approvals >= 2, { mfaLevel: 1 })).toBeNull()
    expect(ask(({ context }) => context.mfaAge <= 5, { mfaLevel: 3, mfaAge: 600 })).toBeNull()
  })

  it('asks programs for nothing', () => {
    const program = { ...person('deployer'), type: 'ServiceAccount' }
    expect(ask(({ context }) => context.mfaLevel >= 2, { mfaLevel: 1 }, program)).toBeNull()
  })

  it('asks the policies a bounded number of times', () => {
    const never = new Rule(() => false)
    stepUpFor(never, query(person('deployer'), 'deploy', data, { mfaLevel: 0 }))
    expect(never.asked).toBeLessThanOrEqual(3)
    const barely = new Rule(({ context }) => context.mfaAge <= 5)
    stepUpFor(barely, query(person('deployer'), 'deploy', data, { mfaLevel: 0, mfaAge: MFA_NEVER }))
    expect(barely.asked).toBeLessThanOrEqual(16)
  })

  it('turns a deny of the bundled policies into what is asked for, and the step suffices', () => {
    const cases: readonly [DecisionQuery, StepUp][] = [
      [query(person('administrator'), 'administer', system('policies'), { mfaLevel: 2, mfaAge: 20_000 }), { level: 3, maxAge: 900 }],
      [query(person('data-scientist'), 'trainOn', data, { mfaAge: 7_000, firstSeenNetwork: true }), { level: 2, maxAge: 900 }],
      [query(person('data-scientist'), 'trainOn', data, { mfaAge: 7_000, risk: 70 }), { level: 2, maxAge: 900 }],
      [query(person('auditor'), 'readAudit', system('log'), { mfaLevel: 1 }), { level: 2, maxAge: null }],
    ]
    for (const [asked, { level, maxAge }] of cases) {
      const refusal = refusalOf(engine, asked, engine.decide(asked))
      expect([refusal.code, refusal.status]).toEqual(['ERR_STEP_UP_REQUIRED', 401])
      expect(refusal.evidence).toEqual({ acr_values: String(level), ...(maxAge === null ? {} : { max_age: maxAge }) })
      const after = { ...asked, context: { ...asked.context, mfaLevel: level, mfaAge: maxAge ?? asked.context.mfaAge } }
      expect(engine.decide(after).effect).toBe('allow')
    }
  })

  it('leaves every other deny as it is', () => {
    for (const asked of [
      query(person('data-scientist'), 'trainOn', data, { mfaLevel: 1, risk: 90 }),
      query(person('data-scientist'), 'trainOn', data, { mfaLevel: 1, purpose: 'marketing' }),
      query(person('auditor'), 'manageAccess', system('access'), { mfaLevel: 1 }),
    ])
      expect(refusalOf(engine, asked, engine.decide(asked)).code).toMatch(/^ERR_POLICY_/)
    const erring = {
      ...engine.decide(query(person('auditor'), 'readAudit', system('log'), {})),
      effect: 'deny',
      code: 'ERR_POLICY_ERROR',
    } as const
    expect(refusalOf(engine, query(person('auditor'), 'readAudit', system('log'), {}), erring).code).toBe('ERR_POLICY_ERROR')
  })

  it('is said in `www-authenticate` as RFC 9470 wants it, and in nothing else', () => {
    const evidence = { acr_values: '3', max_age: 300 }
    expect(challengeOf(new RedoubtError('ERR_STEP_UP_REQUIRED', 'this needs a key', { evidence }))).toBe(
      'Bearer error="insufficient_user_authentication", error_description="this needs a key", acr_values="3", max_age="300"',
    )
    expect(challengeOf(new RedoubtError('ERR_TOKEN_EXPIRED'))).toContain('error="invalid_token"')
  })

  it('is said in the scheme of the token that the person came with (RFC 9449 §7.1)', () => {
    for (const [tokenBinding, words] of [
      ['none', /^Bearer error="insufficient_user_authentication", .*acr_values="2"$/],
      ['mtls', /^Bearer error="insufficient_user_authentication", .*acr_values="2"$/],
      ['dpop', /^DPoP error="insufficient_user_authentication", .*acr_values="2", algs="ES256 EdDSA Ed25519"$/],
    ] as const) {
      const asked = query(person('auditor'), 'readAudit', system('log'), { mfaLevel: 1, tokenBinding })
      expect(challengeOf(refusalOf(engine, asked, engine.decide(asked)))).toMatch(words)
    }
  })
})
