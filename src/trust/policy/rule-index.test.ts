import { beforeAll, describe, expect, it } from 'vitest'
import type { Action, DecisionContext, DecisionQuery } from '#foundation/core'
import { authorize } from './authorize.ts'
import { defaultPolicyFiles, loadPolicies, type PolicyEngine } from './index.ts'
import { randomSource } from './oracle-draws.ts'
import { account, bare, context, dataset, endpoint, model, role } from './policy-fixtures.ts'
import { ContextConverter, convertEntity, PolicyRequest } from './request.ts'

const EACH = [0, 1, 2, 3, 4, 5]
/** Six of each kind that is looked up, with something behind the first test that can fail. */
const LOOKED_UP: readonly ((n: number) => string)[] = [
  (n) => `permit (principal, action == Action::"view", resource) when { context.hour == ${n} };`,
  (n) => `forbid (principal, action, resource) when { ${n} == context.weekday && context.risk * 9007199254740991 * 1200 >= ${n} };`,
  (n) => `forbid (principal, action == Action::"invoke", resource) when { context.purpose == "purpose-${n}" };`,
  (n) => `permit (principal, action, resource is Model) when { context.risk > ${20 * n} && context.hour < 12 };`,
  (n) => `forbid (principal, action, resource) when { context.mfaAge >= ${100 * n} && context.hour == 13 };`,
  (n) => `forbid (principal, action, resource) when { ${n} > context.approvals && context.hour == 14 };`,
  (n) => `permit (principal, action, resource) when { context.approvals <= ${n} };`,
  (n) => `forbid (principal, action, resource) when { context.now > datetime("2026-01-0${n + 1}") && context.weekday == 5 };`,
  (n) => `forbid (principal, action, resource) when { context.sourceAddress.isInRange(ip("10.${n}.0.0/1${n}")) && context.hour == 15 };`,
  (n) => `forbid (principal, action == Action::"invoke", resource == Model::"model-${n}");`,
  (n) => `forbid (principal, action, resource is Model) when { resource.foreign && context.risk * ${2 ** 50 + n} * 100000 > 0 };`,
  (n) => `permit (principal, action, resource is Endpoint) when { resource.sandbox && context.hour > ${n} };`,
  (n) => `forbid (principal, action, resource) when { context.breakGlass == true && context.hour == ${n} };`,
]

let engine: PolicyEngine
beforeAll(async () => {
  const text = LOOKED_UP.flatMap((kind) => EACH.map(kind)).join('\n')
  engine = await loadPolicies({ files: [...defaultPolicyFiles(), { name: 'many.cedar', text }], shadowRate: 50 })
})

function requests(seed: number, count: number): readonly DecisionQuery[] {
  const random = randomSource(seed)
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  const principals = ['application', 'data-scientist', 'deployer', 'auditor'].map((name) => account(name, { parents: [role(name)] }))
  const models = EACH.map((n) => ({ ...model, id: `model-${n + 3}`, attributes: { ...model.attributes, foreign: n % 2 === 0 } }))
  return Array.from({ length: count }, () => {
    const facts: DecisionContext = {
      ...context,
      now: pick([Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 3), Date.UTC(2026, 0, 3) + 1, Date.UTC(2026, 11, 1)]),
      hour: pick([0, 2, 3, 5, 6, 12, 13, 14, 15, 23]),
      weekday: pick([0, 3, 5, 6]),
      purpose: pick(['credit-scoring', 'purpose-2', 'purpose-9']),
      risk: pick([0, 20, 21, 79, 80]),
      mfaAge: pick([0, 99, 100, 101, 500, 501]),
      approvals: pick([0, 1, 4, 5, 6]),
      sourceAddress: pick(['10.0.0.1', '10.4.5.6', '10.255.0.1', '192.0.2.7', '2001:db8::1', '10.2.0.0/20', '0.0.0.0/0']),
      breakGlass: pick([true, false]),
    }
    const resource = pick([...models, dataset, endpoint, bare('System')])
    return { principal: pick(principals), action: pick<Action>(['view', 'invoke', 'deploy']), resource, context: facts }
  })
}

describe('policies that are looked up', () => {
  it('decide as if each were asked: the same effect, reasons and errors (B1, B7)', () => {
    const { schema, rules } = engine.set
    const seed = Date.now() % 2 ** 31
    const seen = { allow: 0, deny: 0, erred: 0 }
    for (const query of requests(seed, 4000)) {
      const action = schema.actions.get(query.action)!
      if (!action.resources.has(query.resource.type)) continue
      const request = new PolicyRequest(
        convertEntity(query.principal, schema)!,
        action.entity,
        convertEntity(query.resource, schema)!,
        new ContextConverter().convert(query.context)!,
        schema.actionEntities,
      )
      const { effect, reasons, errors } = authorize(rules, request)
      const ours = engine.decide(query)
      expect({ policies: ours.policies, errors: ours.errors }, `seed ${seed}`).toEqual({ policies: reasons, errors })
      expect(ours.effect).toBe(errors.length > 0 ? 'deny' : effect)
      seen[errors.length > 0 ? 'erred' : effect]++
    }
    for (const count of Object.values(seen)) expect(count, `seed ${seed}`).toBeGreaterThan(100)
    expect(engine.shadow.mismatches).toBe(0)
    expect(engine.shadow.compared).toBeGreaterThan(50)
  })

  it('refuse a malformed address although no policy reads it', async () => {
    const plain = await loadPolicies({ files: [{ name: 'a.cedar', text: 'permit (principal, action, resource);' }] })
    const [query] = requests(1, 1)
    const ask = (sourceAddress: string) =>
      plain.decide({ ...query!, action: 'view', resource: bare('System'), context: { ...query!.context, sourceAddress } }).effect
    expect([ask('10.0.0.1'), ask('10.0.0.256'), ask('')]).toEqual(['allow', 'deny', 'deny'])
  })
})
