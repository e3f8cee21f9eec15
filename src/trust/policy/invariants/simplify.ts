import { compileExpression, type Expression, operatorOf } from '../compile-expression.ts'
import type { ScopeJson, UidJson } from '../compile-policy.ts'
import { EvaluationFailure } from '../evaluation-failure.ts'
import { EMPTY_RECORD, type Evaluation } from '../evaluation.ts'
import type { PolicySchema } from '../schema.ts'
import { entityKey, EntityValue, type Value } from '../values.ts'

/** What is fixed while one group of requests is enumerated. */
export interface Kinds {
  readonly action: string
  readonly principal: string
  readonly resource: string
}

export const TRUE: Expression = { Value: true }
export const FALSE: Expression = { Value: false }
export const isTrue = (expression: Expression): boolean => expression['Value'] === true
export const isFalse = (expression: Expression): boolean => expression['Value'] === false

interface Pair {
  readonly left: Expression
  readonly right: Expression
}

/** A scope of a policy as the expression that says the same. */
export function scopeExpression(name: 'principal' | 'action' | 'resource', scope: ScopeJson): Expression {
  const left = { Var: name }
  const literal = (entity: ScopeJson['entity']): Expression => ({ Value: { __entity: uidOf(entity) } })
  if (scope.op === 'All') return TRUE
  if (scope.op === '==') return { '==': { left, right: literal(scope.entity) } }
  if (scope.op === 'in')
    return { in: { left, right: scope.entities ? { Set: scope.entities.map((entity) => literal(entity)) } : literal(scope.entity) } }
  return { is: { left, entity_type: scope.entity_type, ...(scope.in ? { in: literal(scope.in.entity) } : {}) } }
}

function uidOf(entity: ScopeJson['entity']): UidJson | undefined {
  return entity && '__entity' in entity ? entity.__entity : entity
}

/**
 * Folds what the kinds decide: the action, and of which types principal and resource are. The result has the same value as `expression`
 * for every request of these kinds, errors included: nothing that may fail and stands to the left is dropped.
 */
export function simplify(expression: Expression, kinds: Kinds, schema: PolicySchema): Expression {
  const [name, operand] = operatorOf(expression)
  const again = (part: unknown): Expression => simplify(part as Expression, kinds, schema)
  if (name === '&&' || name === '||') {
    const { left, right } = operand as Pair
    const [stops, passes] = name === '&&' ? [isFalse, isTrue] : [isTrue, isFalse]
    const first = again(left)
    if (stops(first)) return first
    const second = again(right)
    if (passes(first)) return second
    return passes(second) ? first : { [name]: { left: first, right: second } }
  }
  if (name === '!') {
    const arg = again((operand as { readonly arg: unknown }).arg)
    return isTrue(arg) ? FALSE : isFalse(arg) ? TRUE : { '!': { arg } }
  }
  if (name === 'if-then-else') {
    const branch = operand as { readonly if: unknown; readonly then: unknown; readonly else: unknown }
    const condition = again(branch.if)
    if (isTrue(condition)) return again(branch.then)
    if (isFalse(condition)) return again(branch.else)
    const parts = [
      ['if', condition],
      ['then', again(branch.then)],
      ['else', again(branch.else)],
    ]
    return { 'if-then-else': Object.fromEntries(parts) as unknown }
  }
  if (name === 'is') {
    const {
      left,
      entity_type: type,
      in: group,
    } = operand as { readonly left: Expression; readonly entity_type: string; readonly in?: unknown }
    const known = typeOf(left, kinds)
    if (known === null) return expression
    if (known !== type) return FALSE
    return group === undefined ? TRUE : again({ in: { left, right: group } })
  }
  if (name === 'in' && (operand as Pair).left['Var'] === 'action') return folded(expression, kinds, schema)
  return readsOnlyAction(expression) ? folded(expression, kinds, schema) : expression
}

function typeOf(expression: Expression, kinds: Kinds): string | null {
  const variable = expression['Var']
  if (variable === 'principal') return kinds.principal
  if (variable === 'resource') return kinds.resource
  return variable === 'action' ? 'Action' : null
}

function readsOnlyAction(expression: unknown): boolean {
  if (typeof expression !== 'object' || expression === null) return true
  if (Array.isArray(expression)) return expression.every(readsOnlyAction)
  return Object.entries(expression).every(([name, part]) => (name === 'Var' ? part === 'action' : readsOnlyAction(part)))
}

/** An expression that reads nothing but the action has one value; one that fails is left as it is, and fails when asked. */
function folded(expression: Expression, kinds: Kinds, schema: PolicySchema): Expression {
  const value = constantOf(expression, kinds, schema)
  return typeof value === 'boolean' ? { Value: value } : expression
}

export function constantOf(expression: Expression, kinds: Kinds, schema: PolicySchema): Value | undefined {
  const nobody = new EntityValue(kinds.principal, '')
  const request: Evaluation = {
    principal: nobody,
    action: schema.actionEntities.get(entityKey('Action', kinds.action))?.uid ?? nobody,
    resource: nobody,
    context: EMPTY_RECORD,
    entities: { find: (key) => schema.actionEntities.get(key) },
  }
  try {
    return compileExpression(expression)(request)
  } catch (thrown) {
    if (thrown instanceof EvaluationFailure) return undefined
    throw thrown
  }
}

/** The Boolean leaves of an expression: what stands between `&&`, `||`, `!` and `if`. */
export function atomsOf(expression: Expression, into: Map<string, Expression>): void {
  const [name, operand] = operatorOf(expression)
  const inner = (part: unknown): void => atomsOf(part as Expression, into)
  if (name === '&&' || name === '||') {
    inner((operand as Pair).left)
    inner((operand as Pair).right)
  } else if (name === '!') inner((operand as { readonly arg: unknown }).arg)
  else if (name === 'if-then-else') Object.values(operand as object).forEach(inner)
  else if (!isTrue(expression) && !isFalse(expression)) into.set(atomKey(expression), expression)
}

export const atomKey = (expression: Expression): string => JSON.stringify(expression)

/** Truth of an atom: false, true, or not evaluable. */
export const NO = 0
export const YES = 1
export const FAILS = 2
export type Truth = typeof NO | typeof YES | typeof FAILS

/** A Boolean expression as a function of the truth of its atoms, in Cedar's order of evaluation. */
export function overAtoms(expression: Expression, place: (atom: string) => number): (truths: Uint8Array) => Truth {
  const [name, operand] = operatorOf(expression)
  const inner = (part: unknown): ((truths: Uint8Array) => Truth) => overAtoms(part as Expression, place)
  if (isTrue(expression)) return () => YES
  if (isFalse(expression)) return () => NO
  if (name === '&&' || name === '||') {
    const left = inner((operand as Pair).left)
    const right = inner((operand as Pair).right)
    const passes = name === '&&' ? YES : NO
    return (truths) => {
      const first = left(truths)
      return first === passes ? right(truths) : first
    }
  }
  if (name === '!') {
    const arg = inner((operand as { readonly arg: unknown }).arg)
    return (truths) => {
      const truth = arg(truths)
      return truth === FAILS ? FAILS : truth === YES ? NO : YES
    }
  }
  if (name === 'if-then-else') {
    const branch = operand as { readonly if: unknown; readonly then: unknown; readonly else: unknown }
    const [condition, consequent, alternative] = [inner(branch.if), inner(branch.then), inner(branch.else)]
    return (truths) => {
      const truth = condition(truths)
      return truth === FAILS ? FAILS : truth === YES ? consequent(truths) : alternative(truths)
    }
  }
  const index = place(atomKey(expression))
  return (truths) => truths[index] as Truth
}
