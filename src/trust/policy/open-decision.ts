import type { Expression } from './compile-expression.ts'

/** A policy that, all but the row being known, may or may not apply. */
export interface OpenRule {
  readonly id: string
  /** All conditions of the policy as one. */
  readonly expression: Expression
}

export interface OpenDecision {
  /** A permit applies whatever the row. No forbid does. */
  readonly permitted: boolean
  readonly forbids: readonly OpenRule[]
  readonly permits: readonly OpenRule[]
}
