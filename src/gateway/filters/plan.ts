import { type FilterAction, RedoubtError } from '#foundation/core'
import { type CanaryForms, compileCanary } from './canary.ts'
import { type NamesModel, shippedNamesModel } from './names/model.ts'
import { NAME_ENTITIES, type NameEntity } from './names/tags.ts'
import { DEFAULT_ENTITIES, ENTITIES } from './presets.ts'
import { type Recogniser, SCORE_THRESHOLD } from './recogniser.ts'
import { RECOGNISERS } from './recognisers/registered.ts'

export interface PlannedRecogniser {
  readonly recogniser: Recogniser
  /** What to do with its entities; those allowed are not in it. */
  readonly actions: ReadonlyMap<string, Exclude<FilterAction, 'allow'>>
}

/** Names that are looked for, by a model that costs more than all recognisers together. */
export interface PlannedNames {
  readonly actions: ReadonlyMap<NameEntity, Exclude<FilterAction, 'allow'>>
  readonly model: NamesModel
  readonly minScore: number
}

/** What to look for and what to do with it. Made by `compilePlan` only. */
export interface FilterPlan {
  /** Recognisers of entities that are masked or blocked; the others are not run. */
  readonly planned: readonly PlannedRecogniser[]
  /** Union of what they need, for the pass over the text. */
  readonly needs: number
  /** Null where no policy names a person, a place or an organisation: then the tagger does not run. */
  readonly names: PlannedNames | null
  /** The marker of one request, whose answers are searched for it; left out where none was planted. */
  readonly canary?: CanaryForms
  /** Findings below it are none. */
  readonly minScore: number
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
 * point at nobody by themselves, are masked only where a policy names them; so are names, whose weights (4 MB) are read by the first
 * plan that has one, which policies are turned into when they are put in force.
 * @throws {RedoubtError} `ERR_FILTER_ENTITY` if an entity that no recogniser finds is to be masked or blocked: to go on would be to
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
  const plan: FilterPlan = { planned, needs, names: plannedNames(actionOf, minScore), minScore }
  if (isUsual) plans.set(actions, plan)
  return plan
}

function plannedNames(actionOf: (name: string) => FilterAction | undefined, minScore: number): PlannedNames | null {
  const actions = new Map<NameEntity, Exclude<FilterAction, 'allow'>>()
  for (const entity of NAME_ENTITIES) {
    const action = actionOf(entity) ?? 'allow'
    if (action !== 'allow') actions.set(entity, action)
  }
  return actions.size === 0 ? null : { actions, model: shippedNamesModel(), minScore }
}

/** The plan for the answers of one request, in whose prompt this marker stands; see `compileCanary`. Where it shows, the answer is blocked. */
export function withCanary(plan: FilterPlan, marker: string): FilterPlan {
  return { ...plan, canary: compileCanary(marker) }
}
