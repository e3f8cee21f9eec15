import { asRedoubtError, RedoubtError } from '#foundation/core'
import { compilePlan } from '#gateway/filters'
import type { House } from './house.ts'
import { guardModel } from './guard-model.ts'
import { InjectionWatch } from './injection-watch.ts'
import { Inspection, LARGE_BYTES } from './inspection.ts'
import type { Inspected, Limited, Refused } from './states.ts'
import type { TextFilter } from './surface.ts'

/** Masks or refuses values that this role may not send to this endpoint (C6, C9), and texts that steer its model (C7). At once, but for large bodies. */
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
  const { call, inputBytes, decision } = state
  const { injection } = decision.obligations
  const inspection = new Inspection(compilePlan(filterInput), 'ERR_FILTER_BLOCKED_INPUT', house.filterCosts)
  const watch = injection === undefined ? null : new InjectionWatch(call, injection, house.filterCosts)
  if (inputBytes < LARGE_BYTES) return inspected(state, inspection, watch)
  const visit = (look: TextFilter): void => call.rewriteTexts(look)
  const ahead = inspection.searchAhead(visit)
  return (watch === null ? ahead : ahead.then(() => watch.lookAhead(visit))).then(() => inspected(state, inspection, watch))
}

function inspected(state: Limited, inspection: Inspection, watch: InjectionWatch | null): Inspected | Refused {
  const { call, decision } = state
  try {
    if (watch === null) call.rewriteTexts(inspection.filter)
    else
      call.rewriteTexts((text, place) => {
        watch.look(text, place)
        return inspection.filter(text, place)
      })
    const canary = guardModel(call, decision.obligations)
    return { ...state, inputFindings: inspection.findings, injections: watch === null ? null : watch.found, canary }
  } catch (thrown) {
    return { refused: asRedoubtError(thrown), state }
  } finally {
    inspection.settle()
    watch?.settle()
  }
}
