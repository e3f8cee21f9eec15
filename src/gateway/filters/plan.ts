import { FILTER_ACTIONS, type FilterAction, RedoubtError, UNAVAILABLE_FILTER_ACTIONS } from '#foundation/core'
import { DEFAULT_ENTITIES, ENTITIES } from './presets.ts'
import { type Recogniser, SCORE_THRESHOLD } from './recogniser.ts'
import { RECOGNISERS } from './recognisers/registered.ts'

export interface PlannedRecogniser {
  readonly recogniser: Recogniser
  /** What to do with its entities; those allowed are not in it. */
  readonly actions: ReadonlyMap<string, Exclude<FilterAction, 'allow'>>
}

/** What to look for and what to do with it. Made by `compilePlan` only. */
export interface FilterPlan {
  /** Recognisers of entities that something is done to; the others are not run. */
  readonly planned: readonly PlannedRecogniser[]
  /** Union of what they need, for the pass over the text. */
  readonly needs: number
  /** Findings below it are none. */
  readonly minScore: number
  /** Whether it has entities that a person has to look at. */
  readonly reviews: boolean
  /** Such values pass and are reported, for whoever holds the text back; without it nothing passes from them on. Made by `forReviewer` only. */
  readonly showsReviewed?: true
}

export interface PlanOptions {
  /** Recognisers of this site, beside those built in. */
  readonly own?: readonly Recogniser[]
  /** Above 0, at most 1; `SCORE_THRESHOLD` unless given. Lower ones also report weak patterns without context. */
  readonly minScore?: number
}

const plans = new WeakMap<object, FilterPlan>()

/**
 * Turns the actions of a policy into a plan; compiled once for each actions object, which must not change afterwards.
 * `default` applies to the entities of `DEFAULT_ENTITIES` that are not named and is `allow` when absent; dates, ages and the like, which
 * point at nobody by themselves, are masked only where a policy names them.
 * @throws {RedoubtError} `ERR_FILTER_ENTITY` if an entity that no recogniser finds is to be looked for, or an action is not available: to go on would be to
 *   promise what is not done.
 */
export function compilePlan(
  actions: Readonly<Record<string, FilterAction>>,
  { own = [], minScore = SCORE_THRESHOLD }: PlanOptions = {},
): FilterPlan {
  const isUsual = own.length === 0 && minScore === SCORE_THRESHOLD
  const known = isUsual ? plans.get(actions) : undefined
  if (known) return known
  const ownEntities = new Set(own.flatMap(({ entities }) => entities))
  for (const [entity, action] of Object.entries(actions)) {
    if (!FILTER_ACTIONS.includes(action) || UNAVAILABLE_FILTER_ACTIONS.includes(action))
      throw new RedoubtError('ERR_FILTER_ENTITY', `nothing carries out the action that is asked for \`${entity}\``, {
        evidence: { entity },
      })
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
  const reviews = planned.some(({ actions }) => [...actions.values()].includes('review'))
  const plan: FilterPlan = { planned, needs, minScore, reviews }
  if (isUsual) plans.set(actions, plan)
  return plan
}

const shown = new WeakMap<FilterPlan, FilterPlan>()

/** The same plan for a text that goes to a reviewer: what a person has to look at is left in it, all else is done. */
export function forReviewer(plan: FilterPlan): FilterPlan {
  if (!plan.reviews) return plan
  const known = shown.get(plan)
  if (known) return known
  const made: FilterPlan = { ...plan, showsReviewed: true }
  shown.set(plan, made)
  return made
}
