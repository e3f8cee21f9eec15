import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Action, ACTIONS, type DecisionQuery, type EntityFacts, ERROR_TABLE, type FactValue, ROLES } from '#foundation/core'
import { bundledSchema } from './bundled.ts'
import { type Cedar, loadCedar } from './cedar.ts'
import { defaultPolicyFiles, loadPolicies, type PolicyEngine, type PolicyFile, withDefaultPolicies } from './index.ts'
import { account, bare, dataset, endpoint, model, pipeline, query, role, withAttributes } from './policy-fixtures.ts'
import { CONTEXT_FIELDS } from './request.ts'
import { readSchema } from './schema.ts'

let cedar: Cedar
let engine: PolicyEngine
beforeAll(async () => {
  cedar = await loadCedar()
  engine = await loadPolicies()
})

const load = (...texts: readonly string[]): Promise<PolicyEngine> =>
  loadPolicies({ files: texts.map((text, index) => ({ name: `f${index}.cedar`, text })) })

describe('decide', () => {
  it('denies by default when there is no policy at all (B1)', async () => {
    const none = await load()
    expect(none.decide(query())).toEqual({
      effect: 'deny',
      policies: [],
      errors: [],
      code: 'ERR_POLICY_DENIED',
      obligations: { filterInput: {}, filterOutput: {}, limits: [], maxRowsPerCall: null },
      policySet: none.digest,
    })
  })

  it('names the determining policies, sorted, and lets a forbid win over any permit (B1)', async () => {
    const two = await load(
      '@id("z") permit(principal, action, resource); @id("a") permit(principal, action, resource);',
      '@id("no") forbid(principal, action == Action::"export", resource);',
    )
    expect(two.decide(query())).toMatchObject({ effect: 'allow', policies: ['a', 'z'], code: null })
    expect(two.decide(query({ action: 'export' }))).toMatchObject({ effect: 'deny', policies: ['no'], code: 'ERR_POLICY_DENIED' })
  })

  it('refuses when any policy cannot be evaluated, although Cedar itself would skip it and allow (B8)', async () => {
    const broken = '@id("broken") forbid(principal, action, resource) when { context.hour * 9007199254740991 * 4096 > 0 };'
    const erring = await load('@id("all") permit(principal, action, resource);', broken)
    expect(erring.decide(query({ context: { hour: 14 } }))).toMatchObject({
      effect: 'deny',
      policies: ['all'],
      errors: ['broken'],
      code: 'ERR_POLICY_ERROR',
      obligations: { limits: [] },
    })
    expect(erring.decide(query({ context: { hour: 0 } })).effect).toBe('allow')
  })

  it('refuses when a permit cannot be evaluated beside another that is satisfied', async () => {
    const erring = await load(
      '@id("all") permit(principal, action, resource);',
      '@id("broken") permit(principal, action, resource) when { context.hour * 9007199254740991 * 4096 > 0 };',
    )
    expect(erring.decide(query())).toMatchObject({ effect: 'deny', errors: ['broken'], code: 'ERR_POLICY_ERROR' })
  })

  it('gives the purpose code only if every determining forbid is about purpose', async () => {
    const purpose = '@id("p") @refusal("purpose") forbid(principal, action, resource) when { context.purpose != "x" };'
    const other = '@id("r") forbid(principal, action, resource) when { context.risk > 50 };'
    const both = await load(purpose, other)
    expect(both.decide(query()).code).toBe('ERR_POLICY_PURPOSE')
    expect(both.decide(query({ context: { risk: 51 } })).code).toBe('ERR_POLICY_DENIED')
  })

  it('sees a changed entity as soon as it is another object, and never asks about one object twice', () => {
    const facts = { ...model }
    expect(engine.decide(query({ resource: facts })).effect).toBe('allow')
    expect(engine.decide(query({ resource: withAttributes(facts, { quarantined: true }) })).effect).toBe('deny')
    expect(engine.decide(query({ principal: account('application', { parents: [] }) })).effect).toBe('deny')
  })

  it('answers only with codes of the error table', () => {
    for (const code of ['ERR_POLICY_DENIED', 'ERR_POLICY_ERROR', 'ERR_POLICY_PURPOSE', 'ERR_POLICY_INVALID'] as const)
      expect(ERROR_TABLE[code]).toBeDefined()
  })

  it('keeps decisions immutable, for they are shared', () => {
    const decision = engine.decide(query())
    expect(Object.isFrozen(decision)).toBe(true)
    expect(
      Object.isFrozen(decision.policies) &&
        Object.isFrozen(decision.obligations.limits) &&
        Object.isFrozen(decision.obligations.filterOutput),
    ).toBe(true)
    expect(engine.decide(query()).obligations).toBe(decision.obligations)
  })
})

