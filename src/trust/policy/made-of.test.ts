import { describe, expect, it } from 'vitest'
import type { Action, DecisionQuery, EntityFacts } from '#foundation/core'
import { loadPolicies, type PolicyEngine } from './index.ts'
import { account, dataset, query } from './policy-fixtures.ts'

const withPolicies = (text: string): Promise<PolicyEngine> => loadPolicies({ files: [{ name: 'mine.cedar', text }] })
const set = (id: string, ...madeOf: readonly EntityFacts[]): EntityFacts => ({
  ...dataset,
  id,
  parents: [{ type: 'DatasetVersion', id: `${id}/1` }],
  ...(madeOf.length === 0 ? {} : { madeOf }),
})
const stays = set('stays')
const adults = set('adults', stays)
const counts = set('counts', adults)
const asks = (resource: EntityFacts, action: Action = 'view'): DecisionQuery =>
  query({ principal: account('data-scientist'), action, resource })
const effect = (engine: PolicyEngine, resource: EntityFacts, action?: Action): string => engine.decide(asks(resource, action)).effect

/** A permit that does not speak of \`stays\`, and forbids nothing. */
const ALL_BUT_STAYS = `@id("all-but-stays") permit (principal in Role::"data-scientist", action, resource is Dataset) unless { resource == Dataset::"stays" };`
const named = (scope: string): string => `@id("released") permit (principal in Role::"data-scientist", action, resource ${scope});`
const NORTH = '{ resource.row.text.hasTag("region") && resource.row.text.getTag("region") == "north" }'

