import { RedoubtError } from '#foundation/core'
import { DateTime, Duration } from './datetime.ts'
import { fail } from './evaluation-failure.ts'
import type { Evaluation } from './evaluation.ts'
import { EXTENSION_FUNCTIONS } from './extension-functions.ts'
import { compileLike, type PatternElement } from './like.ts'
import { add, type Long, multiply, negate, subtract } from './long.ts'
import { EntityValue, equals, RecordValue, SetValue, typeName, type Value } from './values.ts'

/** A node of Cedar's JSON policy format: an object whose one member names the operator. */
export type Expression = { readonly [operator: string]: unknown }
/** @throws {EvaluationFailure} where Cedar reports an evaluation error. */
export type Compiled = (request: Evaluation) => Value

/** A compiled node; `constant` is set when the value does not depend on the request. */
interface Node {
  readonly run: Compiled
  readonly constant?: Value
}

/** Names a node that holds a `Value` as it is. Residuals have such nodes; what Cedar writes never does. */
export const CONSTANT = '\0constant'
/** Names a node that cannot be evaluated, with the reason; in residuals alone too. */
export const FAILURE = '\0failure'

/** Deepest expression that is compiled; within it neither the compiler nor the closures can exhaust the stack. */
export const MAX_EXPRESSION_DEPTH = 1200

export function compileExpression(expression: Expression): Compiled {
  return compile(expression, 0).run
}

/** @returns the operator of a node and its operand. @throws {RedoubtError} `ERR_POLICY_INVALID` for anything that is not one. */
export function operatorOf(expression: unknown): readonly [string, unknown] {
  const names = typeof expression === 'object' && expression !== null ? Object.keys(expression) : []
  const [name] = names
  if (name === undefined || names.length !== 1)
    throw new RedoubtError('ERR_POLICY_INVALID', 'a policy holds an expression that is not understood')
  return [name, (expression as Record<string, unknown>)[name]]
}

function compile(expression: unknown, depth: number): Node {
  if (depth > MAX_EXPRESSION_DEPTH) throw new RedoubtError('ERR_POLICY_INVALID', 'an expression is nested too deeply')
  const [name, operand] = operatorOf(expression)
  if (name === CONSTANT) return constant(operand as Value)
  if (name === FAILURE) return { run: () => fail(operand as string) }
  const operator = OPERATORS.get(name)
  if (operator) return operator(operand as Operands, depth + 1)
  const extension = EXTENSION_FUNCTIONS.get(name)
  // INVARIANT: an operator that is not known here is refused at load, never skipped.
  if (!extension) throw new RedoubtError('ERR_POLICY_INVALID', `the operator \`${name}\` is not supported`)
  const operands = (operand as readonly unknown[]).map((argument) => compile(argument, depth + 1))
  const [first, second] = operands
  if (!first || operands.length !== extension.arity) {
    throw new RedoubtError('ERR_POLICY_INVALID', `\`${name}\` takes ${extension.arity} operands`)
  }
  if (!second) return unary(first, (value) => extension.apply(value, false))
  return binary(first, second, extension.apply)
}

interface Operands {
  readonly left: unknown
  readonly right: unknown
  readonly arg: unknown
}

function constant(value: Value): Node {
  return { run: () => value, constant: value }
}

/** Folds where the operands are constant. What fails on constants fails at each evaluation, as in Cedar. */
function unary(argument: Node, apply: (value: Value) => Value): Node {
  if (argument.constant !== undefined) return folded(() => apply(argument.constant as Value))
  const { run } = argument
  return { run: (request) => apply(run(request)) }
}

function binary(left: Node, right: Node, apply: (left: Value, right: Value) => Value): Node {
  if (left.constant !== undefined && right.constant !== undefined) {
    return folded(() => apply(left.constant as Value, right.constant as Value))
  }
  const { run: runLeft } = left
  if (right.constant !== undefined) {
    const fixed = right.constant
    return { run: (request) => apply(runLeft(request), fixed) }
  }
  const { run: runRight } = right
  return { run: (request) => apply(runLeft(request), runRight(request)) }
}

function folded(compute: () => Value): Node {
  try {
    return constant(compute())
  } catch {
    return { run: compute }
  }
}

export function asBoolean(value: Value): boolean {
  return typeof value === 'boolean' ? value : fail(`type error: expected bool, got ${typeName(value)}`)
}
function asLong(value: Value): Long {
  return typeof value === 'number' || typeof value === 'bigint' ? value : fail(`type error: expected long, got ${typeName(value)}`)
}
function asString(value: Value): string {
  return typeof value === 'string' ? value : fail(`type error: expected string, got ${typeName(value)}`)
}
function asSet(value: Value): SetValue {
  return value instanceof SetValue ? value : fail(`type error: expected set, got ${typeName(value)}`)
}
function asEntity(value: Value): EntityValue {
  return value instanceof EntityValue ? value : fail(`type error: expected entity, got ${typeName(value)}`)
}

