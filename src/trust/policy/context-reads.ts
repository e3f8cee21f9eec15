import { type Expression, operatorOf } from './compile-expression.ts'
import type { LoadedRule } from './policy-set.ts'
import { CONTEXT_FIELDS } from './request.ts'
import { operandsOf } from './row-reads.ts'

/** Names of the context's fields that policies read; a superset does no harm. */
export function contextReads(rules: readonly LoadedRule[]): ReadonlySet<string> {
  const found = new Set<string>()
  const visit = (expression: unknown): void => {
    const [name, operand] = operatorOf(expression)
    if (name === 'Var' && operand === 'context') for (const field of CONTEXT_FIELDS) found.add(field)
    const { left, attr } = (operand ?? {}) as { readonly left?: Expression; readonly attr?: string | readonly string[] }
    if ((name === '.' || name === 'has') && left?.['Var'] === 'context' && attr !== undefined)
      found.add(typeof attr === 'string' ? attr : (attr[0] ?? ''))
    else for (const [, part] of operandsOf(name, operand)) visit(part)
  }
  for (const { json } of rules) for (const { body } of json.conditions) visit(body)
  return found
}
