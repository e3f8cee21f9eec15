import { type FilterAction, RedoubtError } from '#foundation/core'
import { CONFIDENTIAL_ACTIONS, CONFIDENTIAL_ENTITIES } from './confidential/entities.ts'
import { loadRecognisers } from './own/load-recognisers.ts'
import { compilePlan, type FilterPlan } from './plan.ts'
import { ENTITIES, PRESETS } from './presets.ts'
import type { Recogniser } from './recogniser.ts'

/** What one installation adds to what is found, and takes from it. */
export interface SiteFilters {
  readonly own: readonly Recogniser[]
  /** Values, as they stand in texts, that are never findings. */
  readonly exempt: ReadonlySet<string>
}

export const PLAIN_SITE: SiteFilters = { own: [], exempt: new Set() }

/**
 * @param files of recognisers, YAML.
 * @throws {RedoubtError} `ERR_FILTER_RECOGNISER` with file, line and reason; also when two files have a recogniser of one id.
 */
export function siteFilters(files: readonly { readonly name: string; readonly text: string }[], exempt: readonly string[]): SiteFilters {
  const idsOf = new Map<string, string>()
  const own = files.flatMap(({ name, text }) => {
    const { recognisers, cases } = loadRecognisers(text, name)
    for (const { id } of cases) {
      const other = idsOf.get(id)
      if (other !== undefined)
        throw new RedoubtError('ERR_FILTER_RECOGNISER', `\`${name}\` and \`${other}\` both have a recogniser \`${id}\``)
      idsOf.set(id, name)
    }
    return recognisers
  })
  return { own, exempt: new Set(exempt) }
}

/** What filter annotations may name at this site; a preset `own` has the site's own entities. */
export function filterVocabulary({ own }: SiteFilters): {
  readonly entities: readonly string[]
  readonly presets: Readonly<Record<string, readonly string[]>>
  readonly actions: Readonly<Record<string, readonly FilterAction[]>>
} {
  const ownEntities = [...new Set(own.flatMap(({ entities }) => entities))]
  const presets = Object.fromEntries(Object.entries(PRESETS).map(([name, entities]) => [name, [...entities]]))
  return {
    entities: [...new Set([...ENTITIES, ...CONFIDENTIAL_ENTITIES, ...ownEntities])],
    presets: { ...presets, own: ownEntities },
    actions: CONFIDENTIAL_ACTIONS,
  }
}

/** As `compilePlan`, for a site: compiled once for each actions object. */
export type Planner = (actions: Readonly<Record<string, FilterAction>>, dryRun: boolean) => FilterPlan

export function plannerFor({ own, exempt }: SiteFilters): Planner {
  const acting = new WeakMap<object, FilterPlan>()
  const counting = new WeakMap<object, FilterPlan>()
  return (actions, dryRun) => {
    const compiled = dryRun ? counting : acting
    let plan = compiled.get(actions)
    if (plan === undefined) compiled.set(actions, (plan = compilePlan(actions, { own, exempt, dryRun })))
    return plan
  }
}
