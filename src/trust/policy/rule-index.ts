import { compileExpression, type Compiled, type Expression, operatorOf } from './compile-expression.ts'
import { DateTime } from './datetime.ts'
import { EvaluationFailure } from './evaluation-failure.ts'
import { EMPTY_RECORD, type Evaluation } from './evaluation.ts'
import { IpAddress } from './ip-address.ts'
import type { LoadedRule } from './policy-set.ts'
import { CONTEXT_FIELDS } from './request.ts'
import { EntityValue, type Value } from './values.ts'

/**
 * Policies so arranged that a request meets few of them. A policy is left out only where its scope does not hold the resource, or where
 * the test that Cedar makes first cannot fail and comes out false: a context attribute compared with a constant, the caller's address
 * looked for in a network, a flag of the resource. It then neither applies nor fails, and Cedar's answer is the same without it.
 */
export interface RuleIndex {
  /** All of them, sorted by id. */
  readonly all: readonly LoadedRule[]
  /** Those that may apply or fail. Not sorted, where there are any beside the ones that are asked always. */
  of(request: Evaluation): readonly LoadedRule[]
}

/** The first test of a policy, where it is of a kind that is looked up. `attribute` is the context's, for a flag the resource's. */
interface FirstTest {
  readonly attribute: string
  readonly is: '==' | 'above' | 'below' | 'within' | 'flag'
  readonly constant: Value
}

/** Fewer are asked one by one at the same cost: of one kind, and in all. */
const WORTH_LOOKING_UP = 4
const WORTH_AN_INDEX = 12

type Select = (request: Evaluation, into: LoadedRule[]) => void

export function indexRules(rules: readonly LoadedRule[]): RuleIndex {
  if (rules.length < WORTH_AN_INDEX) return { all: rules, of: () => rules }
  const asked: LoadedRule[] = []
  const groups = new Map<string, { readonly rules: LoadedRule[]; readonly select: (rules: readonly LoadedRule[]) => Select }>()
  const put = (group: string, rule: LoadedRule, select: (rules: readonly LoadedRule[]) => Select): void => {
    const known = groups.get(group)
    if (known) known.rules.push(rule)
    else groups.set(group, { rules: [rule], select })
  }
  for (const rule of rules) {
    const test = firstTest(rule)
    if (rule.json.resource.op === '==') put('resource', rule, byResource)
    else if (test) put(`${test.is} ${test.attribute}`, rule, selectBy(test))
    else asked.push(rule)
  }
  const selects: Select[] = []
  for (const { rules: own, select } of groups.values()) {
    if (own.length < WORTH_LOOKING_UP) asked.push(...own)
    else selects.push(select(own))
  }
  if (selects.length === 0) return { all: rules, of: () => rules }
  return {
    all: rules,
    of(request) {
      const found = asked.slice()
      for (const select of selects) select(request, found)
      return found
    },
  }
}

function add(rules: readonly LoadedRule[] | undefined, into: LoadedRule[]): void {
  if (rules) for (const rule of rules) into.push(rule)
}

function selectBy({ is, attribute }: FirstTest): (rules: readonly LoadedRule[]) => Select {
  if (is === '==') return byValue(attribute)
  if (is === 'within') return byNetwork(attribute)
  return is === 'flag' ? byFlag(attribute) : byOrder(attribute, is)
}

function byResource(rules: readonly LoadedRule[]): Select {
  const byKey = Map.groupBy(rules, ({ json }) => {
    const { entity } = json.resource
    const uid = entity && '__entity' in entity ? entity.__entity : entity
    return new EntityValue(uid?.type ?? '', uid?.id ?? '').key
  })
  return ({ resource }, into) => add(byKey.get(resource.key), into)
}

const byValue =
  (attribute: string) =>
  (rules: readonly LoadedRule[]): Select => {
    const byConstant = Map.groupBy(rules, (rule) => firstTest(rule)?.constant)
    return ({ context }, into) => add(byConstant.get(context.fields.get(attribute)), into)
  }

/** Sorted by the constant, so that those which the attribute lies beyond stand together. */
const byOrder =
  (attribute: string, is: 'above' | 'below') =>
  (rules: readonly LoadedRule[]): Select => {
    const sign = is === 'above' ? 1 : -1
    const ordered = rules.map((rule) => ({ rule, at: sign * rank(firstTest(rule)?.constant) })).sort((left, right) => left.at - right.at)
    return ({ context }, into) => {
      const value = sign * rank(context.fields.get(attribute))
      for (const { rule, at } of ordered) {
        // The constant itself is let through: whether it counts, the policy says.
        if (at > value) return
        into.push(rule)
      }
    }
  }

