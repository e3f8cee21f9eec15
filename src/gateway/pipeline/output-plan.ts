import { compilePlan, type FilterPlan, withCanary } from '#gateway/filters'
import type { Inspected } from './states.ts'

/** What the answer of a request is searched for: what its policies say, and the marker in its own prompt. */
export function outputPlan({ decision, canary }: Pick<Inspected, 'decision' | 'canary'>): FilterPlan {
  const plan = compilePlan(decision.obligations.filterOutput)
  return canary === null ? plan : withCanary(plan, canary)
}
