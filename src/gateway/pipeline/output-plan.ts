import { type FilterPlan, withCanary } from '#gateway/filters'
import type { Inspected } from './states.ts'

/** What the answer of a request is searched for: what its policies say, and the marker in its own prompt. */
export const outputPlan = ({ filters, canary }: Pick<Inspected, 'filters' | 'canary'>): FilterPlan =>
  canary === null ? filters.output : withCanary(filters.output, canary)
