import { asBoolean, compileExpression, type Expression, operatorOf } from './compile-expression.ts'
import { EvaluationFailure } from './evaluation-failure.ts'
import type { Evaluation } from './evaluation.ts'
import { printExpression, printValue } from './print-expression.ts'
import { SetValue, type Value } from './values.ts'

/** One test of a policy as it came out for a request, and what would make it come out otherwise. */
export interface Blame {
  /** The facts read, e.g. `context.purpose = "marketing"`. */
  readonly observed: string
  /** e.g. `one of "credit-scoring"`, or the test itself. */
  readonly wanted: string
  /** Whether an attribute or the context was read, not just principal, action or resource themselves. */
  readonly changeable: boolean
}

// A test of hundreds of operators would make a page, not an answer.
const MAX_BLAMES = 6
const MAX_LEAVES = 24

/**
 * Finds the leaves of a Boolean expression that made it come out as it did.
 * @returns one entry for each leaf, changing any (of a conjunction that is true) or some of which changes the outcome.
 */
export function blame(expression: Expression, request: Evaluation): readonly Blame[] {
  const found: Blame[] = []
  walk(expression, request, found)
  // What kind of thing was asked for seldom can be changed: facts that can come first, and alone if there are any.
  const changeable = found.filter(({ changeable }) => changeable)
  return (changeable.length > 0 ? changeable : found).slice(0, MAX_BLAMES)
}

function walk(expression: unknown, request: Evaluation, found: Blame[]): void {
  if (found.length >= MAX_LEAVES) return
  const [name, operand] = operatorOf(expression)
  const { left, right, arg } = operand as Readonly<Record<string, unknown>>
  if (name === '!') return walk(arg, request, found)
  if (name === '&&' || name === '||') {
    const decided = outcome(left, request) === (name === '||')
    // The left side decided alone, or the right side did, or both had to come out as they did.
    if (!decided && outcome(right, request) === (name === '||')) return walk(right, request, found)
    walk(left, request, found)
    return decided ? undefined : walk(right, request, found)
  }
  if (name === 'if-then-else') {
    const branch = operand as { readonly if: unknown; readonly then: unknown; readonly else: unknown }
    walk(branch.if, request, found)
    return walk(outcome(branch.if, request) === true ? branch.then : branch.else, request, found)
  }
  found.push(leaf(name, expression as Expression, { left, right }, request))
}

function leaf(
  name: string,
  expression: Expression,
  { left, right }: { readonly left: unknown; readonly right: unknown },
  request: Evaluation,
): Blame {
  const came = outcome(expression, request)
  const facts = new Map<string, string>()
  collectFacts(expression, request, facts)
  const changeable = [...facts.keys()].some((fact) => fact.includes('.') || fact.includes('['))
  const set = name === 'contains' && came === false ? evaluate(left, request) : undefined
  if (set instanceof SetValue) {
    facts.clear()
    collectFacts(right, request, facts)
    return { observed: join(facts), wanted: `one of ${set.elements.map(printValue).join(', ') || 'nothing: the set is empty'}`, changeable }
  }
  const equal = name === '==' && came === false ? evaluate(right, request) : undefined
  if (equal !== undefined) return { observed: join(facts), wanted: printValue(equal), changeable }
  const text = printExpression(expression)
  const wanted = came === undefined ? `\`${text}\` to be evaluable` : `\`${text}\` to be ${came ? 'false' : 'true'}`
  return { observed: join(facts), wanted, changeable }
}

function join(facts: ReadonlyMap<string, string>): string {
  return [...facts].map(([name, value]) => `${name} = ${value}`).join(', ')
}

/** The attributes and variables that an expression reads, with their values. */
function collectFacts(expression: unknown, request: Evaluation, facts: Map<string, string>): void {
  if (facts.size >= MAX_BLAMES) return
  const [name, operand] = operatorOf(expression)
  if (name === '.' || name === 'Var') {
    const value = evaluate(expression, request)
    facts.set(printExpression(expression), value === undefined ? '(absent)' : printValue(value))
    return
  }
  if (name === 'Value' || typeof operand !== 'object' || operand === null) return
  for (const part of Object.values(operand)) {
    const inner: readonly unknown[] = Array.isArray(part) ? part : [part]
    for (const one of inner) if (isExpression(one)) collectFacts(one, request, facts)
  }
}

function isExpression(part: unknown): boolean {
  return typeof part === 'object' && part !== null && Object.keys(part).length === 1 && !('Literal' in part)
}

function evaluate(expression: unknown, request: Evaluation): Value | undefined {
  try {
    return compileExpression(expression as Expression)(request)
  } catch (thrown) {
    if (thrown instanceof EvaluationFailure) return undefined
    throw thrown
  }
}

function outcome(expression: unknown, request: Evaluation): boolean | undefined {
  const value = evaluate(expression, request)
  return value === undefined ? undefined : typeof value === 'boolean' ? asBoolean(value) : undefined
}