describe('requests are checked against the schema before any policy is asked (B8)', () => {
  const unschemad: Readonly<Record<string, DecisionQuery>> = {
    'an unknown action': query({ action: 'destroy' as Action }),
    'an action group': query({ action: 'useData' as Action }),
    'an inherited name as action': query({ action: 'constructor' as Action }),
    'an action that the resource does not take': query({ action: 'trainOn' }),
    'an unknown principal type': query({ principal: { ...account('application'), type: 'Robot' } }),
    'a resource as principal': query({ principal: model }),
    'an unknown attribute': query({ resource: withAttributes(model, { colour: 'red' }) }),
    'a missing attribute': query({ resource: { ...model, attributes: { sensitivity: 3 } } }),
    'a mistyped attribute': query({ resource: withAttributes(model, { signed: 'true' }) }),
    'a number that is no integer': query({ resource: withAttributes(model, { sensitivity: 2.5 }) }),
    'a set with a foreign element': query({ resource: withAttributes(model, { purposes: ['credit-scoring', 1] }) }),
    'a string instead of a set': query({ resource: withAttributes(model, { purposes: 'credit-scoring' }) }),
    'a lone surrogate': query({ resource: withAttributes(model, { purposes: ['\ud800'] }) }),
    'a parent of another type': query({ principal: account('application', { parents: [{ type: 'System', id: 'application' }] }) }),
    'a type that smuggles an id': query({ principal: { ...account('application'), type: 'User::"x"' } }),
    'a missing context field': query({ context: { risk: undefined as unknown as number } }),
    'an extra context field': query({ context: { admin: true } as unknown as { risk: number } }),
    'a mistyped context field': query({ context: { risk: '91' as unknown as number } }),
    'an hour that is no integer': query({ context: { hour: 1.5 } }),
    'a purpose that is no string': query({ context: { purpose: ['credit-scoring'] as unknown as string } }),
    'an address that Cedar refuses': query({ context: { sourceAddress: '10.0.0.01' } }),
    'an IPv4 address inside IPv6': query({ context: { sourceAddress: '::ffff:10.0.0.1' } }),
    'a time before the epoch': query({ context: { now: -1 } }),
    'no number of a time': query({ context: { now: Number.NaN } }),
    'no facts at all': query({ principal: undefined as unknown as EntityFacts }),
    'no context at all': { ...query(), context: undefined as unknown as DecisionQuery['context'] },
  }

  it.each(Object.entries(unschemad))('refuses %s', async (_name, asked) => {
    const open = await load('permit(principal, action, resource);')
    expect(open.decide(query()).effect).toBe('allow')
    expect(open.decide(asked)).toMatchObject({ effect: 'deny', policies: [], code: 'ERR_POLICY_ERROR' })
    expect(engine.decide(asked)).toMatchObject({ effect: 'deny', code: 'ERR_POLICY_ERROR' })
    expect(open.why(asked).facts.length).toBeGreaterThan(0)
  })

  it('has every action of the ports in the schema, and every context field in both', () => {
    const schema = readSchema(cedar, bundledSchema())
    for (const action of ACTIONS) expect(schema.actions.get(action)?.resources.size, action).toBeGreaterThan(0)
    const answer = cedar.schemaToJson(bundledSchema())
    if (answer.type === 'failure') throw new Error('the schema does not parse')
    const fields = Object.keys((answer.json['']?.commonTypes?.['Request'] as { attributes: object } | undefined)?.attributes ?? {})
    expect(fields.sort()).toEqual([...CONTEXT_FIELDS].sort())
  })

  it('refuses what Cedar refuses by the same schema, and nothing else', async () => {
    const open = await load('permit(principal, action, resource);')
    cedar.preparseSchema('engine-test', bundledSchema())
    const value: fc.Arbitrary<FactValue> = fc.oneof(
      fc.constantFrom<FactValue>('a', 3, true, false, 0, []),
      fc.array(fc.constantFrom<FactValue>('a', 'b', 1), { maxLength: 2 }),
      fc.constantFrom<FactValue>({ __fact: 'ipaddr', value: '1.2.3.4' }, { __fact: 'entity', value: { type: 'User', id: 'u' } }, { a: 1 }),
    )
    const odd = fc.record({
      attribute: fc.constantFrom(
        'sensitivity',
        'purposes',
        'signed',
        'quarantined',
        'foreign',
        'mfaLevel',
        'name',
        'purpose',
        'extra',
        'constructor',
      ),
      value,
      drop: fc.boolean(),
      base: fc.constantFrom(model, dataset, endpoint, bare('Key'), account('application')),
      action: fc.constantFrom(...ACTIONS),
      parent: fc.constantFrom<EntityFacts['parents']>([], [role('x')], [{ type: 'System', id: 's' }], [{ type: 'Dataset', id: 'd' }]),
    })
    fc.assert(
      fc.property(odd, ({ attribute, value: fact, drop, base, action, parent }) => {
        const { [attribute]: _dropped, ...rest } = base.attributes
        const changed: EntityFacts = {
          ...base,
          attributes: drop ? rest : { ...base.attributes, [attribute]: fact },
          parents: base.type === 'ServiceAccount' ? [role('application'), ...parent] : parent,
        }
        const asked = base.type === 'ServiceAccount' ? query({ principal: changed, action }) : query({ resource: changed, action })
        const json = (of: FactValue): never => {
          if (typeof of !== 'object' || Array.isArray(of)) return of as never
          const { __fact, value: inner } = of as { __fact?: string; value?: unknown }
          return (__fact === 'entity' ? { __entity: inner } : __fact === 'ipaddr' ? { __extn: { fn: 'ip', arg: inner } } : of) as never
        }
        const uid = ({ type, id }: EntityFacts): { type: string; id: string } => ({ type, id })
        const { now, sourceAddress, ...plain } = asked.context
        const answer = cedar.isAuthorized({
          principal: uid(asked.principal),
          action: { type: 'Action', id: asked.action },
          resource: uid(asked.resource),
          context: {
            ...plain,
            now: { __extn: { fn: 'datetime', arg: new Date(now).toISOString() } },
            sourceAddress: { __extn: { fn: 'ip', arg: sourceAddress } },
          },
          schema: bundledSchema(),
          validateRequest: true,
          policies: { staticPolicies: 'permit(principal, action, resource);' },
          entities: [asked.principal, asked.resource].map((facts) => ({
            uid: uid(facts),
            attrs: {
              // Rows are no fact of a request: the engine asks for none, and Cedar is given one.
              ...(facts.type === 'Dataset' ? { row: { __entity: { type: 'Row', id: 'r' } } } : {}),
              ...Object.fromEntries(Object.entries(facts.attributes).map(([name, of]) => [name, json(of)])),
            },
            parents: [...facts.parents],
          })),
        })
        expect(open.decide(asked).code === 'ERR_POLICY_ERROR', JSON.stringify([asked, answer])).toBe(answer.type === 'failure')
      }),
      { numRuns: 150, seed: 7 },
    )
  })
})

