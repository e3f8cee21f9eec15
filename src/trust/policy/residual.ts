import { compileExpression, type Compiled, CONSTANT, type Expression, FAILURE, operatorOf } from './compile-expression.ts'
import { EvaluationFailure } from './evaluation-failure.ts'
import type { Evaluation } from './evaluation.ts'
import { isRowPath, operandsOf, readsRow } from './row-reads.ts'
import { structuralKey, type Value } from './values.ts'

/** What an expression comes to when all but the row is known. */
export type Reduced =
  | { readonly is: 'known'; readonly value: Value }
  /** It cannot be evaluated, whatever the row. */
  | { readonly is: 'failed'; readonly reason: string }
  /** It depends on the row, and has the same value, errors included, as the expression that it was made from. */
  | { readonly is: 'open'; readonly expression: Expression }

/** Operators whose value, if there is one, is a Boolean: beside `true` in a conjunction they can stand alone. */
const BOOLEAN: ReadonlySet<string> = new Set([
  '&&',
  '||',
  '!',
  '==',
  '!=',
  '<',
  '<=',
  '>',
  '>=',
  'in',
  'is',
  'has',
  'like',
  'contains',
  'containsAll',
  'containsAny',
  'isEmpty',
  'hasTag',
])

/**
 * Partial evaluation with the row unknown: each part that does not read the row is evaluated once, and Cedar's order of evaluation
 * decides what then remains. Nothing that may fail for a row is dropped.
 */
export function reduce(expression: Expression, request: Evaluation): Reduced {
  if (!readsRow(expression)) return evaluated(expression, request)
  if (isRowPath(expression)) return { is: 'open', expression }
  const [name, operand] = operatorOf(expression)
  if (name === '&&' || name === '||') {
    const { left, right } = operand as { readonly left: Expression; readonly right: Expression }
    return connected(name, reduce(left, request), right, request)
  }
  if (name === 'if-then-else') {
    const branch = operand as { readonly if: Expression; readonly then: Expression; readonly else: Expression }
    const condition = reduce(branch.if, request)
    if (condition.is === 'failed') return condition
    if (condition.is === 'known') {
      if (typeof condition.value !== 'boolean') return notBoolean
      return reduce(condition.value ? branch.then : branch.else, request)
    }
  }
  return { is: 'open', expression: rebuilt(name, operand, request) }
}

function connected(name: '&&' | '||', first: Reduced, right: Expression, request: Evaluation): Reduced {
  if (first.is === 'failed') return first
  const passes = name === '&&'
  if (first.is === 'known') {
    if (typeof first.value !== 'boolean') return notBoolean
    if (first.value !== passes) return first
  }
  const second = reduce(right, request)
  if (first.is === 'known') {
    if (second.is === 'failed') return second
    if (second.is === 'known') return typeof second.value === 'boolean' ? second : notBoolean
    if (isBoolean(second.expression)) return second
  } else if (second.is === 'known' && second.value === passes && isBoolean(first.expression)) return first
  const pair = { left: expressionOf(first), right: expressionOf(second) }
  return { is: 'open', expression: { [name]: pair } }
}

const notBoolean: Reduced = { is: 'failed', reason: 'type error: expected bool' }
const isBoolean = (expression: Expression): boolean => BOOLEAN.has(operatorOf(expression)[0])

function rebuilt(name: string, operand: unknown, request: Evaluation): Expression {
  const parts = operandsOf(name, operand).map(([key, part]) => {
    return [key, expressionOf(reduce(part as Expression, request))] as const
  })
  if (Array.isArray(operand)) return { [name]: parts.map(([, part]) => part) }
  return { [name]: name === 'Record' ? Object.fromEntries(parts) : { ...(operand as object), ...Object.fromEntries(parts) } }
}

/** What fails is kept, and fails when its turn comes. */
function expressionOf(reduced: Reduced): Expression {
  if (reduced.is === 'known') return { [CONSTANT]: reduced.value }
  return reduced.is === 'open' ? reduced.expression : { [FAILURE]: reduced.reason }
}

const compiled = new WeakMap<Expression, Compiled>()

function evaluated(expression: Expression, request: Evaluation): Reduced {
  let run = compiled.get(expression)
  if (!run) compiled.set(expression, (run = compileExpression(expression)))
  try {
    return { is: 'known', value: run(request) }
  } catch (thrown) {
    if (thrown instanceof EvaluationFailure) return { is: 'failed', reason: thrown.message }
    throw thrown
  }
}

/** The expression as JSON, constants by their structural key: two that are written alike mean the same for every row. */
export function writtenResidual(expression: Expression): unknown {
  const [name, operand] = operatorOf(expression)
  if (name === CONSTANT) return { constant: structuralKey(operand as Value) }
  if (name === FAILURE) return { failure: true }
  const parts = operandsOf(name, operand).map(([key, part]) => [key, writtenResidual(part as Expression)] as const)
  if (Array.isArray(operand)) return { [name]: parts.map(([, part]) => part) }
  if (parts.length === 0 && name !== 'Record') return { [name]: operand }
  return { [name]: name === 'Record' ? Object.fromEntries(parts) : { ...(operand as object), ...Object.fromEntries(parts) } }
}
