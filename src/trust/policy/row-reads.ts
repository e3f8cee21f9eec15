import { type Expression, operatorOf } from './compile-expression.ts'

/** Acts on a data set of which policies may let some rows take part and others not. */
export const ROW_ACTIONS: ReadonlySet<string> = new Set(['view', 'viewMasked', 'query', 'trainOn', 'transform', 'export'])
/** Of these, the acts whose answer is values, or rows made of them, which can be masked. */
export const MASK_ACTIONS: ReadonlySet<string> = new Set(['view', 'viewMasked', 'query', 'transform', 'export'])

/** The operands of an operator that are expressions, in the order in which Cedar evaluates them, with where they stand. */
export function operandsOf(name: string, operand: unknown): readonly (readonly [string | number, unknown])[] {
  if (Array.isArray(operand)) return [...(operand as readonly unknown[]).entries()]
  if (typeof operand !== 'object' || operand === null || name === 'Value' || name === 'Var') return []
  const parts = Object.entries(operand)
  return name === 'Record' ? parts : parts.filter(([key, part]) => OPERANDS.has(key) && part !== undefined)
}
const OPERANDS: ReadonlySet<string> = new Set(['left', 'right', 'arg', 'in', 'if', 'then', 'else'])

const known = new WeakMap<object, boolean>()

/** Whether the value can depend on the row. */
export function readsRow(expression: unknown): boolean {
  if (typeof expression !== 'object' || expression === null) return false
  let reads = known.get(expression)
  if (reads === undefined) {
    const [name, operand] = operatorOf(expression)
    reads = asksForRow(name, operand) || isMember(expression, 'row') || operandsOf(name, operand).some(([, part]) => readsRow(part))
    known.set(expression, reads)
  }
  return reads
}

function isMember(expression: unknown, attribute: string): boolean {
  const operand = (expression as Expression)['.'] as { readonly attr?: unknown } | undefined
  return operand?.attr === attribute
}

/** The members of a row, named after the types of columns. */
const COLUMN_TYPES: ReadonlySet<unknown> = new Set(['text', 'integer', 'real'])
/** The types of a row and of its columns: of these there are no entities but those that a reader makes. */
const ROW_TYPES: ReadonlySet<unknown> = new Set(['Row', 'TextColumns', 'IntegerColumns', 'RealColumns'])

/**
 * Whether it asks for a row otherwise than by reading it: `has row`, an entity of a row's types by its name, `is` one of them. Each has
 * an answer without any row, another than Cedar's, and would decide by it.
 */
function asksForRow(name: string, operand: unknown): boolean {
  const { attr, entity_type: type, __entity: entity } = (operand ?? {}) as Partial<Record<string, unknown>>
  if (name === 'has') return attr === 'row' || (Array.isArray(attr) && attr.includes('row'))
  if (name === 'is') return ROW_TYPES.has(type)
  return name === 'Value' && ROW_TYPES.has((entity as { readonly type?: unknown } | undefined)?.type)
}

/** Whether it is `resource.row`, or one of its members that hold the columns of a type. */
export function isRowPath(expression: Expression): boolean {
  const { left, attr } = (expression['.'] ?? {}) as { readonly left?: Expression; readonly attr?: unknown }
  if (!left) return false
  return attr === 'row' ? left['Var'] === 'resource' : COLUMN_TYPES.has(attr) && isRowPath(left) && isMember(left, 'row')
}

/**
 * Holds an expression to the one way in which rows are read: `resource.row.text|integer|real`, then `.hasTag(…)` or `.getTag(…)`.
 * What is left of it then names each column that it reads.
 * @throws {Error} with the reason; the caller adds file and line.
 */
export function demandRowReads(expression: unknown): void {
  const [name, operand] = operatorOf(expression)
  if (name === 'hasTag' || name === 'getTag') {
    const { left, right } = operand as { readonly left: Expression; readonly right: unknown }
    if (isRowPath(left) && !isMember(left, 'row')) {
      if (readsRow(right)) throw new Error('a column is named by a text or by what is known of a request, not by what a row holds')
      return demandRowReads(right)
    }
  }
  if (asksForRow(name, operand) || isMember(expression, 'row'))
    throw new Error(
      'a row is read only by `resource.row.text`, `resource.row.integer` or `resource.row.real`, then `.hasTag("column")` and `.getTag("column")`; every data set has rows, so do not ask for one',
    )
  for (const [, part] of operandsOf(name, operand)) demandRowReads(part)
}
