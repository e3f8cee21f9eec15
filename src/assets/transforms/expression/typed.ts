import { RedoubtError } from '#foundation/core'
import type { Expression } from './syntax.ts'
import { unsound } from './tokens.ts'

export type ExpressionType = 'integer' | 'real' | 'text' | 'boolean' | 'missing'
export type Cell = number | string | boolean | null

/** The row that is looked at: cells by the position of their column, null for a missing one. */
export interface CurrentRow {
  cell(column: number): Cell
}

export interface Compiled {
  readonly type: ExpressionType
  /** @throws {RedoubtError} `ERR_TRANSFORM_VALUE` for a number beyond what is kept exactly; the message tells no value. */
  readonly run: (row: CurrentRow) => Cell
}

export function literal(value: number | string | boolean | null): Compiled {
  const run = (): Cell => value
  if (value === null) return { type: 'missing', run }
  if (typeof value === 'number') return { type: Number.isSafeInteger(value) ? 'integer' : 'real', run }
  return { type: typeof value === 'string' ? 'text' : 'boolean', run }
}

export const isNumber = (type: ExpressionType): boolean => type === 'integer' || type === 'real' || type === 'missing'
export const isType = (type: ExpressionType, wanted: ExpressionType): boolean => type === wanted || type === 'missing'

/** The one type of several branches. @throws {RedoubtError} `ERR_TRANSFORM_DEFINITION`. */
export function commonType(types: readonly ExpressionType[], where: string): ExpressionType {
  const given = [...new Set(types.filter((type) => type !== 'missing'))]
  if (given.length <= 1) return given[0] ?? 'missing'
  if (given.every(isNumber)) return 'real'
  throw unsound(`${where} gives ${given.join(' or ')}, which are not of one type`)
}

/** @throws {RedoubtError} `ERR_TRANSFORM_VALUE` unless it is kept exactly as its type says. */
export function kept(value: number, type: ExpressionType): number {
  if (type === 'integer' ? !Number.isSafeInteger(value) : !Number.isFinite(value))
    throw new RedoubtError(
      'ERR_TRANSFORM_VALUE',
      type === 'integer' ? 'a whole number beyond 2^53 came out' : 'a number too large to keep came out',
    )
  // Zero has no sign in a data set.
  return value + 0
}

/** What is written as a value. @throws {RedoubtError} `ERR_TRANSFORM_DEFINITION` for anything else. */
export function constant(expression: Expression): { readonly value: Cell; readonly type: ExpressionType } {
  if (expression.kind === 'literal') return { value: expression.value, type: literal(expression.value).type }
  if (expression.kind === 'unary' && expression.operator === '-') {
    const { value, type } = constant(expression.operand)
    if (typeof value === 'number') return { value: -value + 0, type }
  }
  throw unsound('a value is expected here, not a column or something computed')
}