describe('laws of every policy set', () => {
  const condition = fc.constantFrom(
    'context.risk > 40',
    'context.hour == 14',
    'context.purpose == "credit-scoring"',
    'resource is Model && resource.signed',
    'resource is Dataset && resource.sensitivity >= 2',
    'principal in Role::"application"',
    'context.hour * 9007199254740991 * 1024 > 0',
    'context.sourceAddress.isInRange(ip("10.0.0.0/8"))',
    'context.now > datetime("2026-01-01")',
    'true',
  )
  const policy = fc.record({
    effect: fc.constantFrom('permit', 'forbid'),
    kind: fc.constantFrom('when', 'unless'),
    condition,
    limit: fc.integer({ min: 1, max: 9 }),
  })
  type Written = { effect: string; kind: string; condition: string; limit: number }
  const write = (policies: readonly Written[], from = 0): readonly PolicyFile[] =>
    policies.map(({ effect, kind, condition: text, limit }, index) => ({
      name: `p${from + index}.cedar`,
      text: `@id("p${from + index}") ${effect === 'permit' ? `@limit("requests ${limit}/1m") @rows_per_call("${limit}") ` : ''}${effect}(principal, action, resource) ${kind} { ${text} };`,
    }))
  const asked = fc
    .record({
      resource: fc.constantFrom(model, dataset, endpoint),
      role: fc.constantFrom(...ROLES),
      action: fc.constantFrom('invoke' as const, 'view' as const),
      hour: fc.integer({ min: 0, max: 23 }),
      risk: fc.integer({ min: 0, max: 100 }),
      purpose: fc.constantFrom('credit-scoring', 'marketing'),
      sourceAddress: fc.constantFrom('10.0.0.1', '::1'),
    })
    .map(({ resource, role: name, action, ...rest }) => query({ principal: account(name), resource, action, context: rest }))

  it('a narrower policy set never permits more: adding a forbid never turns a deny into an allow (B1)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(policy, { maxLength: 5 }),
        policy,
        fc.array(asked, { minLength: 5, maxLength: 10 }),
        async (policies, extra, queries) => {
          const wide = await loadPolicies({ files: write(policies) })
          const narrow = await wide.replace([...write(policies), ...write([{ ...extra, effect: 'forbid' }], 100)])
          for (const one of queries) if (narrow.decide(one).effect === 'allow') expect(wide.decide(one).effect).toBe('allow')
        },
      ),
      { numRuns: 20, seed: 11 },
    )
  })

  it('removing a permit never turns a deny into an allow, unless the permit could not be evaluated (B1)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(policy, { minLength: 1, maxLength: 5 }),
        fc.array(asked, { minLength: 5, maxLength: 10 }),
        async (policies, queries) => {
          const first = { ...policies[0], effect: 'permit' } as Written
          const wide = await loadPolicies({ files: [...write([first]), ...write(policies.slice(1), 1)] })
          const narrow = await wide.replace(write(policies.slice(1), 1))
          for (const one of queries) {
            if (narrow.decide(one).effect === 'allow' && !wide.decide(one).errors.includes('p0'))
              expect(wide.decide(one).effect).toBe('allow')
          }
        },
      ),
      { numRuns: 12, seed: 12 },
    )
  })

  it('decides the same whatever the order of the files, and each time it is asked', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(policy, { maxLength: 6 }), fc.array(asked, { minLength: 3, maxLength: 6 }), async (policies, queries) => {
        const files = write(policies)
        const one = await loadPolicies({ files })
        const other = await loadPolicies({ files: files.toReversed() })
        expect(other.digest).toBe(one.digest)
        for (const q of queries) {
          expect(other.decide(q)).toEqual(one.decide(q))
          expect(one.decide(structuredClone(q))).toEqual(one.decide(q))
        }
      }),
      { numRuns: 12, seed: 13 },
    )
  })

  it('an added satisfied permit never loosens an obligation', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(policy, { minLength: 1, maxLength: 4 }),
        policy,
        fc.array(asked, { minLength: 3, maxLength: 6 }),
        async (policies, extra, queries) => {
          const before = await loadPolicies({ files: write(policies) })
          const after = await before.replace([...write(policies), ...write([{ ...extra, effect: 'permit' }], 100)])
          for (const q of queries) {
            const [a, b] = [before.decide(q), after.decide(q)]
            if (a.effect === 'allow' && b.effect === 'allow') {
              expect(b.obligations.maxRowsPerCall).toBeLessThanOrEqual(a.obligations.maxRowsPerCall ?? Infinity)
              expect(b.obligations.limits[0]?.amount).toBeLessThanOrEqual(a.obligations.limits[0]?.amount ?? 0)
            }
          }
        },
      ),
      { numRuns: 12, seed: 14 },
    )
  })
})

