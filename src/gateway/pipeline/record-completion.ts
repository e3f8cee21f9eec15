import { asRedoubtError } from '#foundation/core'
import { modeOf } from './call-filters.ts'
import type { House } from './house.ts'
import { inferenceEvent } from './inference-event.ts'
import type { Filtered, Recorded, Refused } from './states.ts'

/** What became of it, durable before the answer or the closing event of a stream leaves (E3, E5). */
export async function recordCompletion(house: House, state: Filtered): Promise<Recorded | Refused> {
  const { served, failure, taken, admission, outputFindings, outputActions, outputDigest, received } = state
  try {
    const completion = await house.audit.record(
      inferenceEvent('inference.completion', state, {
        outcome: failure === null ? 'success' : failure.status >= 500 ? 'failed' : 'refused',
        ...(failure ? { code: failure.code } : {}),
        details: {
          admission: admission.index,
          usage: { ...served.usage },
          outputDigest,
          outputFindings: Object.fromEntries(outputFindings),
          ...(outputActions.size > 0 ? { outputActions: Object.fromEntries(outputActions) } : {}),
          ...modeOf(state.filters),
          ...(served.kind === 'stream' && served.left !== undefined ? { outputLeft: served.left } : {}),
          durationMs: Math.round((house.clock.monotonic() - received.startedAt) * 1000) / 1000,
        },
        ...(served.kind === 'whole' && served.personal ? { personal: served.personal } : {}),
      }),
    )
    taken.settle(served.usage)
    return { ...state, completion }
  } catch (thrown) {
    return { refused: asRedoubtError(thrown, 'ERR_AUDIT_UNAVAILABLE'), state }
  }
}
