import type { AuditEvent, Decision, ErrorCode, JsonObject } from '#foundation/core'
import type { Principal } from '#trust/identity'
import type { Authorised, Resolved } from './states.ts'

interface EventParts {
  readonly outcome: AuditEvent['outcome']
  readonly code?: ErrorCode
  readonly details?: JsonObject
  readonly personal?: JsonObject
}

/** The facts every inference event has, so that admission, completion and refusal can be laid side by side. */
export function inferenceEvent(type: string, state: Resolved | Authorised, parts: EventParts): AuditEvent {
  const { received, principal, call, subject, inputDigest } = state
  return {
    type,
    actor: { type: principal.facts.type, id: principal.facts.id },
    action: 'invoke',
    resource: { type: call.resource.type, id: call.resource.id },
    outcome: parts.outcome,
    ...(parts.code === undefined ? {} : { code: parts.code }),
    requestId: received.requestId,
    purpose: principal.purpose,
    legalBasis: principal.legalBasis,
    ...('decision' in state ? { decision: pickDecision(state.decision) } : {}),
    details: {
      surface: received.surface.name,
      tokenId: principal.token.id,
      inputDigest,
      ...callerDetails(principal),
      ...('breakGlass' in state && state.breakGlass !== null ? { breakGlass: state.breakGlass } : {}),
      ...call.details,
      ...parts.details,
    },
    ...(subject === null || parts.personal === undefined ? {} : { personal: [{ subject, fields: parts.personal }] }),
  }
}

/** Of a person: the level of the factors shown; of one for whom a service acts, that service. */
export function callerDetails({ facts, mfaLevel, onBehalfBy }: Pick<Principal, 'facts' | 'mfaLevel' | 'onBehalfBy'>): JsonObject {
  if (onBehalfBy !== '') return { onBehalfBy, mfaLevel }
  return facts.type === 'User' ? { mfaLevel } : NO_DETAILS
}

const NO_DETAILS: JsonObject = {}

/** The engine gives the same frozen decision for the same policies; so does this, and the log writes it once. */
const picked = new WeakMap<Decision, RecordedDecision>()
type RecordedDecision = NonNullable<AuditEvent['decision']>

function pickDecision(decision: Decision): RecordedDecision {
  let pick = picked.get(decision)
  if (pick === undefined) {
    const { effect, policies, errors, policySet } = decision
    pick = Object.freeze({ effect, policies, errors, policySet })
    if (Object.isFrozen(decision)) picked.set(decision, pick)
  }
  return pick
}
