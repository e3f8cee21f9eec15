import { conditionsHold, type Rule } from './compile-policy.ts'
import { EvaluationFailure } from './evaluation-failure.ts'
import type { Evaluation } from './evaluation.ts'

export interface Failed<R extends Rule> {
  readonly rule: R
  readonly reason: string
}

/** Rules of one effect that are satisfied, in the order given; the ones that could not be evaluated are added to `failed`. */
export function satisfied<R extends Rule>(rules: readonly R[], request: Evaluation, failed: Failed<R>[]): readonly R[] {
  let hits: R[] | null = null
  const resource = request.entities.find(request.resource.key)
  const { type, key } = request.resource
  for (const rule of rules) {
    if (!rule.resource(type, key, resource)) continue
    try {
      if (conditionsHold(rule, request)) (hits ??= []).push(rule)
    } catch (thrown) {
      if (!(thrown instanceof EvaluationFailure)) throw thrown
      failed.push({ rule, reason: thrown.message })
    }
  }
  return hits ?? []
}

export interface Authorization {
  readonly effect: 'allow' | 'deny'
  readonly reasons: readonly string[]
  readonly errors: readonly string[]
}

/**
 * Cedar's authorisation, and nothing added: a rule that fails is skipped and reported. What the oracle compares; `decide` is stricter.
 * @param rules Sorted by id.
 */
export function authorize(rules: readonly Rule[], request: Evaluation): Authorization {
  const { principal, action, entities } = request
  const principalEntity = entities.find(principal.key)
  const actionEntity = entities.find(action.key)
  const applicable = rules.filter(
    (rule) => rule.principal(principal.type, principal.key, principalEntity) && rule.action(action.type, action.key, actionEntity),
  )
  const failed: Failed<Rule>[] = []
  const forbids = satisfied(
    applicable.filter((rule) => rule.effect === 'forbid'),
    request,
    failed,
  )
  const permits = satisfied(
    applicable.filter((rule) => rule.effect === 'permit'),
    request,
    failed,
  )
  const reasons = (forbids.length > 0 ? forbids : permits).map((rule) => rule.id)
  return {
    effect: forbids.length === 0 && permits.length > 0 ? 'allow' : 'deny',
    reasons,
    errors: failed.map(({ rule }) => rule.id).sort(),
  }
}
