import { asRedoubtError, RedoubtError } from '#foundation/core'
import { PROMPT_CANARY } from '#gateway/filters'
import { holdStream, holdWhole } from './hold-answer.ts'
import type { House } from './house.ts'
import { Inspection, LARGE_BYTES } from './inspection.ts'
import { keyedDigest } from './keyed-digest.ts'
import { outputPlan } from './output-plan.ts'
import { reasonToKeep } from './serve.ts'
import { wantsReview } from './review-wish.ts'
import { crossingValues } from './crossing-values.ts'
import { atOnce, inTurns, together } from './stretches.ts'
import type { Filtered, Refused, ServedState } from './states.ts'
import type { TextFilter, WholeServed } from './surface.ts'

/** Masks or refuses what may not leave (C6, C9). A stream went through the same recognisers on its way out. At once, but for large answers. */
export function filterOutput(house: House, state: ServedState): Filtered | Refused | Promise<Filtered | Refused> {
  const { served } = state
  if (served.kind === 'stream') {
    const { findings: outputFindings, actions: outputActions, held } = served
    const failure = outputFindings.has(PROMPT_CANARY) ? new RedoubtError('ERR_FILTER_CANARY') : served.failure
    // Nothing of it has left: the caller is refused as for a whole answer, and charged what the model has worked.
    if (failure !== null && !state.received.reply.started) return { refused: withCanary(failure, outputFindings), state }
    try {
      // Tokens of the closing events.
      state.filters.kept?.commit()
    } catch (thrown) {
      return { refused: asRedoubtError(thrown), state }
    }
    if (held !== undefined) return holdStream(house, state, served, held)
    // Keyed like every digest of the record: a short answer could be guessed from its plain hash.
    return {
      ...state,
      outputFindings,
      outputActions,
      outputDigest: keyedDigest(house.digestKey, served.outputDigest),
      failure,
      rendered: null,
    }
  }
  const plan = outputPlan(state)
  const inspection = new Inspection(plan, 'ERR_FILTER_BLOCKED_OUTPUT', house.filterCosts)
  const visit = (look: TextFilter): void => served.visitTexts(look)
  const crossing = (): ReturnType<typeof crossingValues> => crossingValues(served, plan, visit, 'within')
  if (served.bytes < LARGE_BYTES) {
    try {
      inspection.crossing = together(atOnce(crossing()))
    } catch (thrown) {
      return { refused: asRedoubtError(thrown), state }
    }
    return filtered(house, state, served, inspection)
  }
  return inspection
    .searchAhead(visit)
    .then(() => inTurns(crossing()))
    .then((found) => {
      inspection.crossing = together(found)
      // The search gave way to others, who may have revoked the token, disabled the account or quarantined the model.
      const refused = reasonToKeep(house, state)
      return refused === null ? filtered(house, state, served, inspection) : { refused, state }
    })
}

function filtered(
  house: House,
  state: ServedState,
  served: WholeServed,
  inspection: Inspection,
): Filtered | Refused | Promise<Filtered | Refused> {
  try {
    const rendered = served.render(inspection.filter)
    state.filters.kept?.commit()
    if (inspection.reviewed.size > 0 || wantsReview(state.decision.obligations.review, served))
      return holdWhole(house, state, served, rendered, inspection)
    return {
      ...state,
      outputFindings: inspection.findings,
      outputActions: inspection.actions,
      rendered,
      outputDigest: keyedDigest(house.digestKey, rendered.body),
      failure: null,
    }
  } catch (thrown) {
    // A filter that fails lets nothing through.
    return { refused: asRedoubtError(thrown), state }
  } finally {
    inspection.settle()
  }
}

/** A refusal is recorded without what was found; that a canary was must be told all the same. */
function withCanary(failure: RedoubtError, findings: ReadonlyMap<string, number>): RedoubtError {
  if (!findings.has('CANARY')) return failure
  return new RedoubtError(failure.code, failure.message, { evidence: { ...failure.evidence, entity: 'CANARY' }, cause: failure })
}
