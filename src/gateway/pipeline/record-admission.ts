import { asRedoubtError, RedoubtError } from '#foundation/core'
import { modeOf } from './call-filters.ts'
import { Cancellation } from './cancellation.ts'
import type { House } from './house.ts'
import { inferenceEvent } from './inference-event.ts'
import type { Admitted, Inspected, Refused } from './states.ts'

/** The admission is durable before the model sees anything; no record, no answer (E3, E5). */
export async function recordAdmission(house: House, state: Inspected): Promise<Admitted | Refused> {
  try {
    const admission = await house.audit.record(
      inferenceEvent('inference.admission', state, {
        outcome: 'success',
        details: {
          inputFindings: Object.fromEntries(state.inputFindings),
          ...(state.inputActions.size > 0 ? { inputActions: Object.fromEntries(state.inputActions) } : {}),
          ...modeOf(state.filters),
          ...(state.injections === null ? {} : { injections: { ...state.injections } }),
        },
        ...(state.subject === null ? {} : { personal: { role: 'subject of the request' } }),
      }),
    )
    const cancellation = new Cancellation()
    state.received.reply.onGone(() => cancellation.cancel(new RedoubtError('ERR_CLIENT_GONE')))
    return { ...state, admission, cancellation }
  } catch (thrown) {
    return { refused: asRedoubtError(thrown, 'ERR_AUDIT_UNAVAILABLE'), state }
  }
}