describe('what is made of rows (B1, B2)', () => {
  it.each(['view', 'viewMasked', 'query', 'trainOn', 'transform', 'export'] as const)(
    'is not for whoever is not permitted to %s each data set that it came of, and says of which',
    async (action) => {
      const engine = await withPolicies(ALL_BUT_STAYS)
      expect([effect(engine, stays, action), effect(engine, set('adults'), action)]).toEqual(['deny', 'allow'])
      // Through what was made in between as well.
      for (const made of [adults, counts, set('more', set('other'), counts)]) {
        const { decision, facts } = engine.why(asks(made, action))
        expect(engine.decide(asks(made, action))).toMatchObject({ effect: 'deny', code: 'ERR_POLICY_DENIED', policies: [] })
        expect(decision).toMatchObject({ effect: 'deny', code: 'ERR_POLICY_DENIED' })
        expect(facts[0]?.text).toBe(
          `the rows of \`${made.id}\` came of \`stays\`, of which \`${action}\` is refused, and no permit names \`${made.id}\``,
        )
        // Proofs go by the policies of the data set alone.
        expect(engine.decideAlone(asks(made, action)).effect).toBe('allow')
      }
      expect(effect(engine, set('apart', set('other')), action)).toBe('allow')
    },
  )

  it('is nobody’s where what is said of a source cannot be evaluated, or forbids', async () => {
    const broken = '@id("broken") forbid (principal, action, resource == Dataset::"stays") when { 9007199254740991 * resource.sensitivity * 4096 > 0 };' // prettier-ignore
    const engine = await withPolicies(`permit (principal, action, resource is Dataset);\n${broken}`)
    expect(engine.decide(asks(adults))).toMatchObject({ effect: 'deny', code: 'ERR_POLICY_ERROR', errors: ['broken'] })
    const shut = await withPolicies('permit (principal, action, resource is Dataset);\n@id("shut") forbid (principal, action, resource == Dataset::"stays");') // prettier-ignore
    expect(shut.decide(asks(counts))).toMatchObject({ effect: 'deny', policies: ['shut'] })
  })

  it.each(['== Dataset::"adults"', 'in Dataset::"adults"', 'in DatasetVersion::"adults/1"', 'is Dataset in DatasetVersion::"adults/1"'])(
    'is for those to whom a permit gives it by name: resource %s',
    async (scope) => {
      const engine = await withPolicies(`${ALL_BUT_STAYS}\n${named(scope)}`)
      expect(effect(engine, adults)).toBe('allow')
      // What is made of it is made of what somebody decided on.
      expect(effect(engine, counts)).toBe('allow')
      expect(effect(engine, set('aside', stays))).toBe('deny')
      expect(effect(engine, set('both', adults, stays))).toBe('deny')
      // What a forbid leaves of it stays given, by permits that all name it.
      const northern = `forbid (principal, action == Action::"view", resource is Dataset) unless ${NORTH};`
      expect((await withPolicies(`${named(scope)}\n${northern}`)).decide(asks(adults))).toMatchObject({ effect: 'allow', rows: {} })
    },
  )

  it('is not given by name by a condition, nor by a forbid that names it', async () => {
    const condition = 'permit (principal, action, resource is Dataset) when { resource == Dataset::"adults" };'
    expect(effect(await withPolicies(`${ALL_BUT_STAYS}\n${condition}`), adults)).toBe('deny')
    const forbid = `forbid (principal, action == Action::"view", resource == Dataset::"adults") unless ${NORTH};`
    expect(effect(await withPolicies(`${ALL_BUT_STAYS}\n${forbid}`), adults)).toBe('deny')
  })

  it('is under the same condition where a source is for some rows, or for nobody', async () => {
    const own = `@id("own") permit (principal, action == Action::"view", resource == Dataset::"stays") when ${NORTH};`
    const engine = await withPolicies(`${ALL_BUT_STAYS}\n${own}`)
    expect(engine.decide(asks(stays)).rows).toBeDefined()
    expect(effect(engine, adults)).toBe('deny')
    expect(engine.why(asks(adults)).facts[0]?.text).toContain('is for some rows only')
    expect(engine.why(asks(adults)).decision.effect).toBe('deny')
    const all = await withPolicies(`permit (principal, action == Action::"view", resource is Dataset) when ${NORTH};`)
    expect(all.decide(asks(counts))).toMatchObject({ effect: 'allow', rows: { digest: all.decide(asks(stays)).rows?.digest } })
    // Of some rows of it somebody decided, of the others nobody did.
    const some = await withPolicies(`${ALL_BUT_STAYS.replace('action,', 'action == Action::"view",').replace('unless', `when ${NORTH} unless`)}\n@id("n") permit (principal, action == Action::"view", resource == Dataset::"adults") when { resource.row.integer.hasTag("age") };`) // prettier-ignore
    expect(effect(some, adults)).toBe('deny')
  })

  it('is masked where a column is masked in what it came of', async () => {
    const mask = `@mask_columns("income=coarse") permit (principal, action == Action::"view", resource == Dataset::"stays");`
    const engine = await withPolicies(`@mask_columns("age=redact") permit (principal, action == Action::"view", resource is Dataset) unless { resource == Dataset::"stays" };\n${mask}`) // prettier-ignore
    expect(engine.decide(asks(counts)).obligations.columns).toEqual({ age: 'redact', default: 'keep', income: 'coarse' })
    expect(engine.decide(asks(set('apart'))).obligations.columns).toEqual({ age: 'redact' })
  })

  it('binds acts on rows alone: it is erased and held by what is said of itself', async () => {
    const engine = await withPolicies(ALL_BUT_STAYS)
    for (const action of ['erase', 'hold'] as const) expect([action, effect(engine, adults, action)]).toEqual([action, 'allow'])
  })

  it('is decided in bounded time, however often the same went into it, and refused beyond a bound', async () => {
    const engine = await withPolicies('permit (principal, action, resource is Dataset);')
    let [left, right] = [set('left-0', stays), set('right-0', stays)]
    for (let depth = 1; depth < 400; depth++) [left, right] = [set(`left-${depth}`, left, right), set(`right-${depth}`, left, right)]
    expect(effect(engine, left)).toBe('allow')
    let chain = stays
    for (let depth = 0; depth < 1_002; depth++) chain = set(`link-${depth}`, chain)
    expect(effect(engine, chain)).toBe('deny')
    expect(engine.why(asks(chain)).decision.effect).toBe('deny')
  })
})
