import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Action, type DecisionQuery, type FactValue, LEGAL_BASES, MFA_NEVER, type RedoubtError } from '#foundation/core'
import { defaultInvariants } from '../bundled.ts'
import { compileExpression } from '../compile-expression.ts'
import { EvaluationFailure } from '../evaluation-failure.ts'
import { defaultPolicyFiles, loadPolicies, type PolicyEngine } from '../index.ts'
import { CONTEXT_FIELDS, ContextConverter, convertEntity, PolicyRequest } from '../request.ts'
import { type Abstraction, abstractionOf, allKinds } from './abstraction.ts'
import { ATTRIBUTES } from './domains.ts'
import { grantsByRole } from './grants.ts'
import { queryOf } from './concrete.ts'
import { proveInvariants } from './prove.ts'
import { findUnreached } from './reach.ts'

let engine: PolicyEngine
beforeAll(async () => {
  engine = await loadPolicies()
})

const withFile = (text: string): Promise<PolicyEngine> => loadPolicies({ files: [...defaultPolicyFiles(), { name: 'mine.cedar', text }] })
const statement = (lines: string): readonly { name: string; text: string }[] => [
  { name: 'mine.invariants.yaml', text: `invariants:\n  - id: mine\n    statement: what is said\n${lines.replace(/^/gm, '    ')}\n` },
]
const prove = async (lines: string, by = engine, options = {}) => {
  const { proofs } = await proveInvariants(by, statement(lines), options)
  return proofs[0]
}
const problem = (work: Promise<unknown>): Promise<RedoubtError> =>
  work.then(
    () => Promise.reject(new Error('nothing was refused')),
    (thrown: unknown) => thrown as RedoubtError,
  )

