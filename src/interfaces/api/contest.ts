import { type EntityFacts, type EntityUid, type JsonObject, RedoubtError, type ReviewAsk } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'
import { resourceFacts } from './resource-facts.ts'

/** A call that was answered, by its entry in the log. */
export interface AnsweredCall {
  readonly index: number
  readonly event: JsonObject
  readonly caller: EntityUid
  readonly resource: EntityFacts
}

/**
 * The call that a contest is about. @param subject the person whom it was about, as the caller named them.
 * @throws {RedoubtError} `ERR_NOT_FOUND`.
 */
export function answeredCall(plane: ControlPlane, requestId: string, subject: string | null): AnsweredCall {
  const { entries } = plane.log.search({ requestId, type: 'inference.completion', limit: 1, ...(subject === null ? {} : { subject }) })
  const [entry] = entries
  const [caller, resource] = [uidOf(entry?.event['actor']), uidOf(entry?.event['resource'])]
  if (entry === undefined || caller === null || resource === null)
    throw new RedoubtError('ERR_NOT_FOUND', 'no answered call of this request id, and about this person if one is named, is on record')
  return { ...entry, caller, resource: resourceFacts(plane, resource) }
}

interface Contest {
  readonly call: AnsweredCall
  readonly requestId: string
  readonly asker: EntityUid
  readonly subject: string | null
  readonly reason: string
}

/** What a reviewer of a contest sees: the reason, the entry, and of a person who is named what was kept sealed of the answer. */
export async function contestAsk(plane: ControlPlane, { call, requestId, asker, subject, reason }: Contest): Promise<ReviewAsk> {
  const { event, index, caller, resource } = call
  const details = objectOf(event['details'])
  const personal = subject === null ? null : ((await plane.log.openPersonal(index))[0]?.fields ?? null)
  const { surface, inputDigest } = details
  return {
    kind: 'contest',
    requestId,
    surface: typeof surface === 'string' ? surface : '',
    resource: { type: resource.type, id: resource.id },
    caller,
    through: null,
    asker,
    subject,
    findings: {},
    binding: typeof inputDigest === 'string' ? inputDigest : '',
    content: {
      reason,
      entry: { index, time: event['time'] ?? null, purpose: event['purpose'] ?? null, details, decision: event['decision'] ?? null },
      explanation: personal,
      answer: JSON.stringify(personal === null ? {} : { outputs: personal['prediction'] ?? [] }),
      contentType: 'application/json',
    },
  }
}

const objectOf = (value: unknown): JsonObject => (typeof value === 'object' && value !== null ? (value as JsonObject) : {})

function uidOf(value: unknown): EntityUid | null {
  const { type, id } = objectOf(value)
  return typeof type === 'string' && typeof id === 'string' ? { type, id } : null
}
