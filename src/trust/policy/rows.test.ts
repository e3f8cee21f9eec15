import { beforeAll, describe, expect, it } from 'vitest'
import type { Action, DecisionQuery, RedoubtError, RowCells } from '#foundation/core'
import { loadCedar } from './cedar.ts'
import { defaultPolicyFiles, loadPolicies, type PolicyEngine } from './index.ts'
import { grantsByRole } from './invariants/grants.ts'
import { proveInvariants } from './invariants/prove.ts'
import { checkPolicies } from './lint.ts'
import { account, dataset, query, withAttributes } from './policy-fixtures.ts'
import { runRowOracle } from './row-oracle.ts'
import { runTables } from './tables/run-tables.ts'

const NORTH = `@id("north-only")
  forbid (principal, action in Action::"useData", resource is Dataset)
  unless { resource.row.text.hasTag("region") && resource.row.text.getTag("region") == "north" };`
const withFile = (text: string): Promise<PolicyEngine> => loadPolicies({ files: [...defaultPolicyFiles(), { name: 'mine.cedar', text }] })
const refusal = (text: string): Promise<string> =>
  withFile(text).then(
    () => 'loaded',
    (thrown: unknown) => `${(thrown as RedoubtError).code} ${(thrown as RedoubtError).message}`,
  )
const row = (cells: Readonly<Record<string, string | number>>): RowCells => ({
  text: (name) => (typeof cells[name] === 'string' ? cells[name] : null),
  integer: (name) => (Number.isInteger(cells[name]) ? Number(cells[name]) : null),
  real: (name) => (typeof cells[name] === 'number' ? cells[name] : null),
})
const asks = (action: Action, change: Partial<DecisionQuery> = {}): DecisionQuery =>
  query({ principal: account('data-scientist'), action, resource: dataset, ...change })

let north: PolicyEngine
beforeAll(async () => {
  north = await withFile(NORTH)
})