describe('the shadow', () => {
  it('compares one decision in so many with Cedar, which agrees on the bundled policies (B1)', async () => {
    const shadowed = await loadPolicies({ shadowRate: 1 })
    const contexts = [
      { profile: 'development' },
      { mfaLevel: 2, sourceAddress: '::1' },
      { purpose: 'marketing', legalBasis: 'consent', risk: 81 },
    ] as const
    let left = 0
    for (const name of ROLES) {
      for (const action of ACTIONS) {
        for (const resource of [model, dataset, endpoint, bare('Key'), bare('System')]) {
          // Cedar's own engine takes milliseconds: each question is asked in two of three contexts, in turn.
          left++
          for (const context of contexts.filter((_, which) => which !== left % contexts.length)) {
            const asked = query({ principal: account(name), action, resource, context })
            expect(shadowed.decide(asked)).toEqual(engine.decide(asked))
          }
        }
      }
    }
    expect(shadowed.shadow.compared).toBeGreaterThan(600)
    expect(shadowed.shadow.mismatches).toBe(0)
    const sampled = await loadPolicies({ shadowRate: 10 })
    for (let i = 0; i < 25; i++) sampled.decide(query())
    expect(sampled.shadow).toEqual({ compared: 2, mismatches: 0 })
  })

  it('denies, counts and reports when the engines differ', async () => {
    const seen: unknown[] = []
    const shadowed = await loadPolicies({ shadowRate: 1, onMismatch: (mismatch) => seen.push(mismatch) })
    // The engine's cache answers by identity of the facts; Cedar reads them anew and finds the model quarantined.
    const facts = { ...model, attributes: { ...model.attributes, quarantined: false } }
    expect(shadowed.decide(query({ resource: facts })).effect).toBe('allow')
    facts.attributes['quarantined'] = true
    expect(shadowed.decide(query({ resource: facts }))).toMatchObject({ effect: 'deny', code: 'ERR_POLICY_ERROR' })
    expect(shadowed.shadow.mismatches).toBe(1)
    expect(seen).toMatchObject([
      { ours: { effect: 'allow' }, cedar: { effect: 'deny', reasons: ['model-quarantined'] }, query: { action: 'invoke' } },
    ])
  })

  it('denies on a difference even if the listener throws', async () => {
    const shadowed = await loadPolicies({
      shadowRate: 1,
      onMismatch: () => {
        throw new Error('listener')
      },
    })
    const facts = { ...model, attributes: { ...model.attributes } }
    shadowed.decide(query({ resource: facts }))
    facts.attributes['signed'] = false
    expect(shadowed.decide(query({ resource: facts })).code).toBe('ERR_POLICY_ERROR')
  })
})

