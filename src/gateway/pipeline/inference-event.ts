import type { AuditEvent, ErrorCode, JsonObject } from '#foundation/core'
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
    details: { surface: received.surface.name, tokenId: principal.token.id, inputDigest, ...call.details, ...parts.details },
    ...(subject === null || parts.personal === undefined ? {} : { personal: [{ subject, fields: parts.personal }] }),
  }
}

const pickDecision = (decision: Authorised['decision']): NonNullable<AuditEvent['decision']> => ({
  effect: decision.effect,
  policies: decision.policies,
  errors: decision.errors,
  policySet: decision.policySet,
})
