import { type FilterAction, RedoubtError } from '#foundation/core'
import type { Recogniser } from './recogniser.ts'
import { RECOGNISERS } from './recognisers/registered.ts'

export interface PlannedRecogniser {
  readonly recogniser: Recogniser
  readonly action: Exclude<FilterAction, 'allow'>
}

/** What to look for and what to do with it. Made by `compilePlan` only. */
export interface FilterPlan {
  /** Recognisers of entities that are masked or blocked; those allowed are not run. */
  readonly planned: readonly PlannedRecogniser[]
  /** Union of what they need, for the pass over the text. */
  readonly needs: number
}

const plans = new WeakMap<object, FilterPlan>()

/**
 * Turns the actions of a policy into a plan; compiled once for each actions object, which must not change afterwards.
 * `default` applies to the entities not named and is `allow` when absent.
 * @throws {RedoubtError} `ERR_FILTER_ENTITY` if an entity that no recogniser finds is to be masked or blocked: to go on would be to
 *   promise what is not done.
 */
export function compilePlan(actions: Readonly<Record<string, FilterAction>>): FilterPlan {
  const known = plans.get(actions)
  if (known) return known
  for (const [entity, action] of Object.entries(actions)) {
    if (action !== 'allow' && action !== 'mask' && action !== 'block')
      throw new RedoubtError('ERR_FILTER_ENTITY', `the action for \`${entity}\` is not allow, mask or block`, { evidence: { entity } })
    if (entity !== 'default' && action !== 'allow' && !RECOGNISERS.some((recogniser) => recogniser.entity === entity))
      throw new RedoubtError('ERR_FILTER_ENTITY', `no recogniser finds \`${entity}\``, { evidence: { entity } })
  }
  const actionOf = (name: string): FilterAction | undefined => (Object.hasOwn(actions, name) ? actions[name] : undefined)
  const planned: PlannedRecogniser[] = []
  let needs = 0
  for (const recogniser of RECOGNISERS) {
    const action = actionOf(recogniser.entity) ?? actionOf('default') ?? 'allow'
    if (action === 'allow') continue
    planned.push({ recogniser, action })
    needs |= recogniser.needs
  }
  const plan: FilterPlan = { planned, needs }
  plans.set(actions, plan)
  return plan
}
