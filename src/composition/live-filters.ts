import { asRedoubtError, type AuditSink } from '#foundation/core'
import { type FiltersConfig, filterVocabulary, type Planner, plannerFor, type SiteFilters } from '#gateway/filters'
import type { PolicyStore } from '#interfaces/api'
import { readSiteFilters } from './read-site-filters.ts'

type Named = Pick<FiltersConfig, 'recognisers' | 'exempt'>

const SELF = { type: 'System', id: 'redoubt' } as const
const RESOURCE = { type: 'System', id: 'filters' } as const

/** What changed. */
export interface FiltersChange {
  /** SHA-256, hex, over recognisers and exempt values. */
  readonly before: string
  readonly after: string
  readonly recognisers: number
  readonly exempt: number
}

/** The recognisers and exempt values of this site, as they are now. */
export class LiveFilters {
  #site: SiteFilters
  #planner: Planner
  #digest: string

  /** @throws {RedoubtError} `ERR_FILTER_RECOGNISER`. */
  constructor(named: Named) {
    const { site, digest } = readSiteFilters(named)
    this.#site = site
    this.#digest = digest
    this.#planner = plannerFor(site)
  }

  /** Plans by what is in force when it is asked; a plan that was made stays what it is, so that whatever runs ends as it began. */
  readonly plan: Planner = (actions, dryRun) => this.#planner(actions, dryRun)

  get vocabulary(): ReturnType<typeof filterVocabulary> {
    return filterVocabulary(this.#site)
  }

  /**
   * Reads the files again. All of it is in force for what begins afterwards, or nothing; either is recorded as `filters.reload`.
   * @throws {RedoubtError} `ERR_FILTER_RECOGNISER` with file and line, `ERR_POLICY_INVALID` when the policies in force name what would not be found any more.
   */
  async reload(named: Named, { policies, audit }: { readonly policies: PolicyStore; readonly audit: AuditSink }): Promise<FiltersChange> {
    const before = this.#digest
    const event = { type: 'filters.reload', actor: SELF, action: 'administer', resource: RESOURCE } as const
    let change: FiltersChange
    try {
      const { site, digest } = readSiteFilters(named)
      const planner = plannerFor(site)
      await policies.refit(filterVocabulary(site), planner, () => {
        this.#site = site
        this.#planner = planner
        this.#digest = digest
      })
      change = { before, after: digest, recognisers: site.own.length, exempt: site.exempt.size }
    } catch (thrown) {
      const { code, evidence } = asRedoubtError(thrown)
      const { file } = evidence
      await audit.record({
        ...event,
        outcome: 'failed',
        code,
        details: { before, after: this.#digest, file: typeof file === 'string' ? file : null },
      })
      throw thrown
    }
    // Outside: what is in force is not recorded as refused when the log fails.
    await audit.record({ ...event, outcome: 'success', details: { ...change } })
    return change
  }
}
