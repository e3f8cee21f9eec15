import { asRedoubtError, RedoubtError } from '#foundation/core'
import { compilePlan } from '#gateway/filters'
import { holdInput } from './hold-input.ts'
import type { House } from './house.ts'
import { Inspection, LARGE_BYTES } from './inspection.ts'
import type { Inspected, Limited, Refused } from './states.ts'

/** Masks or refuses values that this role may not send to this endpoint (C6, C9). At once, but for large bodies. */
export function inspectInput(house: House, state: Limited): Inspected | Refused | Promise<Inspected | Refused> {
  const { filterInput, unreadInput = [] } = state.decision.obligations
  const unreadable = state.call.unreadable?.find(({ kind }) => !unreadInput.includes(kind))
  if (unreadable !== undefined) {
    const { kind, param } = unreadable
    const refused = new RedoubtError('ERR_FILTER_UNREADABLE', `\`${param}\` is of kind ${kind}, which no filter can read`, {
      evidence: { kind, param },
    })
    return { refused, state }
  }
  const inspection = new Inspection(compilePlan(filterInput), 'ERR_FILTER_BLOCKED_INPUT')
  if (state.inputBytes < LARGE_BYTES) return inspected(house, state, inspection)
  return inspection.searchAhead((look) => state.call.rewriteTexts(look)).then(() => inspected(house, state, inspection))
}

function inspected(house: House, state: Limited, inspection: Inspection): Inspected | Refused | Promise<Inspected | Refused> {
  try {
    state.call.rewriteTexts(inspection.filter)
  } catch (thrown) {
    return { refused: asRedoubtError(thrown), state }
  }
  if (inspection.reviewed.size > 0) return holdInput(house, state, inspection)
  return { ...state, inputFindings: inspection.findings }
}