/** Two Longs, two datetimes or two durations, as what JavaScript compares. */
function ordered(left: Value, right: Value, compare: (left: Long, right: Long) => boolean): boolean {
  if (left instanceof DateTime && right instanceof DateTime) return compare(left.epochMs, right.epochMs)
  if (left instanceof Duration && right instanceof Duration) return compare(left.ms, right.ms)
  return compare(asLong(left), asLong(right))
}

function order(compare: (left: Long, right: Long) => boolean): Operator {
  return ({ left, right }, depth) => binary(compile(left, depth), compile(right, depth), (a, b) => ordered(a, b, compare))
}

function arithmetic(compute: (left: Long, right: Long) => Long): Operator {
  return ({ left, right }, depth) => binary(compile(left, depth), compile(right, depth), (a, b) => compute(asLong(a), asLong(b)))
}

function isIn(request: Evaluation, entity: EntityValue, group: Value): boolean {
  if (group instanceof EntityValue) return isUnder(request, entity, group)
  if (!(group instanceof SetValue)) return fail(`type error: expected set or entity, got ${typeName(group)}`)
  // Cedar checks the types of all elements before it asks the first, so one that is no entity is an error wherever it stands.
  for (const element of group.elements) asEntity(element)
  for (const element of group.elements) if (isUnder(request, entity, element as EntityValue)) return true
  return false
}

function isUnder(request: Evaluation, entity: EntityValue, group: EntityValue): boolean {
  return entity.key === group.key || (request.entities.find(entity.key)?.ancestors.has(group.key) ?? false)
}

/** The attribute, or undefined where there is none. An entity that is not known has none. */
function attributeOf(request: Evaluation, value: Value, name: string): Value | undefined {
  if (value instanceof RecordValue) return value.fields.get(name)
  if (value instanceof EntityValue) return request.entities.find(value.key)?.attributes.fields.get(name)
  return fail(`type error: expected record or entity, got ${typeName(value)}`)
}

function member({ left, attr }: { readonly left: unknown; readonly attr: string }, depth: number): Node {
  const { run } = compile(left, depth)
  return { run: (request) => attributeOf(request, run(request), attr) ?? fail(`there is no attribute \`${attr}\``) }
}

/** `has a.b.c` walks the path; a step that is absent is false, a step through what is no record or entity an error. */
function hasPath({ left, attr }: { readonly left: unknown; readonly attr: string | readonly string[] }, depth: number): Node {
  const { run } = compile(left, depth)
  const path = typeof attr === 'string' ? [attr] : attr
  return {
    run: (request) => {
      let value: Value | undefined = run(request)
      for (const name of path) {
        value = attributeOf(request, value, name)
        if (value === undefined) return false
      }
      return true
    },
  }
}

function isType(operand: { readonly left: unknown; readonly entity_type: string; readonly in?: unknown }, depth: number): Node {
  const { run } = compile(operand.left, depth)
  const type = operand.entity_type
  if (operand.in === undefined) return { run: (request) => asEntity(run(request)).type === type }
  const { run: group } = compile(operand.in, depth)
  // As Cedar: for another type the group is not looked at.
  return {
    run: (request) => {
      const entity = asEntity(run(request))
      return entity.type === type && isIn(request, entity, group(request))
    },
  }
}

function literal(value: unknown): Node {
  if (typeof value === 'boolean' || typeof value === 'string') return constant(value)
  if (typeof value === 'number') {
    // The JSON form carries doubles: beyond 2^53 the number written in the policy is lost already.
    if (Number.isSafeInteger(value)) return constant(value + 0)
    throw new RedoubtError('ERR_POLICY_INVALID', 'an integer literal lies beyond 2^53 − 1')
  }
  const entity = (value as { readonly __entity?: { readonly type: string; readonly id: string } } | null)?.__entity
  if (entity && typeof entity.type === 'string' && typeof entity.id === 'string') return constant(new EntityValue(entity.type, entity.id))
  throw new RedoubtError('ERR_POLICY_INVALID', 'a policy holds a literal that is not understood')
}

function variable(name: unknown): Node {
  if (name === 'principal') return { run: (request) => request.principal }
  if (name === 'action') return { run: (request) => request.action }
  if (name === 'resource') return { run: (request) => request.resource }
  if (name === 'context') return { run: (request) => request.context }
  throw new RedoubtError('ERR_POLICY_INVALID', 'a policy names an unknown variable')
}

function setOf(elements: readonly unknown[], depth: number): Node {
  const nodes = elements.map((element) => compile(element, depth))
  const values = nodes.map((node) => node.constant)
  if (values.every((value) => value !== undefined)) return constant(new SetValue(values))
  return { run: (request) => new SetValue(nodes.map((node) => node.run(request))) }
}

