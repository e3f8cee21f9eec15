import { asRedoubtError } from '#foundation/core'
import { compilePlan } from '#gateway/filters'
import type { House } from './house.ts'
import type { Admitted, Refused, ServedState } from './states.ts'

/** Asks the model. While it runs, the token and the model are looked at again and again (B8). */
export async function serve(house: House, state: Admitted): Promise<ServedState | Refused> {
  const { call, principal, cancellation, received, decision, subject } = state
  const leave = house.streams.add({ principal, call, cancellation })
  try {
    const outputPlan = compilePlan(decision.obligations.filterOutput)
    const served = await call.serve({ requestId: received.requestId, subject, outputPlan, cancellation, out: received.reply })
    return { ...state, served }
  } catch (thrown) {
    return { refused: cancellation.reason ?? asRedoubtError(thrown), state }
  } finally {
    leave()
  }
}
