import type { Failed } from './authorize.ts'
import { conditionsHold } from './compile-policy.ts'
import { EvaluationFailure } from './evaluation-failure.ts'
import type { Evaluation } from './evaluation.ts'
import type { LoadedRule } from './policy-set.ts'
import { reduce } from './residual.ts'
import type { OpenRule } from './open-decision.ts'

/** A policy that applies to some rows of the data set asked for. */
export interface OpenPolicy extends OpenRule {
  readonly rule: LoadedRule
}

/** As `satisfied`, with the row of the resource unknown: policies that depend on it are added to `open`. */
export function reduced(
  rules: readonly LoadedRule[],
  request: Evaluation,
  failed: Failed<LoadedRule>[],
  open: OpenPolicy[],
): readonly LoadedRule[] {
  const hits: LoadedRule[] = []
  const { type, key } = request.resource
  const resource = request.entities.find(key)
  for (const rule of rules) {
    if (!rule.resource(type, key, resource)) continue
    if (rule.rowCondition === null) {
      try {
        if (conditionsHold(rule, request)) hits.push(rule)
      } catch (thrown) {
        if (!(thrown instanceof EvaluationFailure)) throw thrown
        failed.push({ rule, reason: thrown.message })
      }
      continue
    }
    const left = reduce(rule.rowCondition, request)
    if (left.is === 'open') open.push({ id: rule.id, expression: left.expression, rule })
    else if (left.is === 'failed') failed.push({ rule, reason: left.reason })
    else if (left.value === true) hits.push(rule)
    else if (left.value !== false) failed.push({ rule, reason: 'type error: expected bool' })
  }
  return hits
}