describe('why', () => {
  const text = (asked: DecisionQuery): string =>
    engine
      .why(asked)
      .facts.map((fact) => fact.text)
      .join('\n')

  it('names the purpose that was given and those that would do', () => {
    const explained = engine.why(query({ context: { purpose: 'marketing' } }))
    expect(explained.policies).toMatchObject([{ id: 'purpose-must-fit', file: 'guardrails.cedar', effect: 'forbid' }])
    expect(explained.facts[0]).toEqual({
      policy: 'purpose-must-fit',
      text: 'context.purpose = "marketing"; policy `purpose-must-fit` wants one of "credit-scoring"',
    })
  })

  it('names the role and action that no permit is for', () => {
    expect(text(query({ action: 'export' }))).toContain('no permit for role `application` on action `export` of a Model')
    expect(text(query({ principal: account(null) }))).toContain('ServiceAccount without a role')
  })

  it('names the condition of a permit that was nearly satisfied', async () => {
    const near = await load('@id("office-hours") permit(principal, action, resource) when { context.hour >= 9 && context.hour < 17 };')
    const { facts } = near.why(query({ context: { hour: 20 } }))
    expect(facts).toEqual([
      { policy: 'office-hours', text: 'context.hour = 20; policy `office-hours` wants `context.hour < 17` to be true' },
    ])
  })

  it('names the fact that a forbid hit', () => {
    expect(text(query({ context: { risk: 91 } }))).toBe('context.risk = 91; policy `risk-too-high` wants `context.risk > 80` to be false')
    expect(text(query({ resource: withAttributes(model, { signed: false }) }))).toContain('resource.signed = false')
  })

  it('names a policy that could not be evaluated, and why', async () => {
    const erring = await load('@id("broken") forbid(principal, action, resource) when { context.hour * 9007199254740991 * 4096 > 0 };')
    expect(erring.why(query()).facts[0]?.text).toBe('policy `broken` cannot be evaluated: integer overflow')
  })

  it('names what does not fit the schema', () => {
    expect(text(query({ resource: withAttributes(model, { colour: 'red' }) }))).toContain('`colour` is not in it')
    expect(text(query({ action: 'trainOn' }))).toContain('a `Model` is no resource of `trainOn`')
  })

  it('explains an allow by its policies and without facts', () => {
    expect(engine.why(query())).toMatchObject({ policies: [{ id: 'application-invoke-model' }], facts: [] })
  })

  it('never throws, and always has a fact for a deny, over arbitrary queries', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ROLES),
        fc.constantFrom(...ACTIONS),
        fc.constantFrom(model, dataset, endpoint, bare('Key'), bare('System'), pipeline, bare('Pipeline'), bare('Nothing')),
        fc.record({
          risk: fc.integer({ min: 0, max: 100 }),
          purpose: fc.string(),
          hour: fc.integer(),
          mfaLevel: fc.integer({ min: 0, max: 3 }),
          sourceAddress: fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()),
        }),
        (name, action, resource, change) => {
          const asked = query({ principal: account(name), action, resource, context: change })
          const { decision, facts } = engine.why(asked)
          expect(decision).toEqual(engine.decide(asked))
          expect(facts.length > 0).toBe(decision.effect === 'deny')
        },
      ),
      { numRuns: 300, seed: 17 },
    )
  })
})

it('adds an operator file to the bundled ones, and lets one of the same name replace a bundled one', () => {
  const mine = { name: 'mine.cedar', text: '' }
  const replaced = { name: 'roles.cedar', text: 'x' }
  const files = withDefaultPolicies([mine, replaced])
  expect(files.map(({ name }) => name).sort()).toEqual([...defaultPolicyFiles().map(({ name }) => name), 'mine.cedar'].sort())
  expect(files.find(({ name }) => name === 'roles.cedar')).toBe(replaced)
})
