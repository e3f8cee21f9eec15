import { asRedoubtError, type RedoubtError } from '#foundation/core'
import type { CallVault } from '#gateway/filters'
import { admitElsewhere } from './admit-elsewhere.ts'
import type { Cancellation } from './cancellation.ts'
import { decideAgain } from './decide-again.ts'
import type { House } from './house.ts'
import { outputPlan } from './output-plan.ts'
import type { Reply } from './reply.ts'
import type { RunningStream } from './running-streams.ts'
import type { Admitted, Refused, ServedState } from './states.ts'
import type { StreamOut } from './surface.ts'

/** Asks the model. While it runs, the token, the model and the decision are looked at again and again (B8). */
export async function serve(house: House, state: Admitted): Promise<ServedState | Refused> {
  const { call, cancellation, received, filters, subject } = state
  const running = runningOf(house, state)
  const leave = house.streams.add(running)
  try {
    // Since the token was verified a body has arrived, at the caller's pace, and a record was written: what was true then need not be now.
    const reason = reasonToEnd(house, runningOf(house, state, false))
    if (reason) throw reason
    const served = await call.serve({
      requestId: received.requestId,
      subject,
      outputPlan: outputPlan(state),
      holdAll: state.decision.obligations.review !== undefined,
      cancellation,
      out: filters.kept === null ? received.reply : afterCommit(received.reply, filters.kept, cancellation),
      admitElsewhere: (resource, details) => admitElsewhere(house, state, resource, details),
    })
    return { ...state, served }
  } catch (thrown) {
    return { refused: cancellation.reason ?? asRedoubtError(thrown), state }
  } finally {
    leave()
  }
}

/** A stream whose tokens are durable before they leave; one that cannot be kept ends the stream. */
const afterCommit = (reply: Reply, kept: CallVault, cancellation: Cancellation): StreamOut => ({
  start: (headers) => reply.start(headers),
  write(text) {
    try {
      kept.commit()
    } catch (thrown) {
      cancellation.cancel(asRedoubtError(thrown))
      return true
    }
    return reply.write(text)
  },
  onDrain: (listener) => reply.onDrain(listener),
})

const runningOf = (house: House, state: Admitted, sent = true): RunningStream => {
  const { call, principal, cancellation } = state
  return { principal, call, cancellation, decideAgain: () => decideAgain(house, state, sent) }
}

const reasonToEnd = (house: House, running: RunningStream): RedoubtError | null =>
  running.cancellation.reason ?? house.streams.reasonToEnd(running)

/** Why an answer that took its time may not leave now, whatever was true when it was begun (B8); null when it may. */
export const reasonToKeep = (house: House, state: Admitted): RedoubtError | null => reasonToEnd(house, runningOf(house, state))
