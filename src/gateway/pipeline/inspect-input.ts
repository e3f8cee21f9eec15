import { asRedoubtError, RedoubtError } from '#foundation/core'
import { type CallFilters, callFilters } from './call-filters.ts'
import { holdInput } from './hold-input.ts'
import { crossingPassages } from './crossing-passages.ts'
import { crossingValues } from './crossing-values.ts'
import type { House } from './house.ts'
import { guardModel } from './guard-model.ts'
import { InjectionWatch } from './injection-watch.ts'
import { Inspection, LARGE_BYTES } from './inspection.ts'
import type { Inspected, Limited, Refused } from './states.ts'
import { atOnce, inTurns, together } from './stretches.ts'
import type { TextFilter } from './surface.ts'

/** Changes or refuses values that this role may not send to this endpoint (C6, C9), and texts that steer its model (C7). At once, but for large bodies and where something is kept. */
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
  try {
    state.call.admitTools?.(state.decision.obligations)
  } catch (thrown) {
    return { refused: asRedoubtError(thrown), state }
  }
  const filters = callFilters(house, state)
  return filters instanceof Promise ? filters.then((made) => inspectWith(house, made, state)) : inspectWith(house, filters, state)
}

function inspectWith(house: House, filters: CallFilters, state: Limited): Inspected | Refused | Promise<Inspected | Refused> {
  const { call, inputBytes, decision } = state
  const { injection } = decision.obligations
  const inspection = new Inspection(filters.input, 'ERR_FILTER_BLOCKED_INPUT', house.filterCosts)
  const watch = injection === undefined ? null : new InjectionWatch(call, injection, house.filterCosts)
  if (inputBytes < LARGE_BYTES) return inspected(house, state, filters, inspection, watch)
  return lookAhead(state, filters, inspection, watch).then(() => inspected(house, state, filters, inspection, watch))
}

/** What a large body costs, slice by slice. */
async function lookAhead({ call }: Limited, { input }: CallFilters, inspection: Inspection, watch: InjectionWatch | null): Promise<void> {
  const visit = (look: TextFilter): void => call.rewriteTexts(look)
  await inspection.searchAhead(visit)
  await watch?.lookAhead(visit)
  inspection.crossing = together(await inTurns(crossingPassages(call, input, visit)), await inTurns(crossingValues(call, input, visit)))
}

function inspected(
  house: House,
  state: Limited,
  filters: CallFilters,
  inspection: Inspection,
  watch: InjectionWatch | null,
): Inspected | Refused | Promise<Inspected | Refused> {
  const { call, decision } = state
  const { kept } = filters
  const texts: string[] = []
  let canary: string | null
  try {
    if (state.inputBytes < LARGE_BYTES) {
      const visit = (look: TextFilter): void => call.rewriteTexts(look)
      inspection.crossing = together(
        atOnce(crossingPassages(call, filters.input, visit)),
        atOnce(crossingValues(call, filters.input, visit)),
      )
    }
    call.rewriteTexts(
      kept === null && watch === null
        ? inspection.filter
        : (text, place) => {
            if (kept !== null) texts.push(text)
            watch?.look(text, place)
            return inspection.filter(text, place)
          },
    )
    watch?.end()
    // What a token stands for is on the disk before the token is anywhere else.
    kept?.commit()
    kept?.beginAnswer()
    canary = guardModel(call, decision.obligations)
  } catch (thrown) {
    return { refused: asRedoubtError(thrown), state }
  } finally {
    inspection.settle()
    watch?.settle()
  }
  const { findings: inputFindings, actions: inputActions } = inspection
  const done = { ...state, inputFindings, inputActions, injections: watch === null ? null : watch.found, canary, filters }
  if (kept === null || filters.output.restore === null) return held(house, done, inspection)
  return kept.recall(texts).then(() => held(house, done, inspection))
}

/** What a person has to look at does not go on by itself. */
function held(house: House, done: Inspected, inspection: Inspection): Inspected | Promise<Inspected | Refused> {
  return inspection.reviewed.size > 0 ? holdInput(house, done, inspection) : done
}