describe('a policy that reads rows', () => {
  it('leaves a condition on rows of an allow, for each act that reads them (B2)', () => {
    for (const action of ['viewMasked', 'query', 'trainOn'] as const) {
      const { effect, rows, policies } = north.decide(asks(action))
      expect(effect).toBe('allow')
      expect(policies).toContain('north-only')
      expect(rows?.columns).toEqual([{ name: 'region', type: 'text' }])
      expect([{ region: 'north' }, { region: 'south' }, {}, { region: 5 }].map((cells) => rows?.admits(row(cells)))).toEqual([
        true,
        false,
        false,
        false,
      ])
    }
  })

  it('changes nothing for another type, an act without rows, or a request that is refused anyway', () => {
    expect(north.decide(query()).rows).toBeUndefined()
    expect(north.decide(asks('erase', { principal: account('privacy-officer') })).rows).toBeUndefined()
    const { effect, code, rows } = north.decide(asks('export'))
    expect([effect, code, rows]).toEqual(['deny', 'ERR_POLICY_DENIED', undefined])
    expect(north.decide(asks('trainOn', { resource: withAttributes(dataset, { purposes: ['other'] }) })).code).toBe('ERR_POLICY_PURPOSE')
  })

  it('has a digest that says what is left: the same for the same, another where facts change what is left', async () => {
    const own = await withFile(`forbid (principal, action == Action::"trainOn", resource is Dataset)
      unless { resource.row.text.hasTag("team") && resource.row.text.getTag("team") == principal.purpose };`)
    const digest = (purpose: string): string | undefined => {
      const principal = account('data-scientist', { attributes: { purpose, legalBasis: 'contract' } })
      return own.decide(asks('trainOn', { principal })).rows?.digest
    }
    expect(digest('one')).toMatch(/^[0-9a-f]{64}$/)
    expect(digest('one')).toBe(digest('one'))
    expect(digest('one')).not.toBe(digest('two'))
    expect(north.decide(asks('trainOn')).rows?.digest).toBe((await withFile(NORTH)).decide(asks('trainOn')).rows?.digest)
  })

  it('permits the rows it names, where nothing else permits any', async () => {
    const own = await withFile(`@id("own-rows") permit (principal in Role::"business-user", action == Action::"view", resource is Dataset)
      when { resource.row.integer.hasTag("age") && resource.row.integer.getTag("age") >= 18 };`)
    const { effect, rows } = own.decide(asks('view', { principal: account('business-user') }))
    expect(effect).toBe('allow')
    expect([17, 18].map((age) => rows?.admits(row({ age })))).toEqual([false, true])
    expect(own.decide(asks('view', { principal: account('application') })).effect).toBe('deny')
  })

  it('compares real numbers exactly, and leaves out a row whose number is no decimal of four digits (fails closed)', async () => {
    const own = await withFile(`@id("small") permit (principal in Role::"business-user", action == Action::"view", resource is Dataset)
      when { resource.row.real.hasTag("amount") && resource.row.real.getTag("amount").lessThan(decimal("1000.0001")) };`)
    const { rows } = own.decide(asks('view', { principal: account('business-user') }))
    expect(rows?.columns).toEqual([{ name: 'amount', type: 'real' }])
    const admitted = (amount: number): boolean | null | undefined => rows?.admits(row({ amount }))
    expect([999.5, 1000, 1000.0001, 0.1 * 10_000, -0.0001, -0, 2_000_000.25].map(admitted)).toEqual([
      true,
      true,
      false,
      true,
      true,
      true,
      false,
    ])
    // Rounded, the first would be admitted and the second would not.
    expect([1000.00009, 1000.00004, 0.1 + 0.2, 1 / 3, 1e15, -1e300].map(admitted)).toEqual([null, null, null, null, null, null])
    expect(rows?.admits(row({}))).toBe(false)
  })

  it('admits no row for which a policy cannot be evaluated, whatever the others say (fails closed)', async () => {
    const risky = await withFile(`forbid (principal, action == Action::"trainOn", resource is Dataset)
      when { resource.row.integer.hasTag("n") && resource.row.integer.getTag("n") * 9007199254740991 * 1025 < 0 };`)
    const { rows } = risky.decide(asks('trainOn'))
    expect([0, 1, 2, 1_000_000].map((n) => rows?.admits(row({ n })))).toEqual([true, null, null, null])
    expect(
      rows?.admits({
        text: () => null,
        integer: () => {
          throw new Error('broken')
        },
        real: () => null,
      }),
    ).toBeNull()
  })

  it('that cannot be evaluated whatever the row refuses the request', async () => {
    const broken = await withFile(`forbid (principal, action == Action::"trainOn", resource is Dataset)
      when { context.risk * 9007199254740991 * 9007199254740991 == 1 && resource.row.text.hasTag("region") };`)
    expect(broken.decide(asks('trainOn', { context: { ...query().context, risk: 5 } })).code).toBe('ERR_POLICY_ERROR')
    expect(broken.decide(asks('trainOn')).effect).toBe('allow')
  })

  it('is refused at load unless it reads rows in the one way, and only of acts that are asked row by row', async () => {
    const policy = (action: string, test: string): string => `permit (principal, ${action}, resource is Dataset) when { ${test} };`
    const good = 'resource.row.text.hasTag("a")'
    expect(await refusal(policy('action == Action::"view"', good))).toBe('loaded')
    expect(await refusal(policy('action in Action::"useData"', good))).toBe('loaded')
    expect(await refusal(policy('action == Action::"erase"', good))).toMatch(/^ERR_POLICY_INVALID mine.cedar:1: .*not of erase/)
    expect(await refusal(policy('action', good))).toMatch(/name the actions/)
    for (const test of [
      'resource.row.text == resource.row.text',
      'resource.row == Row::"x"',
      'resource.row.text has a',
      '{a: resource}.a.row.text.hasTag("a")',
      '(if context.breakGlass then resource else resource).row.text.hasTag("a")',
      'resource.row.decimal.getTag("a").greaterThan(decimal("1.5"))',
    ])
      expect(await refusal(policy('action == Action::"view"', test)), test).toMatch(/^ERR_POLICY_INVALID mine.cedar:1/)
    expect(await refusal(policy('action == Action::"view"', 'resource.row.text.getTag("a") == "b"'))).toMatch(/ERR_POLICY_INVALID.*tag/)
  })

  it('is refused at load when it asks for a row otherwise than by its columns: that would be decided without any row (B2)', async () => {
    for (const effect of ['permit', 'forbid'])
      for (const test of [
        'resource has row',
        '!(resource has row)',
        'resource has row.text',
        'resource has row.integer && context.risk > 80',
        'context.risk > 80 || (if resource has row then true else false)',
        'resource.row is Row',
        'TextColumns::"".hasTag("region")',
        'resource.row.text.hasTag("a") && IntegerColumns::"x".hasTag("b")',
        'RealColumns::"".hasTag("income")',
        'Row::"".text.hasTag("region")',
        '[Row::""].isEmpty()',
      ])
        expect(await refusal(`${effect} (principal, action == Action::"view", resource is Dataset) when { ${test} };`), test).toMatch(
          /^ERR_POLICY_INVALID mine.cedar:1: a row is read only by/,
        )
    // Of an act without rows as well: a forbid that is never true is no forbid.
    expect(await refusal('forbid (principal, action, resource is Dataset) when { resource has row };')).toMatch(/a row is read only by/)
    const statement = 'invariants:\n  - { id: mine, statement: s, actions: [view], resources: [Dataset], when: resource has row }\n'
    await expect(proveInvariants(north, [{ name: 'mine.invariants.yaml', text: statement }])).rejects.toMatchObject({
      code: 'ERR_POLICY_INVALID',
    })
  })

  it('names its columns before any row is read: one named by a cell is refused at load, one named by a fact is known', async () => {
    for (const name of ['resource.row.text.getTag("a")', '(if resource.row.text.hasTag("b") then "c" else "d")'])
      expect(
        await refusal(`forbid (principal, action == Action::"trainOn", resource is Dataset)
          when { resource.row.text.hasTag("a") && resource.row.text.hasTag(${name}) };`),
      ).toMatch(/ERR_POLICY_INVALID mine.cedar:1: a column is named by a text/)
    const fact = await withFile(`forbid (principal, action == Action::"trainOn", resource is Dataset)
      when { resource.row.text.hasTag(principal.purpose) };`)
    expect(fact.decide(asks('trainOn')).rows?.columns).toEqual([{ name: 'credit-scoring', type: 'text' }])
  })

  it('cannot be given a row by the caller', () => {
    const resource = withAttributes(dataset, { row: { __fact: 'entity', value: { type: 'Row', id: 'r' } } })
    expect(north.decide(asks('trainOn', { resource })).code).toBe('ERR_POLICY_ERROR')
  })

  it('does not stand in the way of proofs, checks and reviews: a row may come out either way', async () => {
    const invariants = 'invariants:\n  - { id: mine, statement: s, actions: [export], onlyRoles: [data-scientist], resources: [Dataset] }\n'
    const file = { name: 'mine.invariants.yaml', text: invariants }
    expect((await proveInvariants(north, [file])).holds).toBe(true)
    const hole = await withFile(`permit (principal in Role::"data-scientist", action == Action::"export", resource is Dataset)
      when { resource.row.text.hasTag("public") };`)
    expect((await proveInvariants(hole, [file])).proofs[0]?.counterexample?.policies).toEqual(['mine.cedar#1'])
    const about = { ...file, text: invariants.replace(' }', ', when: resource.row.text.hasTag("a") }').replace('[export]', '[view]') }
    await expect(proveInvariants(north, [about])).rejects.toMatchObject({ code: 'ERR_POLICY_INVALID' })
    expect((await checkPolicies([...defaultPolicyFiles(), { name: 'mine.cedar', text: NORTH }])).findings).toEqual([])
    expect((await grantsByRole(hole, 'production')).get('data-scientist')?.has('export Dataset')).toBe(true)
  })

  it('can be put into a truth table, row by row', () => {
    const table = (region: string, expectation: string): string =>
      `  - { name: ${region}, principal: { roles: [data-scientist] }, action: trainOn, resource: { type: Dataset }, row: { region: ${region} }, expect: ${expectation} }\n`
    const run = (text: string) => runTables(north, [{ name: 'mine.policy-test.yaml', text: `cases:\n${text}` }]).failures
    expect(run(table('north', 'allow') + table('south', 'deny'))).toEqual([])
    expect(run(table('south', 'allow'))[0]?.differences[0]).toMatch(/the row is not admitted by .*`north-only`/)
  })

  it('decides 800 generated pairs of policies and rows as Cedar does when it is given the row (B2, B7)', async () => {
    const seed = Date.now() % 2 ** 31
    const { pairs, mismatches, byRow, outcomes } = runRowOracle(await loadCedar(), seed, 800)
    expect(mismatches, `seed ${seed}`).toEqual([])
    expect(byRow / pairs, `seed ${seed}`).toBeGreaterThan(0.1)
    for (const count of Object.values(outcomes)) expect(count / pairs, `seed ${seed}`).toBeGreaterThan(0.02)
  })
})

