import { type ErrorCode, RedoubtError } from '#foundation/core'
import { type FilterPlan, scanText } from '#gateway/filters'
import type { TextFilter } from './surface.ts'

/** One pass of the recognisers over the texts of a request or an answer: counts per entity, never values. */
export class Inspection {
  readonly findings = new Map<string, number>()
  readonly filter: TextFilter

  /** @param blocked what a value that the plan blocks is refused with. */
  constructor(plan: FilterPlan, blocked: ErrorCode) {
    this.filter = (text, place) => {
      const result = scanText(text, plan)
      for (const { entity, action } of result.findings) {
        this.findings.set(entity, (this.findings.get(entity) ?? 0) + 1)
        if (action === 'block')
          throw new RedoubtError(blocked, `\`${place}\` contains a value of kind ${entity}`, { evidence: { entity, param: place } })
      }
      return result.text
    }
  }
}
