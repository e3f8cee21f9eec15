import { asRedoubtError, RedoubtError } from '#foundation/core'
import { type CallFilters, callFilters } from './call-filters.ts'
import type { House } from './house.ts'
import { Inspection, LARGE_BYTES } from './inspection.ts'
import type { Inspected, Limited, Refused } from './states.ts'

/** Changes or refuses values that this role may not send to this endpoint (C6, C9). At once, but for large bodies and where something is kept. */
export function inspectInput(house: House, state: Limited): Inspected | Refused | Promise<Inspected | Refused> {
  const { unreadInput = [] } = state.decision.obligations
  const unreadable = state.call.unreadable?.find(({ kind }) => !unreadInput.includes(kind))
  if (unreadable !== undefined) {
    const { kind, param } = unreadable
    const refused = new RedoubtError('ERR_FILTER_UNREADABLE', `\`${param}\` is of kind ${kind}, which no filter can read`, {
      evidence: { kind, param },
    })
    return { refused, state }
  }
  const filters = callFilters(house, state)
  return filters instanceof Promise ? filters.then((made) => inspectWith(made, state)) : inspectWith(filters, state)
}

function inspectWith(filters: CallFilters, state: Limited): Inspected | Refused | Promise<Inspected | Refused> {
  const inspection = new Inspection(filters.input, 'ERR_FILTER_BLOCKED_INPUT')
  if (state.inputBytes < LARGE_BYTES) return inspected(state, filters, inspection)
  return inspection.searchAhead((look) => state.call.rewriteTexts(look)).then(() => inspected(state, filters, inspection))
}

function inspected(state: Limited, filters: CallFilters, inspection: Inspection): Inspected | Refused | Promise<Inspected | Refused> {
  const { kept } = filters
  const texts: string[] = []
  try {
    state.call.rewriteTexts(
      kept === null
        ? inspection.filter
        : (text, place) => {
            texts.push(text)
            return inspection.filter(text, place)
          },
    )
    // What a token stands for is on the disk before the token is anywhere else.
    kept?.commit()
  } catch (thrown) {
    return { refused: asRedoubtError(thrown), state }
  }
  const done = { ...state, inputFindings: inspection.findings, inputActions: inspection.actions, filters }
  return kept === null || filters.output.restore === null ? done : kept.recall(texts).then(() => done)
}