describe('the invariants of the bundled policies', () => {
  // Some 4 s alone; the bound is for a machine that does eight other things.
  it('hold for every class of requests (B1, B2, C4)', { timeout: 60_000 }, async () => {
    const report = await proveInvariants(engine, defaultInvariants())
    expect(report.proofs.filter(({ verdict }) => verdict !== 'holds')).toEqual([])
    expect(report.holds).toBe(true)
    expect(report.requests).toBeGreaterThan(100_000)
    for (const { decided, id } of report.proofs) expect(decided, id).toBeGreaterThan(0)
  })

  it('leave no bundled policy without a request that it decides', () => {
    expect(findUnreached(engine)).toEqual([])
  })

  it.each([
    [
      'an export by programs',
      'permit (principal is ServiceAccount, action == Action::"export", resource is Model) when { resource.sensitivity == 3 };',
      'guardrails',
      'service-accounts-export-nothing-restricted',
      'actions: [export]\nprincipals: [ServiceAccount]\nresources: [Model]\nwhen: resource.sensitivity >= 3',
    ],
    [
      'a model without a signature',
      '',
      'guardrails',
      'model-unsigned',
      'actions: [invoke, deploy]\nresources: [Model]\nwhen: "!resource.signed"',
    ],
    [
      'the bootstrap account in production',
      'permit (principal in Role::"bootstrap", action == Action::"erase", resource) when { context.hour == 3 };',
      'guardrails',
      'bootstrap-only-in-development',
      'actions: [erase]\nwhen: principal in Role::"bootstrap" && context.profile == "production"',
    ],
    ['a risk above 80', '', 'guardrails', 'risk-too-high', 'actions: [deploy]\nwhen: context.risk > 80'],
  ])('are found broken when %s is let through (B1)', async (_what, permit, _file, removed, lines) => {
    const text = engine.policies.find(({ id }) => id === removed)?.text ?? ''
    const files = defaultPolicyFiles().map((file) => ({ ...file, text: file.text.replace(text, '') }))
    const bad = await loadPolicies({ files: [...files, { name: 'bad.cedar', text: permit }] })
    expect((await prove(lines))?.verdict).toBe('holds')
    const proof = await prove(lines, bad)
    expect(proof?.verdict).toBe('fails')
    const { query, policies } = proof!.counterexample!
    // The counterexample is a request, and the engine does allow it.
    expect(bad.decide(query)).toMatchObject({ effect: 'allow', policies })
    expect(engine.decide(query).effect).toBe('deny')
    expect(query.principal.parents.length).toBeLessThanOrEqual(1)
  })

  it('find a hole of one hour, one address and one purpose', async () => {
    const hole = await withFile(`permit (principal, action == Action::"rotateKey", resource is Key)
      when { context.hour == 3 && context.sourceAddress == ip("10.9.8.7") && context.purpose == "night" && context.risk == 57
             && principal has mfaLevel && principal.mfaLevel == 2 && context.now >= datetime("2027-01-01") };`)
    const lines =
      'actions: [rotateKey]\nresources: [Key]\nwhen: "!(principal in Role::\\"administrator\\" || principal in Role::\\"security-officer\\")"'
    expect((await prove(lines))?.verdict).toBe('holds')
    const proof = await prove(lines, hole)
    expect(proof?.counterexample?.policies).toEqual(['mine.cedar#1'])
    expect(proof?.counterexample?.facts).toMatchObject({
      'context.hour': 3,
      'context.sourceAddress': '10.9.8.7',
      'context.purpose': 'night',
      'context.risk': 57,
    })
  })

  it('find a hole one second wide, and one of a single approval (B3, B7)', async () => {
    const hole = await withFile(`permit (principal, action == Action::"rotateKey", resource is Key)
      when { context.mfaAge > 28799 && context.mfaAge < 28801 && context.approvals == 7 };`)
    const lines =
      'actions: [rotateKey]\nresources: [Key]\nwhen: "!(principal in Role::\\"administrator\\" || principal in Role::\\"security-officer\\")"'
    const proof = await prove(lines, hole)
    expect(proof?.counterexample?.facts).toMatchObject({ 'context.mfaAge': 28_800, 'context.approvals': 7 })
    expect(hole.decide(proof!.counterexample!.query).effect).toBe('allow')
  })

  it('find what an always-statement promises and the policies refuse', async () => {
    const lines = 'expect: always\nactions: [readAudit]\nonlyRoles: [auditor]\nwhen: context.risk <= 80 && context.mfaLevel >= 2'
    expect((await prove(lines))?.verdict).toBe('holds')
    const closed = await withFile('@id("closed") forbid (principal, action, resource) when { context.weekday == 0 };')
    expect((await prove(lines, closed))?.counterexample).toMatchObject({ policies: ['closed'], facts: { 'context.weekday': 0 } })
  })

  it('about accounts of a role alone cover those of them who are in a group (B1, B2)', async () => {
    const lines = 'actions: [query]\nresources: [Dataset]\nonlyRoles: [auditor]'
    expect((await prove(lines))?.verdict).toBe('holds')
    const open = await withFile(
      '@id("night-queries") permit (principal in Group::"night", action == Action::"query", resource is Dataset);',
    )
    const proof = await prove(lines, open)
    expect(proof?.counterexample?.policies).toEqual(['night-queries'])
    const { query } = proof!.counterexample!
    expect(query.principal.parents).toContainEqual({ type: 'Group', id: 'night' })
    expect(query.principal.parents).toContainEqual({ type: 'Role', id: 'auditor' })
    expect(open.decide(query).effect).toBe('allow')
    // A statement that names the group describes them, and what a group is forbidden is not always allowed.
    expect((await prove(`${lines}\nwhen: principal in Group::"day"`))?.verdict).toBe('holds')
    const closed = await withFile('@id("no-guests") forbid (principal in Group::"guests", action, resource);')
    const promise = 'expect: always\nactions: [readAudit]\nonlyRoles: [auditor]\nwhen: context.risk <= 80 && context.mfaLevel >= 2'
    expect((await prove(promise, closed))?.counterexample?.policies).toEqual(['no-guests'])
  })

  it('about several roles that no policy tells apart need one of them, and miss nothing that is open to each', async () => {
    const lines = (roles: string): string => `actions: [rotateKey]\nresources: [Key]\nonlyRoles: [${roles}]`
    const many = 'application, business-user, auditor, data-scientist, ml-engineer'
    expect((await prove(lines(many)))?.verdict).toBe('holds')
    const size = async (roles: string): Promise<number> => (await proveInvariants(engine, statement(lines(roles)))).requests
    expect(await size(many)).toBe(await size('application'))
    const unless = await withFile(
      '@id("not-officers") permit (principal, action == Action::"rotateKey", resource is Key) unless { principal in Role::"auditor" };',
    )
    expect((await prove(lines(many), unless))?.counterexample?.policies).toEqual(['not-officers'])
    expect((await prove(lines('auditor, application'), unless))?.counterexample?.policies).toEqual(['not-officers'])
    expect((await prove(lines('auditor'), unless))?.verdict).toBe('holds')
    const two = await withFile(`@id("both") permit (principal, action == Action::"rotateKey", resource is Key)
      when { principal in Role::"business-user" && principal in Role::"ml-engineer" };`)
    expect((await prove(lines(many), two))?.counterexample?.policies).toEqual(['both'])
    expect((await prove(lines('application, business-user, auditor'), two))?.verdict).toBe('holds')
  })

  it('call a statement vacuous that describes no request, and never a proof', async () => {
    const report = await proveInvariants(engine, statement('actions: [invoke]\nwhen: context.hour > 3 && context.hour < 2'))
    expect(report).toMatchObject({ holds: false, proofs: [{ verdict: 'vacuous', decided: 0 }] })
  })
})