describe('masks of columns', () => {
  const permit = (annotations: string, role = 'business-user'): string =>
    `${annotations} permit (principal in Role::"${role}", action in [Action::"view", Action::"viewMasked"], resource is Dataset);`
  const columns = (engine: PolicyEngine, action: Action, principal = account('business-user')) =>
    engine.decide(asks(action, { principal })).obligations.columns

  it('are read from annotations, and a column that none speaks of is kept, or redacted for who sees masked only', async () => {
    const engine = await withFile(permit('@mask_columns("name=redact, birth date=year, iban = last4") @hide_columns("ssn")'))
    const named = { name: 'redact', 'birth date': 'year', iban: 'last4', ssn: 'hide' }
    expect(columns(engine, 'view')).toEqual(named)
    expect(columns(engine, 'viewMasked')).toEqual({ ...named, default: 'redact' })
  })

  it('of several permits add up, the strictest winning, and two that show different parts show none', async () => {
    const engine = await withFile(
      permit('@mask_columns("a=last4, b=year, c=keep, default=coarse")') + permit('@mask_columns("a=year, b=year") @hide_columns("c")'),
    )
    expect(columns(engine, 'view')).toEqual({ a: 'redact', b: 'year', c: 'hide', default: 'coarse' })
    expect(columns(engine, 'viewMasked')).toEqual({ a: 'redact', b: 'year', c: 'hide', default: 'redact' })
  })

  it('hold for every row, of permits too that apply to some rows only', async () => {
    const engine = await withFile(
      permit('') + permit('@mask_columns("a=redact")').replace(');', ') when { resource.row.text.hasTag("secret") };'),
    )
    expect(columns(engine, 'view')).toEqual({ a: 'redact', default: 'keep' })
  })

  it.each([
    ['@mask_columns("name")', /is a list of/],
    ['@mask_columns("name=blur")', /is a list of/],
    ['@mask_columns("name=hide")', /is a list of/],
    ['@mask_columns("name=redact, name=keep")', /twice/],
    ['@mask_columns("name=redact") @hide_columns("name")', /twice/],
    ['@hide_columns("a,")', /names of columns/],
    ['@mask_column("name=redact")', /not known/],
    ['@mask_columns', /no value/],
  ])('are refused at load when malformed: %s', async (annotations, words) => {
    expect(await refusal(permit(annotations))).toMatch(words)
  })

  it('are refused on a forbid, and on acts whose answer is no values', async () => {
    expect(await refusal('@mask_columns("a=redact") forbid (principal, action == Action::"view", resource is Dataset);')).toMatch(
      /no meaning/,
    )
    for (const action of ['trainOn', 'erase', 'deploy'])
      expect(await refusal(`@mask_columns("a=redact") permit (principal, action == Action::"${action}", resource);`)).toMatch(
        /masked or hidden only/,
      )
  })
})
