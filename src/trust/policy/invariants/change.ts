import type { LoadedRule, PolicySet } from '../policy-set.ts'
import { testsOf } from './abstraction.ts'
import type { Kinds } from './simplify.ts'

/** Whether statements of either sort may hold no longer: that something is never allowed, that something always is. */
interface Doubt {
  readonly never: boolean
  readonly always: boolean
}

/**
 * What a change of policies may have changed, by action and types. A policy that cannot apply to them changes nothing there; one more
 * forbid allows nothing, one less refuses nothing. A permit may do either: one that cannot be evaluated refuses what others permit.
 */
export function changeBetween(before: PolicySet, after: PolicySet): (kinds: Kinds) => Doubt {
  const removed = without(before.rules, after.rules)
  const added = without(after.rules, before.rules)
  return (kinds) => {
    const applies = (rule: LoadedRule): boolean => testsOf(rule, kinds, after.schema) !== null
    const permits = [...removed, ...added].some((rule) => rule.effect === 'permit' && applies(rule))
    const isForbid = (rule: LoadedRule): boolean => rule.effect === 'forbid' && applies(rule)
    return { never: permits || removed.some(isForbid), always: permits || added.some(isForbid) }
  }
}

/** By what they say: the id of a policy decides nothing. */
function without(rules: readonly LoadedRule[], others: readonly LoadedRule[]): readonly LoadedRule[] {
  const known = new Set(others.map(({ text }) => text))
  return rules.filter(({ text }) => !known.has(text))
}
