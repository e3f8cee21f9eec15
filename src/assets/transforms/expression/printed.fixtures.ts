import type { Expression } from './syntax.ts'

/** An expression as text, with parentheses around all that has parts: what is parsed of it is the tree that it was. */
export function printed(expression: Expression): string {
  switch (expression.kind) {
    case 'literal': {
      const { value } = expression
      if (value === null) return 'missing'
      return typeof value === 'string' ? `"${value.replaceAll('"', '""')}"` : String(value)
    }
    case 'column':
      return `\`${expression.name.replaceAll('`', '``')}\``
    case 'unary':
      return `(${expression.operator} ${printed(expression.operand)})`
    case 'binary':
      return `(${printed(expression.left)} ${expression.operator} ${printed(expression.right)})`
    case 'in':
      return `(${printed(expression.operand)} in (${expression.list.map(bare).join(', ')}))`
    default:
      return `${expression.name}(${expression.operands.map(printed).join(', ')})`
  }
}

/** In a list of values stands a sign, not a sum in parentheses. */
const bare = (one: Expression): string => (one.kind === 'unary' ? `-${printed(one.operand)}` : printed(one))