/** Callers come from few addresses, and the converter gives the same object for the same address. */
const byNetwork =
  (attribute: string) =>
  (rules: readonly LoadedRule[]): Select => {
    const found = new WeakMap<IpAddress, readonly LoadedRule[]>()
    return ({ context }, into) => {
      const address = context.fields.get(attribute)
      if (!(address instanceof IpAddress)) return add(rules, into)
      let own = found.get(address)
      if (!own) found.set(address, (own = rules.filter((rule) => address.isInRange(firstTest(rule)?.constant as IpAddress))))
      return add(own, into)
    }
  }

const byFlag =
  (attribute: string) =>
  (rules: readonly LoadedRule[]): Select =>
  ({ resource, entities }, into) => {
    // Absent, or no flag at all: the policies say what then.
    if (entities.find(resource.key)?.attributes.fields.get(attribute) !== false) add(rules, into)
  }

/** Longs and instants of the context are safe integers; anything else has no rank, and everything is let through. */
function rank(value: Value | undefined): number {
  if (value instanceof DateTime) return Number(value.epochMs)
  return typeof value === 'number' ? value : Number.NaN
}

const COMPARISONS: ReadonlyMap<string, readonly ['above' | 'below', 'below' | 'above']> = new Map([
  ['>', ['above', 'below']],
  ['>=', ['above', 'below']],
  ['<', ['below', 'above']],
  ['<=', ['below', 'above']],
])

const known = new WeakMap<LoadedRule, FirstTest | null>()

function firstTest(rule: LoadedRule): FirstTest | null {
  let test = known.get(rule)
  if (test === undefined) known.set(rule, (test = readFirstTest(rule)))
  return test
}

function readFirstTest({ json }: LoadedRule): FirstTest | null {
  const [condition] = json.conditions
  if (condition?.kind !== 'when') return null
  let expression = condition.body
  for (let [name, operand] = operatorOf(expression); name === '&&'; [name, operand] = operatorOf(expression))
    expression = (operand as { readonly left: Expression }).left
  const [name, operand] = operatorOf(expression)
  if (name === '.') {
    const { left, attr } = operand as { readonly left: Expression; readonly attr: string }
    return left['Var'] === 'resource' ? { attribute: attr, is: 'flag', constant: true } : null
  }
  if (name === 'isInRange') {
    const [address, network] = operand as readonly [Expression, Expression]
    const [attribute, constant] = [contextAttribute(address), constantOf(network)]
    return attribute !== null && constant instanceof IpAddress ? { attribute, is: 'within', constant } : null
  }
  if (name !== '==' && !COMPARISONS.has(name)) return null
  const { left, right } = operand as { readonly left: Expression; readonly right: Expression }
  const [attribute, other, turned] =
    contextAttribute(left) === null ? [contextAttribute(right), left, 1] : [contextAttribute(left), right, 0]
  const constant = attribute === null ? undefined : constantOf(other)
  if (attribute === null || constant === undefined) return null
  if (name === '==') return typeof constant === 'object' ? null : { attribute, is: '==', constant }
  const is = COMPARISONS.get(name)?.[turned as 0 | 1]
  return is === undefined || Number.isNaN(rank(constant)) ? null : { attribute, is, constant }
}

function contextAttribute(expression: Expression): string | null {
  const { left, attr } = (expression['.'] ?? {}) as { readonly left?: Expression; readonly attr?: unknown }
  // One that every request has: to compare it cannot fail.
  return left?.['Var'] === 'context' && typeof attr === 'string' && CONTEXT_FIELDS.has(attr) ? attr : null
}

const NOBODY = new EntityValue('', '')
const NOTHING: Evaluation = {
  principal: NOBODY,
  action: NOBODY,
  resource: NOBODY,
  context: EMPTY_RECORD,
  entities: { find: () => undefined },
}

/** A literal, or an extension value made of literals. */
function constantOf(expression: Expression): Value | undefined {
  const [name, operand] = operatorOf(expression)
  if (name !== 'Value' && name !== 'datetime' && name !== 'ip') return undefined
  if (name !== 'Value' && operatorOf((operand as readonly unknown[])[0])[0] !== 'Value') return undefined
  try {
    const run: Compiled = compileExpression(expression)
    return run(NOTHING)
  } catch (thrown) {
    if (thrown instanceof EvaluationFailure) return undefined
    throw thrown
  }
}
