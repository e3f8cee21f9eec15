import { describe, expect, it } from 'vitest'
import type { DecisionQuery, RowCells } from '#foundation/core'
import { defaultPolicyFiles, loadPolicies, type PolicyEngine, revivedCondition } from './index.ts'
import { account, dataset, query, withAttributes } from './policy-fixtures.ts'

const withFile = (text: string): Promise<PolicyEngine> => loadPolicies({ files: [...defaultPolicyFiles(), { name: 'mine.cedar', text }] })
const row = (cells: Readonly<Record<string, string | number>>): RowCells => ({
  text: (name) => (typeof cells[name] === 'string' ? cells[name] : null),
  integer: (name) => (Number.isInteger(cells[name]) ? Number(cells[name]) : null),
  real: () => null,
})
const open = withAttributes(dataset, { sensitivity: 1 })
const asks = (change: Partial<DecisionQuery> = {}): DecisionQuery =>
  query({ principal: account('ml-engineer'), action: 'transform', resource: open, ...change })

/** Policies that name `view` and nothing else. */
const NO_VIEW = `@id("sealed-off") forbid (principal, action == Action::"view", resource is Dataset) when { resource.sensitivity == 1 };`
const ROWS = `@id("north-only") forbid (principal, action == Action::"view", resource is Dataset)
  unless { resource.row.text.hasTag("region") && resource.row.text.getTag("region") == "north" };`
const OWN_ROWS = `@id("of-age") forbid (principal, action == Action::"transform", resource is Dataset)
  unless { resource.row.integer.hasTag("age") && resource.row.integer.getTag("age") >= 18 };`
const MASK = `@id("coarse-income") @mask_columns("income=coarse, note=redact") permit (principal in Role::"ml-engineer", action == Action::"view", resource is Dataset)
  when { resource.sensitivity <= 1 };`
const OWN_MASK = `@id("own") @mask_columns("income=redact, age=coarse") permit (principal in Role::"ml-engineer", action == Action::"transform", resource is Dataset);`

describe('a transform of a data set (B1, B2)', () => {
  it('is refused where a policy forbids to view it, and is told why', async () => {
    const engine = await withFile(NO_VIEW)
    expect(engine.decide(asks())).toMatchObject({ effect: 'deny', code: 'ERR_POLICY_DENIED', policies: ['sealed-off'] })
    const { facts, policies } = engine.why(asks())
    expect(policies.map(({ id }) => id)).toEqual(['sealed-off'])
    expect(facts.map(({ policy }) => policy)).toEqual(['sealed-off'])
    expect(engine.decide(asks({ resource: withAttributes(dataset, { sensitivity: 2 }) })).effect).toBe('allow')
    // Of other acts it says nothing.
    expect(engine.decide(asks({ action: 'trainOn' })).effect).toBe('allow')
    // Proofs tell requests apart by the policies of the act itself.
    expect(engine.decideAlone(asks()).effect).toBe('allow')
  })

  it('is allowed where approvals lift what forbids to view it', async () => {
    const engine = await withFile(NO_VIEW.replace('== 1', '== 1 && context.approvals < 1'))
    expect(engine.decide(asks()).effect).toBe('deny')
    expect(engine.decide(query({ principal: account('ml-engineer'), action: 'transform', resource: open, context: { approvals: 1 } })).effect).toBe('allow') // prettier-ignore
  })

  it('reads no row that a policy forbids to view, beside those that its own policies keep back, in its thread too', async () => {
    const engine = await withFile(`${ROWS}\n${OWN_ROWS}`)
    const { effect, rows, policies } = engine.decide(asks())
    expect(effect).toBe('allow')
    expect(policies).toEqual(expect.arrayContaining(['north-only', 'of-age']))
    const cases = [{ region: 'north', age: 30 }, { region: 'south', age: 30 }, { region: 'north', age: 3 }, { age: 30 }, {}]
    for (const condition of [rows!, revivedCondition(structuredClone(rows!.portable))])
      expect(cases.map((cells) => condition.admits(row(cells)))).toEqual([true, false, false, false, false])
    // By the policies of `view` alone as well.
    const alone = (await withFile(ROWS)).decide(asks()).rows
    expect(cases.map((cells) => alone?.admits(row(cells)))).toEqual([true, false, true, false, false])
    expect(alone?.digest).toBe((await withFile(ROWS)).decide(asks()).rows?.digest)
    expect(alone?.digest).not.toBe(rows?.digest)
  })

  it('has columns under the masks under which its caller views them, the stricter of both', async () => {
    expect((await withFile(MASK)).decide(asks()).obligations.columns).toEqual({ default: 'keep', income: 'coarse', note: 'redact' })
    const both = (await withFile(`${MASK}\n${OWN_MASK}`)).decide(asks())
    expect(both.obligations.columns).toEqual({ age: 'coarse', default: 'keep', income: 'redact', note: 'redact' })
    expect(both.obligations.limits).toEqual((await withFile(OWN_MASK)).decide(asks()).obligations.limits)
    // A mask that depends on the row is a mask of all: a row is never shown under fewer than its permits ask for.
    const byRow = MASK.replace('<= 1', '<= 1 && resource.row.integer.hasTag("age")')
    expect((await withFile(byRow)).decide(asks()).obligations.columns).toMatchObject({ note: 'redact' })
  })

  it('is refused where what forbids to view it cannot be evaluated', async () => {
    const engine = await withFile('@id("broken") forbid (principal, action == Action::"view", resource is Dataset) when { 9007199254740991 * resource.sensitivity * 4096 > 0 };') // prettier-ignore
    expect(engine.decide(asks())).toMatchObject({ effect: 'deny', code: 'ERR_POLICY_ERROR', errors: ['broken'] })
    expect(engine.why(asks()).facts[0]?.text).toContain('cannot be evaluated')
  })

  it('needs its own permit all the same: who may view may not transform', async () => {
    const engine = await withFile('permit (principal, action == Action::"view", resource is Dataset);')
    expect(engine.decide(asks({ principal: account('data-scientist') })).effect).toBe('deny')
    expect(engine.decide(asks({ resource: dataset })).effect).toBe('allow')
  })
})
