/* oxlint-disable typescript/no-explicit-any -- this evaluator is naive, so it has no types */
/** What transforms mean, written once more without types, groups or indices: rows are objects, and each step makes a new list of them. */
import type { Expression } from './expression/syntax.ts'

export type NaiveCell = number | string | boolean | null
export type NaiveRow = Readonly<Record<string, NaiveCell>>
export class BeyondBounds extends Error {}

/** Sums that are real numbers, whatever their value: only whole ones end at 2^53. */
export const REAL_SUMS = new WeakSet<Expression>()

export interface TypedExpression {
  readonly tree: Expression
  readonly type: 'integer' | 'real' | 'text' | 'boolean'
}
export type NaiveStep =
  | { readonly filter: TypedExpression }
  | { readonly derive: Readonly<Record<string, TypedExpression>> }
  | { readonly select: readonly (readonly [column: string, as: string])[] }
  | { readonly join: { readonly on: Readonly<Record<string, string>>; readonly take: readonly (readonly [column: string, as: string])[]; readonly left: boolean } } // prettier-ignore

export function naively(rows: readonly NaiveRow[], steps: readonly NaiveStep[], other: readonly NaiveRow[]): readonly NaiveRow[] {
  let now = rows
  for (const step of steps) {
    if ('filter' in step) now = now.filter((row) => value(step.filter.tree, row) === true)
    else if ('derive' in step) now = now.map((row) => ({ ...row, ...mapped(step.derive, ({ tree }) => value(tree, row)) }))
    else if ('select' in step) now = now.map((row) => Object.fromEntries(step.select.map(([column, as]) => [as, row[column]!])))
    else
      now = now.flatMap((row) => {
        const { on, take, left } = step.join
        const found = other.filter((one) => Object.entries(on).every(([here, there]) => row[here] !== null && row[here] === one[there]))
        const none = Object.fromEntries(take.map(([, as]) => [as, null]))
        if (found.length === 0) return left ? [{ ...row, ...none }] : []
        return found.map((one) => ({ ...row, ...Object.fromEntries(take.map(([column, as]) => [as, one[column]!])) }))
      })
  }
  return now
}

const mapped = <A, B>(all: Readonly<Record<string, A>>, change: (one: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(all).map(([name, one]) => [name, change(one)]))

function floor(number: number): number {
  const towardsZero = number - (number % 1)
  return number < towardsZero ? towardsZero - 1 : towardsZero + 0
}

/** @throws {BeyondBounds} */
function value(tree: Expression, row: NaiveRow): NaiveCell {
  const of = (part: Expression): any => value(part, row)
  switch (tree.kind) {
    case 'literal':
      return tree.value
    case 'column':
      return row[tree.name]!
    case 'unary': {
      const operand = of(tree.operand)
      if (operand === null) return null
      return tree.operator === 'not' ? !operand : 0 - operand
    }
    case 'in': {
      const operand = of(tree.operand)
      return operand === null ? null : tree.list.some((one) => of(one) === operand)
    }
    case 'binary': {
      const left = of(tree.left)
      // What the left side decides is not asked of the right one.
      if (tree.operator === 'and' && left === false) return false
      if (tree.operator === 'or' && left === true) return true
      const right = of(tree.right)
      // Kleene: missing is not known to be either.
      if (tree.operator === 'and') return left === false || right === false ? false : left === null || right === null ? null : true
      if (tree.operator === 'or') return left === true || right === true ? true : left === null || right === null ? null : false
      if (left === null || right === null) return null
      switch (tree.operator) {
        case '=':
          return left === right
        case '!=':
          return left !== right
        case '<':
          return left < right
        case '<=':
          return !(left > right)
        case '>':
          return left > right
        case '>=':
          return !(left < right)
        case '/':
          return right === 0 ? null : left / right + 0
        case '%':
          return right === 0 ? null : left - Math.trunc(left / right) * right
        case '+':
          return REAL_SUMS.has(tree) ? left + right : bounded(left + right)
        case '-':
          return REAL_SUMS.has(tree) ? left - right : bounded(left - right)
        default:
          return bounded(left * right + 0)
      }
    }
    default:
      return called(tree.name, tree.operands, of)
  }
}

function bounded(result: number): number {
  if (Math.abs(result) > 2 ** 53 - 1) throw new BeyondBounds()
  return result
}

function called(name: string, operands: readonly Expression[], of: (part: Expression) => any): NaiveCell {
  if (name === 'if') {
    const condition = of(operands[0]!)
    return condition === null ? null : of(operands[condition ? 1 : 2]!)
  }
  if (name === 'coalesce') {
    for (const operand of operands) {
      const found = of(operand)
      if (found !== null) return found
    }
    return null
  }
  if (name === 'missing') return of(operands[0]!) === null
  const cells = operands.map(of)
  if (cells.includes(null)) return null
  const [first, second, third] = cells
  switch (name) {
    case 'lower':
      return first.toLowerCase()
    case 'upper':
      return first.toUpperCase()
    case 'trim':
      return first.trim()
    case 'length':
      return [...first].length
    case 'substring':
      return [...first].filter((_, place) => place + 1 >= second && place + 1 < second + third).join('')
    case 'startswith':
      return first.slice(0, second.length) === second
    case 'contains':
      return first.split(second).length > 1 || second === ''
    case 'concat':
      return cells.reduce((all: string, cell: string) => all + cell, '')
    case 'text':
      return `${first}`
    case 'abs':
      return first < 0 ? -first : first
    case 'floor':
      return bounded(floor(first))
    case 'ceil':
      return bounded(0 - floor(0 - first))
    case 'bucket':
      // The generator gives whole numbers whole widths.
      return Number.isInteger(second) ? bounded(floor(first / second) * second + 0) : floor(first / second) * second + 0
    default:
      throw new Error(`the naive evaluator knows no ${name}`)
  }
}
