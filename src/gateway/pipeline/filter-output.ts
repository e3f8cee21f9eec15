import { asRedoubtError } from '#foundation/core'
import { compilePlan } from '#gateway/filters'
import type { House } from './house.ts'
import { Inspection } from './inspection.ts'
import { keyedDigest } from './keyed-digest.ts'
import type { Filtered, Refused, ServedState } from './states.ts'

/** Masks or refuses what may not leave (C6, C9). A stream went through the same recognisers on its way out. */
export function filterOutput(house: House, state: ServedState): Filtered | Refused {
  const { served } = state
  if (served.kind === 'stream') {
    const { findings: outputFindings, failure } = served
    // Keyed like every digest of the record: a short answer could be guessed from its plain hash.
    return { ...state, outputFindings, outputDigest: keyedDigest(house.digestKey, served.outputDigest), failure, rendered: null }
  }
  const inspection = new Inspection(compilePlan(state.decision.obligations.filterOutput), 'ERR_FILTER_BLOCKED_OUTPUT')
  try {
    const rendered = served.render(inspection.filter)
    return {
      ...state,
      outputFindings: inspection.findings,
      rendered,
      outputDigest: keyedDigest(house.digestKey, rendered.body),
      failure: null,
    }
  } catch (thrown) {
    // A filter that fails lets nothing through.
    return { refused: asRedoubtError(thrown), state }
  }
}
