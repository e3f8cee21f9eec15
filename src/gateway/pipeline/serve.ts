import { asRedoubtError } from '#foundation/core'
import { compilePlan } from '#gateway/filters'
import { admitElsewhere } from './admit-elsewhere.ts'
import { decideAgain } from './decide-again.ts'
import type { House } from './house.ts'
import type { Admitted, Refused, ServedState } from './states.ts'

/** Asks the model. While it runs, the token, the model and the decision are looked at again and again (B8). */
export async function serve(house: House, state: Admitted): Promise<ServedState | Refused> {
  const { call, principal, cancellation, received, decision, subject } = state
  const running = { principal, call, cancellation, decideAgain: () => decideAgain(house, state) }
  const leave = house.streams.add(running)
  try {
    // Since the token was verified a body has arrived, at the caller's pace, and a record was written: what was true then need not be now.
    const reason = cancellation.reason ?? house.streams.reasonToEnd(running)
    if (reason) throw reason
    const outputPlan = compilePlan(decision.obligations.filterOutput)
    const served = await call.serve({
      requestId: received.requestId,
      subject,
      outputPlan,
      cancellation,
      out: received.reply,
      admitElsewhere: (resource, details) => admitElsewhere(house, state, resource, details),
    })
    return { ...state, served }
  } catch (thrown) {
    return { refused: cancellation.reason ?? asRedoubtError(thrown), state }
  } finally {
    leave()
  }
}
