import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ErrorCode, RedoubtError } from '#foundation/core'
import { countOne, type FilterPlan, type Scan, scanInSlices, scanText, SLICE_UNITS } from '#gateway/filters'
import type { TextFilter } from './surface.ts'

/** Bodies from this size on are searched in slices, between which other requests go on. */
export const LARGE_BYTES = 65_536

/** One pass of the recognisers over the texts of a request or an answer: counts per entity, never values. */
export class Inspection {
  readonly findings = new Map<string, number>()
  /** As `findings`, by what was done, or in a dry run would have been: `EMAIL_ADDRESS=mask`. */
  readonly actions = new Map<string, number>()
  readonly filter: TextFilter
  readonly #plan: FilterPlan
  /** What was searched ahead, by text. */
  readonly #known = new Map<string, Scan>()

  /** @param blocked what a value that the plan blocks is refused with. */
  constructor(plan: FilterPlan, blocked: ErrorCode) {
    this.#plan = plan
    this.filter = (text, place) => {
      const result = this.#known.get(text) ?? scanText(text, plan)
      for (const { entity, action } of result.findings) {
        countOne(this.findings, entity)
        countOne(this.actions, `${entity}=${action}`)
        if (action === 'block' && !plan.dryRun)
          throw new RedoubtError(blocked, `\`${place}\` contains a value of kind ${entity}`, { evidence: { entity, param: place } })
      }
      return result.text
    }
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
      let step = search.next()
      for (; step.done !== true; step = search.next()) await nextTurn()
      this.#known.set(text, step.value)
      units += Math.min(text.length, SLICE_UNITS)
      if (units < SLICE_UNITS) continue
      units = 0
      await nextTurn()
    }
  }
}
