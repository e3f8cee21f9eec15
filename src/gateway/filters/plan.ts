import { type FilterAction, RedoubtError } from '#foundation/core'
import { DEFAULT_ENTITIES, ENTITIES } from './presets.ts'
import type { Recogniser } from './recogniser.ts'
import { RECOGNISERS } from './recognisers/registered.ts'

export interface PlannedRecogniser {
  readonly recogniser: Recogniser
  /** What to do with its entities; those allowed are not in it. */
  readonly actions: ReadonlyMap<string, Exclude<FilterAction, 'allow'>>
}

/** What to look for and what to do with it. Made by `compilePlan` only. */
export interface FilterPlan {
  /** Recognisers of entities that are masked or blocked; the others are not run. */
  readonly planned: readonly PlannedRecogniser[]
  /** Union of what they need, for the pass over the text. */
  readonly needs: number
}

const plans = new WeakMap<object, FilterPlan>()

/**
 * Turns the actions of a policy into a plan; compiled once for each actions object, which must not change afterwards.
 * `default` applies to the entities of `DEFAULT_ENTITIES` that are not named and is `allow` when absent; dates, ages and the like, which
 * point at nobody by themselves, are masked only where a policy names them.
 * @param own recognisers of this site, beside those built in.
 * @throws {RedoubtError} `ERR_FILTER_ENTITY` if an entity that no recogniser finds is to be masked or blocked: to go on would be to
 *   promise what is not done.
 */
export function compilePlan(actions: Readonly<Record<string, FilterAction>>, own: readonly Recogniser[] = []): FilterPlan {
  const known = own.length === 0 ? plans.get(actions) : undefined
  if (known) return known
  const ownEntities = new Set(own.flatMap(({ entities }) => entities))
  for (const [entity, action] of Object.entries(actions)) {
    if (action !== 'allow' && action !== 'mask' && action !== 'block')
      throw new RedoubtError('ERR_FILTER_ENTITY', `the action for \`${entity}\` is not allow, mask or block`, { evidence: { entity } })
    if (entity !== 'default' && action !== 'allow' && !ENTITIES.has(entity) && !ownEntities.has(entity))
      throw new RedoubtError('ERR_FILTER_ENTITY', `no recogniser finds \`${entity}\``, { evidence: { entity } })
  }
  const actionOf = (name: string): FilterAction | undefined => (Object.hasOwn(actions, name) ? actions[name] : undefined)
  const byDefault = (entity: string): boolean => DEFAULT_ENTITIES.has(entity) || ownEntities.has(entity)
  const planned: PlannedRecogniser[] = []
  let needs = 0
  for (const recogniser of [...RECOGNISERS, ...own]) {
    const chosen = new Map<string, Exclude<FilterAction, 'allow'>>()
    for (const entity of recogniser.entities) {
      const action = actionOf(entity) ?? (byDefault(entity) ? actionOf('default') : undefined) ?? 'allow'
      if (action !== 'allow') chosen.set(entity, action)
    }
    if (chosen.size === 0) continue
    planned.push({ recogniser, actions: chosen })
    needs |= recogniser.needs
  }
  const plan: FilterPlan = { planned, needs }
  if (own.length === 0) plans.set(actions, plan)
  return plan
}
