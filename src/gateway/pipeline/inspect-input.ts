import { asRedoubtError } from '#foundation/core'
import { compilePlan } from '#gateway/filters'
import type { House } from './house.ts'
import { Inspection, LARGE_BYTES } from './inspection.ts'
import type { Inspected, Limited, Refused } from './states.ts'

/** Masks or refuses values that this role may not send to this endpoint (C6, C9). At once, but for large bodies. */
export function inspectInput(_house: House, state: Limited): Inspected | Refused | Promise<Inspected | Refused> {
  const inspection = new Inspection(compilePlan(state.decision.obligations.filterInput), 'ERR_FILTER_BLOCKED_INPUT')
  if (state.inputBytes < LARGE_BYTES) return inspected(state, inspection)
  return inspection.searchAhead((look) => state.call.rewriteTexts(look)).then(() => inspected(state, inspection))
}

function inspected(state: Limited, inspection: Inspection): Inspected | Refused {
  try {
    state.call.rewriteTexts(inspection.filter)
  } catch (thrown) {
    return { refused: asRedoubtError(thrown), state }
  }
  return { ...state, inputFindings: inspection.findings }
}
