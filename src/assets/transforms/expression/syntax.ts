/** An expression as it was written: a tree without types. */
export type Expression =
  | { readonly kind: 'literal'; readonly value: number | string | boolean | null }
  | { readonly kind: 'column'; readonly name: string }
  | { readonly kind: 'unary'; readonly operator: '-' | 'not'; readonly operand: Expression }
  | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'in'; readonly operand: Expression; readonly list: readonly Expression[] }
  | { readonly kind: 'call'; readonly name: string; readonly operands: readonly Expression[] }

export const COMPARISONS = ['=', '!=', '<', '<=', '>', '>='] as const
export type Comparison = (typeof COMPARISONS)[number]
export type Arithmetic = '+' | '-' | '*' | '/' | '%'
export type BinaryOperator = Comparison | Arithmetic | 'and' | 'or'

/** Characters of one expression. */
export const MAX_EXPRESSION_LENGTH = 4_096
/** Operators, operands and calls in it. */
export const MAX_NODES = 512
/** Parentheses, calls and signs within each other. */
export const MAX_DEPTH = 32
