import { asRedoubtError, type RedoubtError } from '#foundation/core'
import { limitHeaders } from '#gateway/limits'
import type { House } from './house.ts'
import { inferenceEvent, callerDetails } from './inference-event.ts'
import type { Admitted, Filtered, Inspected, Limited, Received, Refused, ServedState } from './states.ts'
import { challengeOf } from './step-up.ts'
import type { Usage } from './surface.ts'

/** Denials that a retry cannot change: clients are told not to try again. */
const FINAL_STATUSES: ReadonlySet<number> = new Set([400, 401, 403, 404, 405, 413, 415, 422])

/**
 * Says no, in the surface's own shape, and records it. A refusal by identity is recorded by the identity room.
 * If the record cannot be written the caller gets that error in place of the reason: still no.
 */
export async function refuse(house: House, refusal: Refused): Promise<void> {
  const { state } = refusal
  const received = 'received' in state ? state.received : state
  let { refused } = refusal
  let index: number | undefined
  if (refused.status >= 500)
    house.logger.warn({ requestId: received.requestId, code: refused.code, err: refused.cause ?? refused }, 'request failed')
  try {
    if ('received' in state) {
      if ('taken' in state) state.taken.settle(usageOf(state))
      index = (await house.audit.record(refusalEvent(refusal))).index
    }
  } catch (thrown) {
    refused = asRedoubtError(thrown, 'ERR_AUDIT_UNAVAILABLE')
  }
  send(received, refused, refusal, index)
}

/** What a refused request is charged: what was used, or all that was reserved when the caller left while the model was at work. */
function usageOf(state: Limited | Inspected | Admitted | ServedState | Filtered): Usage {
  if ('served' in state) return state.served.usage
  return 'cancellation' in state && state.cancellation.reason ? {} : { tokens: 0, rows: 0 }
}

function refusalEvent(refusal: Refused): Parameters<House['audit']['record']>[0] {
  const { state, refused } = refusal
  const parts = {
    outcome: refused.status >= 500 ? ('failed' as const) : ('refused' as const),
    code: refused.code,
    details: { ...refused.evidence, ...('admission' in state ? { admission: state.admission.index } : {}) },
  }
  if ('call' in state) return inferenceEvent('inference.refusal', state, parts)
  if (!('principal' in state)) throw refused
  return {
    type: 'inference.refusal',
    actor: { type: state.principal.facts.type, id: state.principal.facts.id },
    action: 'invoke',
    resource: { type: 'Surface', id: state.received.surface.name },
    requestId: state.received.requestId,
    purpose: state.principal.purpose,
    ...parts,
    details: { ...callerDetails(state.principal), ...parts.details },
  }
}

function send(received: Received, refused: RedoubtError, refusal: Refused, index: number | undefined): void {
  const { reply, surface, requestId } = received
  if (reply.started) {
    reply.end(surface.renderStreamError(refused, requestId))
    return
  }
  const rendered = surface.renderError(refused, requestId)
  reply.send(
    rendered.status,
    {
      ...rendered.headers,
      ...(refusal.limits
        ? limitHeaders(refusal.limits, refusal.retryAfterMs === undefined ? undefined : { retryAfterMs: refusal.retryAfterMs })
        : {}),
      ...(FINAL_STATUSES.has(rendered.status) ? { 'x-should-retry': 'false' } : {}),
      ...(index === undefined ? {} : { 'redoubt-log-index': String(index) }),
      ...(rendered.status === 401 ? { 'www-authenticate': challengeOf(refused) } : {}),
    },
    rendered.body,
  )
}
