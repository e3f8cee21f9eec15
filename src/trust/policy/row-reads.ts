import { type Expression, operatorOf } from './compile-expression.ts'

/** Acts on a data set of which policies may let some rows take part and others not. */
export const ROW_ACTIONS: ReadonlySet<string> = new Set(['view', 'viewMasked', 'query', 'trainOn', 'export'])
/** Of these, the acts whose answer is values, which can be masked. */
export const MASK_ACTIONS: ReadonlySet<string> = new Set(['view', 'viewMasked', 'query', 'export'])

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
    reads = isMember(expression, 'row') || operandsOf(name, operand).some(([, part]) => readsRow(part))
    known.set(expression, reads)
  }
  return reads
}

function isMember(expression: unknown, attribute: string): boolean {
  const operand = (expression as Expression)['.'] as { readonly attr?: unknown } | undefined
  return operand?.attr === attribute
}

/** Whether it is `resource.row`, `resource.row.text` or `resource.row.integer`. */
export function isRowPath(expression: Expression): boolean {
  const { left, attr } = (expression['.'] ?? {}) as { readonly left?: Expression; readonly attr?: unknown }
  if (!left) return false
  return attr === 'row' ? left['Var'] === 'resource' : (attr === 'text' || attr === 'integer') && isRowPath(left) && isMember(left, 'row')
}

/**
 * Holds an expression to the one way in which rows are read: `resource.row.text|integer`, then `.hasTag(…)` or `.getTag(…)`.
 * What is left of it then names each column that it reads.
 * @throws {Error} with the reason; the caller adds file and line.
 */
export function demandRowReads(expression: unknown): void {
  const [name, operand] = operatorOf(expression)
  if (name === 'hasTag' || name === 'getTag') {
    const { left, right } = operand as { readonly left: Expression; readonly right: unknown }
    if (isRowPath(left) && !isMember(left, 'row')) return demandRowReads(right)
  }
  if (isMember(expression, 'row'))
    throw new Error('a row is read by `resource.row.text` or `resource.row.integer`, then `.hasTag("column")` and `.getTag("column")`')
  for (const [, part] of operandsOf(name, operand)) demandRowReads(part)
}
