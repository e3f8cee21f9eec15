import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ErrorCode, RedoubtError } from '#foundation/core'
import { countOne, type FilterPlan, forReviewer, PROMPT_CANARY, type Scan, scanInSlices, scanText, SLICE_UNITS } from '#gateway/filters'
import type { FilterCosts } from './house.ts'
import { type Crossing, stretchesOut } from './stretches.ts'
import type { TextFilter } from './surface.ts'

/** Bodies from this size on are searched in slices, between which other requests go on. */
export const LARGE_BYTES = 65_536

const NONE: readonly never[] = []

/** One pass of the recognisers over the texts of a request or an answer: counts per entity, never values. */
export class Inspection {
  readonly findings = new Map<string, number>()
  /** As `findings`, by what was done, or in a dry run would have been: `EMAIL_ADDRESS=mask`. */
  readonly actions = new Map<string, number>()
  /** Those of them that a person has to look at: they are left in the texts, which must then not go on by themselves. */
  readonly reviewed = new Map<string, number>()
  /** The texts as they may be shown to a reviewer; empty unless the plan has such entities. */
  readonly texts: { readonly place: string; readonly text: string }[] = []
  readonly filter: TextFilter
  readonly #plan: FilterPlan
  readonly #costs: FilterCosts | undefined
  #spent = 0
  /** What was searched ahead, by text. */
  readonly #known = new Map<string, Scan>()
  /** What lies over the borders of the texts, which `filter` is then shown in the order in which they were searched for it. */
  crossing: Crossing | null = null
  #shown = 0

  /** @param blocked what a value that the plan blocks is refused with. */
  constructor(plan: FilterPlan, blocked: ErrorCode, costs?: FilterCosts) {
    this.#plan = forReviewer(plan)
    this.#costs = costs
    this.filter = (whole, place) => {
      const crossing = this.crossing?.get(this.#shown++) ?? NONE
      const text = stretchesOut(whole, crossing, this.#plan)
      const result = this.#known.get(text) ?? this.#search(text)
      for (const { entity, action } of [...crossing.filter(({ begins }) => begins), ...result.findings]) {
        countOne(this.findings, entity)
        countOne(this.actions, `${entity}=${action}`)
        if (action === 'review' && plan.reviews) countOne(this.reviewed, entity)
        const isCanary = entity === PROMPT_CANARY
        if (isCanary || (action === 'block' && !plan.dryRun))
          throw new RedoubtError(isCanary ? 'ERR_FILTER_CANARY' : blocked, `\`${place}\` contains a value of kind ${entity}`, {
            evidence: { entity, param: place },
          })
      }
      if (plan.reviews) this.texts.push({ place, text: result.text.toWellFormed() })
      return result.text
    }
  }

  /** Tells what the search took. */
  settle(): void {
    this.#costs?.observe(this.#plan.names === null ? 'patterns' : 'names', this.#spent)
  }

  #search(text: string): Scan {
    const costs = this.#costs
    if (costs === undefined) return scanText(text, this.#plan)
    const started = costs.now()
    const scan = scanText(text, this.#plan)
    this.#spent += costs.now() - started
    return scan
  }

  /**
   * Searches every text that `visit` shows, at most about `SLICE_UNITS` in one turn of the event loop: the recognisers take
   * microseconds a hundred units for texts made against them, and a large body would hold everybody up. `filter` then knows
   * them; what it does not know it searches by itself, so this changes when a text is searched and never whether.
   */
  async searchAhead(visit: (look: TextFilter) => void): Promise<void> {
    const texts = new Set<string>()
    visit((text) => {
      texts.add(text)
      return text
    })
    let units = 0
    for (const text of texts) {
      const search = scanInSlices(text, this.#plan)
      const slice = (): IteratorResult<void, Scan> => {
        const started = this.#costs?.now() ?? 0
        const step = search.next()
        this.#spent += (this.#costs?.now() ?? 0) - started
        return step
      }
      let step = slice()
      for (; step.done !== true; step = slice()) await nextTurn()
      this.#known.set(text, step.value)
      units += Math.min(text.length, SLICE_UNITS)
      if (units < SLICE_UNITS) continue
      units = 0
      await nextTurn()
    }
  }
}
