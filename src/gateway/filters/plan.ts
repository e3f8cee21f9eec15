import { FILTER_ACTIONS, type FilterAction, RedoubtError, SCORE_THRESHOLD } from '#foundation/core'
import { isKeyed, type Substitutes } from './actions/substitutes.ts'
import { type CanaryForms, compileCanary } from './canary.ts'
import type { ConfidentialPlan } from './confidential/confidential-redactor.ts'
import { isConfidentialEntity } from './confidential/entities.ts'
import { type NamesModel, shippedNamesModel } from './names/model.ts'
import { NAME_ENTITIES, type NameEntity } from './names/tags.ts'
import { DEFAULT_ENTITIES, ENTITIES } from './presets.ts'
import type { Recogniser } from './recogniser.ts'
import { RECOGNISERS } from './recognisers/registered.ts'
import type { ValueOf } from './vault/tokens.ts'

export interface PlannedRecogniser {
  readonly recogniser: Recogniser
  /** What to do with its entities; those allowed are not in it. */
  readonly actions: ReadonlyMap<string, Exclude<FilterAction, 'allow'>>
  /** Those of the recogniser; `ANY_SHAPE` where it names none. */
  readonly needs: number
  readonly shapes: number
}

/** Beside all `SHAPE`s: what every segment shows. */
export const ANY_SHAPE = 1 << 30

/** Names that are looked for, by a model that costs more than all recognisers together. */
export interface PlannedNames {
  readonly actions: ReadonlyMap<NameEntity, Exclude<FilterAction, 'allow'>>
  readonly model: NamesModel
  readonly minScore: number
}

/** What to look for and what to do with it. Made by `compilePlan` only. */
export interface FilterPlan {
  /** Recognisers of entities that something is done to; the others are not run. */
  readonly planned: readonly PlannedRecogniser[]
  /** Union of what they need, for the pass over the text. */
  readonly needs: number
  /** Null where no policy names a person, a place or an organisation: then the tagger does not run. */
  readonly names: PlannedNames | null
  /** The marker of one request, whose answers are searched for it; left out where none was planted. */
  readonly canary?: CanaryForms
  /** Findings below it are none. */
  readonly minScore: number
  /** Values that are no findings. */
  readonly exempt: ReadonlySet<string>
  /** Whether some action needs `substitutes`. */
  readonly keyed: boolean
  /** Whether values are counted by what would be done to them, and nothing is done. */
  readonly dryRun: boolean
  /** Those of the call; where there are none, what needs them is masked. */
  readonly substitutes: Substitutes | null
  /** Turns tokens back in what is put out, after all else; null where none are. */
  readonly restore: ValueOf | null
  /** What is registered as confidential, and what to do with it; left out where nothing is looked for. */
  readonly confidential?: ConfidentialPlan
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
  /** Count what would be done, and do nothing. */
  readonly dryRun?: boolean
  /** Values, as they stand in texts, that are never findings. */
  readonly exempt?: ReadonlySet<string>
}

const NONE: ReadonlySet<string> = new Set()
const plans = new WeakMap<object, FilterPlan>()

/**
 * Turns the actions of a policy into a plan; compiled once for each actions object, which must not change afterwards.
 * `default` applies to the entities of `DEFAULT_ENTITIES` that are not named and is `allow` when absent; dates, ages and the like, which
 * point at nobody by themselves, are masked only where a policy names them; so are names, whose weights (4 MB) are read by the first
 * plan that has one, which policies are turned into when they are put in force.
 * @throws {RedoubtError} `ERR_FILTER_ENTITY` if an entity that no recogniser finds is to be looked for, or an action is none: to go on would be to
 *   promise what is not done.
 */
export function compilePlan(
  actions: Readonly<Record<string, FilterAction>>,
  { own = [], minScore = SCORE_THRESHOLD, dryRun = false, exempt = NONE }: PlanOptions = {},
): FilterPlan {
  const isUsual = !dryRun && exempt.size === 0 && own.length === 0 && minScore === SCORE_THRESHOLD
  const known = isUsual ? plans.get(actions) : undefined
  if (known) return known
  const ownEntities = new Set(own.flatMap(({ entities }) => entities))
  for (const [entity, action] of Object.entries(actions)) {
    if (!FILTER_ACTIONS.includes(action))
      throw new RedoubtError('ERR_FILTER_ENTITY', `nothing carries out the action that is asked for \`${entity}\``, {
        evidence: { entity },
      })
    if (isConfidentialEntity(entity)) {
      if (entity === 'CANARY' && action !== 'block')
        throw new RedoubtError('ERR_FILTER_ENTITY', '`CANARY` is always blocked', { evidence: { entity } })
      continue
    }
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
    planned.push({ recogniser, actions: chosen, needs: recogniser.needs, shapes: recogniser.shapes ?? ANY_SHAPE })
    needs |= recogniser.needs
  }
  const names = plannedNames(actionOf, minScore)
  const chosen = [...planned, ...(names ? [names] : [])].flatMap(({ actions: each }) => [...each.values()])
  const keyed = chosen.some(isKeyed)
  // Where nothing is done nobody is asked to look.
  const reviews = !dryRun && chosen.includes('review')
  const plan: FilterPlan = { planned, needs, names, minScore, exempt, keyed, reviews, dryRun, substitutes: null, restore: null }
  if (isUsual) plans.set(actions, plan)
  return plan
}

/**
 * The plan for one call: texts that went through one `substitutes` have the same stand-in for the same value.
 * @param restore gives the values that tokens in what is put out are turned back into, if any are.
 */
export function forCall(plan: FilterPlan, substitutes: Substitutes | null, restore: ValueOf | null): FilterPlan {
  return { ...plan, substitutes: plan.keyed ? substitutes : null, restore }
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

/** The same plan for a text that goes to a reviewer: what a person has to look at is left in it, all else is done. */
export function forReviewer(plan: FilterPlan): FilterPlan {
  return plan.reviews ? { ...plan, showsReviewed: true } : plan
}

/** Whether a value is counted and goes on with the text around it. */
export function passes(action: FilterAction, { dryRun, showsReviewed }: FilterPlan): boolean {
  return action === 'log' || dryRun || (action === 'review' && showsReviewed === true)
}