function recordOf(members: Readonly<Record<string, unknown>>, depth: number): Node {
  const nodes = Object.keys(members).map((name) => [name, compile(members[name], depth)] as const)
  return { run: (request) => new RecordValue(new Map(nodes.map(([name, node]) => [name, node.run(request)]))) }
}

// The operand of each operator has the shape of Cedar's JSON format, which the compiler reads from Cedar itself.
type Operator = (operand: Operands, depth: number) => Node
const withShape = (operator: (operand: never, depth: number) => Node): Operator => operator as unknown as Operator
const sets = (apply: (left: SetValue, right: SetValue) => boolean): Operator => {
  return ({ left, right }, depth) => binary(compile(left, depth), compile(right, depth), (a, b) => apply(asSet(a), asSet(b)))
}

/** Every operator of the expression language but the extension functions. @see Cedar JSON policy format, `Expr` */
const OPERATORS: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ['Value', withShape(literal)],
  ['Var', withShape(variable)],
  ['Set', withShape(setOf)],
  ['Record', withShape(recordOf)],
  ['.', withShape(member)],
  ['has', withShape(hasPath)],
  ['is', withShape(isType)],
  ['!', ({ arg }, depth) => unary(compile(arg, depth), (value) => !asBoolean(value))],
  ['neg', ({ arg }, depth) => unary(compile(arg, depth), (value) => negate(asLong(value)))],
  ['==', ({ left, right }, depth) => binary(compile(left, depth), compile(right, depth), equals)],
  ['!=', ({ left, right }, depth) => binary(compile(left, depth), compile(right, depth), (a, b) => !equals(a, b))],
  ['<', order((left, right) => left < right)],
  ['<=', order((left, right) => left <= right)],
  ['>', order((left, right) => left > right)],
  ['>=', order((left, right) => left >= right)],
  ['+', arithmetic(add)],
  ['-', arithmetic(subtract)],
  ['*', arithmetic(multiply)],
  [
    '&&',
    ({ left, right }, depth) => {
      const { run: first } = compile(left, depth)
      const { run: second } = compile(right, depth)
      return { run: (request) => asBoolean(first(request)) && asBoolean(second(request)) }
    },
  ],
  [
    '||',
    ({ left, right }, depth) => {
      const { run: first } = compile(left, depth)
      const { run: second } = compile(right, depth)
      return { run: (request) => asBoolean(first(request)) || asBoolean(second(request)) }
    },
  ],
  [
    'if-then-else',
    withShape((operand: { readonly if: unknown; readonly then: unknown; readonly else: unknown }, depth) => {
      const { run: condition } = compile(operand.if, depth)
      const { run: consequent } = compile(operand.then, depth)
      const { run: alternative } = compile(operand.else, depth)
      return { run: (request) => (asBoolean(condition(request)) ? consequent(request) : alternative(request)) }
    }),
  ],
  [
    'in',
    ({ left, right }, depth) => {
      const { run: entity } = compile(left, depth)
      const { run: group } = compile(right, depth)
      return { run: (request) => isIn(request, asEntity(entity(request)), group(request)) }
    },
  ],
  [
    'like',
    withShape(({ left, pattern }: { readonly left: unknown; readonly pattern: readonly PatternElement[] }, depth) => {
      const matches = compileLike(pattern)
      return unary(compile(left, depth), (value) => matches(asString(value)))
    }),
  ],
  ['contains', ({ left, right }, depth) => binary(compile(left, depth), compile(right, depth), (set, element) => asSet(set).has(element))],
  ['containsAll', sets((set, other) => other.elements.every((element) => set.has(element)))],
  ['containsAny', sets((set, other) => other.elements.some((element) => set.has(element)))],
  ['isEmpty', ({ arg }, depth) => unary(compile(arg, depth), (set) => asSet(set).elements.length === 0)],
  [
    'hasTag',
    ({ left, right }, depth) => {
      const { run: entity } = compile(left, depth)
      const { run: tag } = compile(right, depth)
      return {
        run: (request) => {
          const { key } = asEntity(entity(request))
          const name = asString(tag(request))
          return request.entities.find(key)?.tags.has(name) ?? false
        },
      }
    },
  ],
  [
    'getTag',
    ({ left, right }, depth) => {
      const { run: entity } = compile(left, depth)
      const { run: tag } = compile(right, depth)
      return {
        run: (request) =>
          request.entities.find(asEntity(entity(request)).key)?.tags.get(asString(tag(request))) ?? fail('there is no such tag'),
      }
    },
  ],
])

/** Every operator and extension function that the compiler knows; a test asks that the oracle covers each. */
export const OPERATOR_NAMES: readonly string[] = [...OPERATORS.keys(), ...EXTENSION_FUNCTIONS.keys()]