describe('enumeration', () => {
  it('refuses beyond its bound before anything is decided, never a sample', async () => {
    const refused = await problem(prove('actions: [view]\nresources: [Model]', engine, { maxRequests: 1000 }))
    expect(refused.code).toBe('ERR_POLICY_ENUMERATION')
    expect(refused.message).toMatch(
      /^\d+ requests would have to be decided, the bound is 1000; most by view of Model: 1024 of `principal#parents`/,
    )
  })

  it.each([
    ['context.purpose like "credit-*"', '`like` on `context.purpose`'],
    ['context.now.toTime() < duration("8h")', '`context.now` other than compared with a constant'],
    ['context.mfaAge + 1 > 300', '`context.mfaAge` other than compared with a constant'],
    ['context.mfaAge < context.approvals', '`context.mfaAge` other than compared with a constant'],
    ['[300, 900].contains(context.mfaAge)', '`context.mfaAge` other than compared with a constant'],
    ['context.now.offset(duration("1d")) > datetime("2026-01-01")', '`context.now` other than'],
  ])('refuses what it does not cover, naming policy and test: %s', async (condition, words) => {
    const odd = await withFile(`@id("odd") permit (principal, action == Action::"invoke", resource is Model) when { ${condition} };`)
    const refused = await problem(prove('actions: [invoke]\nresources: [Model]', odd))
    expect(refused).toMatchObject({ code: 'ERR_POLICY_ENUMERATION' })
    expect(refused.message).toContain('policy `odd` (mine.cedar:1)')
    expect(refused.message).toContain(words)
    // Where the policy does not apply, nothing is in the way.
    expect((await prove('actions: [deploy]\nresources: [Model]\nwhen: resource.quarantined', odd))?.verdict).toBe('holds')
  })

  it('knows what each attribute of the schema can hold', () => {
    const { schema } = engine.set
    const names = [...schema.entityTypes].flatMap(([type, { attributes }]) =>
      [...attributes.keys()].map((name) => `${type === 'User' || type === 'ServiceAccount' ? 'principal' : 'resource'}.${name}`),
    )
    // Of a row nothing is taken for known.
    const rows = new Set(['resource.row', 'resource.text', 'resource.integer', 'resource.real'])
    for (const name of names) if (!rows.has(name)) expect([...ATTRIBUTES.keys()]).toContain(name)
    for (const name of CONTEXT_FIELDS) expect([...ATTRIBUTES.keys()]).toContain(`context.${name}`)
  })

  it('represents every request by one that is decided alike, by the same policies', async () => {
    const tricky = await withFile(`
      permit (principal is User, action == Action::"invoke", resource is Model) when { context.hour + 2 * context.mfaLevel > 20 || context.mfaLevel >= resource.sensitivity };
      permit (principal == ServiceAccount::"x", action, resource) unless { context.sourceAddress.isInRange(ip("10.0.0.0/8")) && !context.sourceAddress.isInRange(ip("10.20.0.0/16")) };
      forbid (principal, action, resource in System::"closed") when { context.now < datetime("2026-03-01") };
      permit (principal, action in [Action::"invoke", Action::"export"], resource) when { (resource is Model || resource is Dataset) && resource.purposes.containsAny(["a", "b"]) && principal.purpose == context.purpose };
      forbid (principal, action == Action::"export", resource) when { principal has mfaLevel && principal.mfaLevel < 1 };
      forbid (principal, action == Action::"invoke", resource is Model) when { context.risk * 9007199254740991 * 30 > 5 && context.hour == 4 };
      permit (principal in Role::"auditor", action == Action::"export", resource is Dataset) when { resource.purposes.isEmpty() || resource.legalBases.contains(principal.legalBasis) };
      forbid (principal, action, resource) when { context.sourceAddress.isLoopback() && context.sourceAddress.isIpv6() };
      forbid (principal, action, resource) when { (context.mfaAge > 900 && 3600 >= context.mfaAge) || context.mfaAge == 86400 };
      permit (principal, action == Action::"export", resource is Dataset) when { context.approvals >= 2 && context.tokenBinding != "none" };
      forbid (principal, action, resource) when { context.network == "guests" && context.country != "CH" && context.onBehalfBy != "a" };
      forbid (principal, action, resource) when { (context.breakGlass && !context.workingHours) || (context.firstSeenNetwork && context.firstSeenDevice) };
      permit (principal in Group::"night", action == Action::"invoke", resource is Endpoint) when { resource.sandbox == context.breakGlass };`)
    const { schema } = tricky.set
    const kinds = allKinds(schema).filter(({ action }) => action === 'invoke' || action === 'export')
    const abstractions = new Map(kinds.map((one) => [one, abstractionOf(tricky.set, one, [])]))
    const purpose = fc.constantFrom('', 'a', 'b', 'c', 'd', 'contract', 'consent')
    const purposes = fc.subarray(['', 'a', 'b', 'c', 'd', 'contract', 'consent', 'e'])
    const address = fc.constantFrom(
      '10.1.2.3',
      '10.20.0.0',
      '10.20.255.255',
      '10.21.0.0',
      '9.255.255.255',
      '127.0.0.1',
      '::1',
      '::2',
      'ff02::1',
      '255.255.255.255',
    )
    let classes = 0
    fc.assert(
      fc.property(
        fc.record({
          kinds: fc.constantFrom(...kinds),
          id: fc.constantFrom('x', 'y'),
          roles: fc.subarray(['auditor', 'application', 'data-scientist', 'privacy-officer', 'bootstrap', 'wizard']),
          own: fc.record({ purpose, legalBasis: fc.constantFrom(...LEGAL_BASES), mfaLevel: fc.option(fc.integer({ min: 0, max: 3 })) }),
          groups: fc.subarray(['night', 'day', 'auditor']),
          system: fc.subarray(['closed', 'open']),
          sensitivity: fc.integer({ min: 0, max: 3 }),
          purposes,
          legalBases: fc.subarray([...LEGAL_BASES]),
          flags: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()),
          context: fc.record({
            now: fc.constantFrom(Date.UTC(2026, 2, 1) - 1, Date.UTC(2026, 2, 1), Date.UTC(2027, 0, 1), 0),
            hour: fc.integer({ min: 0, max: 23 }),
            weekday: fc.integer({ min: 0, max: 6 }),
            purpose,
            legalBasis: fc.constantFrom(...LEGAL_BASES),
            sourceAddress: address,
            profile: fc.constantFrom('development' as const, 'production' as const),
            mfaLevel: fc.integer({ min: 0, max: 3 }),
            risk: fc.integer({ min: 0, max: 100 }),
            workingHours: fc.boolean(),
            network: fc.constantFrom('', 'guests', 'office'),
            country: fc.constantFrom('', 'CH', 'DE'),
            firstSeenNetwork: fc.boolean(),
            firstSeenDevice: fc.boolean(),
            // Each side of each boundary, and far from all of them.
            mfaAge: fc.constantFrom(0, 899, 900, 901, 3599, 3600, 3601, 86_399, 86_400, 86_401, 5_000_000, MFA_NEVER),
            tokenBinding: fc.constantFrom('none' as const, 'dpop' as const, 'mtls' as const),
            onBehalfBy: fc.constantFrom('', 'a', 'some-service'),
            approvals: fc.constantFrom(0, 1, 2, 3, 50, Number.MAX_SAFE_INTEGER),
            breakGlass: fc.boolean(),
          }),
        }),
        ({ kinds, id, roles, groups, own, system, sensitivity, purposes, legalBases, flags, context }) => {
          const { mfaLevel, ...rest } = own
          const [signed, quarantined, foreign, sandbox] = flags
          const attributes: Record<string, Record<string, FactValue>> = {
            Dataset: { sensitivity, purposes, legalBases },
            Model: { sensitivity, purposes, signed, quarantined, foreign },
            Endpoint: { sensitivity, purposes, sandbox, upstream: id, vendor: '', region: 'eu-west', agreement: signed },
          }
          const query: DecisionQuery = {
            principal: {
              type: kinds.principal,
              id,
              attributes: { ...rest, ...(mfaLevel === null ? {} : { mfaLevel }) },
              parents: [...roles.map((role) => ({ type: 'Role', id: role })), ...groups.map((group) => ({ type: 'Group', id: group }))],
            },
            action: kinds.action as Action,
            resource: {
              type: kinds.resource,
              id: 'r',
              attributes: attributes[kinds.resource] ?? {},
              parents: system.map((id) => ({ type: 'System', id })),
            },
            context,
          }
          const alike = representativeOf(abstractions.get(kinds) as Abstraction, query, tricky)
          const { effect, policies, errors } = tricky.decide(query)
          expect(tricky.decide(alike)).toMatchObject({ effect, policies, errors })
          classes++
        },
      ),
      { numRuns: 1500 },
    )
    expect(classes).toBeGreaterThan(1000)
  })
})

