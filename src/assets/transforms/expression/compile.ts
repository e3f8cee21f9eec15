import { callOf } from './functions.ts'
import type { Arithmetic, BinaryOperator, Comparison, Expression } from './syntax.ts'
import { unsound } from './tokens.ts'
import { type Cell, type Compiled, constant, type ExpressionType, isNumber, isType, kept, literal } from './typed.ts'

/** What an expression may read: where a column is, of which type; it throws for one that may not be read. */
export type ReadColumn = (name: string) => { readonly position: number; readonly type: 'integer' | 'real' | 'text' }

/**
 * Types an expression and makes a function of it. A missing operand makes the result missing, but for `and`, `or` (Kleene's three values), `coalesce`,
 * `missing(…)` and the branch of `if` that is not taken.
 * @throws {RedoubtError} `ERR_TRANSFORM_DEFINITION`; what `read` throws.
 */
export function compileExpression(expression: Expression, read: ReadColumn): Compiled {
  const compile = (part: Expression): Compiled => compileExpression(part, read)
  switch (expression.kind) {
    case 'literal':
      return literal(expression.value)
    case 'column': {
      const { position, type } = read(expression.name)
      return { type, run: (row) => row.cell(position) }
    }
    case 'unary':
      return expression.operator === 'not' ? negated(compile(expression.operand)) : minus(compile(expression.operand))
    case 'binary':
      return binary(expression.operator, compile(expression.left), compile(expression.right))
    case 'in':
      return among(compile(expression.operand), expression.list)
    default:
      return callOf(expression.name, expression.operands.map(compile), expression.operands)
  }
}

function negated({ type, run }: Compiled): Compiled {
  if (!isType(type, 'boolean')) throw unsound(`\`not\` needs a truth value, and was given ${type}`)
  return {
    type: 'boolean',
    run(row) {
      const value = run(row)
      return value === null ? null : !value
    },
  }
}

function minus({ type, run }: Compiled): Compiled {
  if (!isNumber(type)) throw unsound(`\`-\` needs a number, and was given ${type}`)
  return {
    type,
    run(row) {
      const value = run(row)
      return value === null ? null : kept(-(value as number), type)
    },
  }
}

function binary(operator: BinaryOperator, left: Compiled, right: Compiled): Compiled {
  if (operator === 'and' || operator === 'or') return connected(operator, left, right)
  if (operator === '+' || operator === '-' || operator === '*' || operator === '/' || operator === '%')
    return arithmetic(operator, left, right)
  return comparison(operator, left, right)
}

function connected(operator: 'and' | 'or', left: Compiled, right: Compiled): Compiled {
  for (const { type } of [left, right])
    if (!isType(type, 'boolean')) throw unsound(`\`${operator}\` needs truth values, and was given ${type}`)
  const decides = operator === 'or'
  return {
    type: 'boolean',
    run(row) {
      const first = left.run(row)
      if (first === decides) return decides
      const second = right.run(row)
      if (second === decides) return decides
      return first === null || second === null ? null : !decides
    },
  }
}

const ARITHMETIC: Readonly<Record<Arithmetic, (left: number, right: number) => number | null>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => (right === 0 ? null : left / right),
  '%': (left, right) => (right === 0 ? null : left % right),
}

function arithmetic(operator: Arithmetic, left: Compiled, right: Compiled): Compiled {
  for (const { type } of [left, right]) if (!isNumber(type)) throw unsound(`\`${operator}\` needs numbers, and was given ${type}`)
  const whole = operator !== '/' && left.type !== 'real' && right.type !== 'real'
  const type = whole ? 'integer' : 'real'
  const compute = ARITHMETIC[operator]
  return {
    type,
    run(row) {
      const first = left.run(row) as number | null
      const second = right.run(row) as number | null
      if (first === null || second === null) return null
      const value = compute(first, second)
      return value === null ? null : kept(value, type)
    },
  }
}

const COMPARES: Readonly<Record<Comparison, (left: Exclude<Cell, null>, right: Exclude<Cell, null>) => boolean>> = {
  '=': (left, right) => left === right,
  '!=': (left, right) => left !== right,
  '<': (left, right) => left < right,
  '<=': (left, right) => left <= right,
  '>': (left, right) => left > right,
  '>=': (left, right) => left >= right,
}

function comparison(operator: Comparison, left: Compiled, right: Compiled): Compiled {
  demandComparable(operator, left.type, right.type)
  if (operator !== '=' && operator !== '!=' && [left.type, right.type].includes('boolean'))
    throw unsound(`\`${operator}\` compares numbers or texts, and was given a truth value`)
  const compare = COMPARES[operator]
  return {
    type: 'boolean',
    run(row) {
      const first = left.run(row)
      const second = right.run(row)
      return first === null || second === null ? null : compare(first, second)
    },
  }
}

function demandComparable(operator: string, left: ExpressionType, right: ExpressionType): void {
  if (!(left === right || (isNumber(left) && isNumber(right)) || left === 'missing' || right === 'missing'))
    throw unsound(`\`${operator}\` compares ${left} with ${right}`)
}

function among({ type, run }: Compiled, list: readonly Expression[]): Compiled {
  const values = new Set<Cell>()
  for (const one of list) {
    const { value, type: own } = constant(one)
    if (value === null) throw unsound('`in` lists values; ask for a missing one by `missing(…)`')
    demandComparable('in', type, own)
    values.add(value)
  }
  return {
    type: 'boolean',
    run(row) {
      const value = run(row)
      return value === null ? null : values.has(value)
    },
  }
}
