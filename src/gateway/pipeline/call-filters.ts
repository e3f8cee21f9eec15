import type { FilterAction, Obligations } from '#foundation/core'
import { type CallVault, createSubstitutes, type FilterPlan, forCall } from '#gateway/filters'
import type { House } from './house.ts'
import type { Limited } from './states.ts'

/** What is looked for in the texts of one call, in and out, and what stands for it. */
export interface CallFilters {
  readonly input: FilterPlan
  readonly output: FilterPlan
  /** What the call keeps; null when nothing of it is tokenised or turned back. */
  readonly kept: CallVault | null
}

const tokenises = (actions: Readonly<Record<string, FilterAction>>): boolean => Object.values(actions).includes('tokenise')

/**
 * The plans of a call by its decision. Waits only where something may be kept, as a key is made for it: without that key no token is made (fail closed).
 * @throws {RedoubtError} `ERR_FILTER_ENTITY`; rejects with what the keys or the disk say.
 */
export function callFilters(house: House, state: Limited): CallFilters | Promise<CallFilters> {
  const { filterInput, filterOutput, restore = [], filterMode } = state.decision.obligations
  // Production obeys no annotation that lets values pass; its configuration cannot say so either.
  const dryRun = house.profile !== 'production' && (house.filtersDryRun || filterMode === 'dry_run')
  if (dryRun) return { input: house.plan(filterInput, true), output: house.plan(filterOutput, true), kept: null }
  const input = house.plan(filterInput, false)
  const output = house.plan(filterOutput, false)
  const keeps = tokenises(filterInput) || tokenises(filterOutput) || restore.length > 0
  if (!keeps) {
    if (!input.keyed && !output.keyed) return { input, output, kept: null }
    const substitutes = createSubstitutes({ hashKey: house.hashKey })
    return { input: forCall(input, substitutes, null), output: forCall(output, substitutes, null), kept: null }
  }
  const account = state.principal.facts
  return house.vault.open({ account, subject: state.subject }).then((kept) => {
    const substitutes = createSubstitutes({ hashKey: house.hashKey, mint: (entity, value) => kept.mint(entity, value) })
    const valueOf = (token: string): string | null => {
      const known = kept.valueOf(token)
      return known !== null && mayRestore(restore, known.entity) ? known.value : null
    }
    return { input: forCall(input, substitutes, null), output: forCall(output, substitutes, restore.length > 0 ? valueOf : null), kept }
  })
}

/** For the record: whether nothing was done to what was found. */
export const modeOf = ({ input }: CallFilters): { readonly filterMode?: 'dry_run' } => (input.dryRun ? DRY_RUN : ACTED)
const DRY_RUN = { filterMode: 'dry_run' } as const
const ACTED = {}

const mayRestore = (restore: NonNullable<Obligations['restore']>, entity: string): boolean =>
  restore.includes(entity) || restore.includes('all')