/** The enumerated request of the same class: one representative of each cluster. Fails when a class is missing. */
function representativeOf(abstraction: Abstraction, query: DecisionQuery, by: PolicyEngine): DecisionQuery {
  const { schema } = by.set
  const request = new PolicyRequest(
    convertEntity(query.principal, schema)!,
    schema.actions.get(query.action)!.entity,
    convertEntity(query.resource, schema)!,
    new ContextConverter().convert(query.context)!,
    schema.actionEntities,
  )
  const truths = abstraction.atoms.map((atom) => {
    try {
      return compileExpression(atom)(request) === true ? 1 : 0
    } catch (thrown) {
      if (thrown instanceof EvaluationFailure) return 2
      throw thrown
    }
  })
  const assignment = new Map(
    abstraction.clusters.flatMap(({ places, representatives, variables }) => {
      const alike = representatives.find((one) => one.truths.every((truth, index) => truth === truths[places[index] ?? -1]))
      expect(alike, `a class of ${variables.join(', ')} is missing`).toBeDefined()
      return [...(alike?.assignment ?? [])]
    }),
  )
  return queryOf(abstraction.kinds, assignment, schema)
}

describe('what a role grants', () => {
  it('is what some request of an account with this role alone is allowed (B2)', async () => {
    const production = await grantsByRole(engine, 'production')
    expect([...(production.get('application') ?? [])].sort()).toEqual([
      'appendRows Dataset',
      'invoke Endpoint',
      'invoke Model',
      'view Endpoint',
      'view Model',
      'view System',
    ])
    expect(production.get('bootstrap')?.size).toBe(0)
    expect((await grantsByRole(engine, 'development')).get('bootstrap')?.has('deploy Model')).toBe(true)
  })
})

describe('a file of invariants', () => {
  const refusal = async (lines: string): Promise<string> => {
    const { code, message } = await problem(proveInvariants(engine, statement(lines)))
    return `${code} ${message}`
  }

  it('is refused with file and line when a statement is not well-formed (E3)', async () => {
    expect(await refusal('when: resource.sensitivty >= 3\nresources: [Dataset]')).toMatch(
      /^ERR_POLICY_INVALID mine.invariants.yaml:4: .*sensitivty/,
    )
    expect(await refusal('when: resource.signed')).toContain('mine.invariants.yaml:4')
    expect(await refusal('when: "true) }; permit (principal, action, resource) when { (true"')).toContain('not one expression')
    expect(await refusal('when: "true } when { false"')).toMatch(/not (one|a Cedar) expression/)
    expect(await refusal('actions: [invok]')).toContain('mine.invariants.yaml:4')
    expect(await refusal('unknown: 1')).toContain('mine.invariants.yaml:2')
  })
})
