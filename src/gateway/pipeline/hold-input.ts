import { asRedoubtError, type EntityUid } from '#foundation/core'
import type { Principal } from '#trust/identity'
import type { House } from './house.ts'
import type { Inspection } from './inspection.ts'
import { keyedDigest } from './keyed-digest.ts'
import { refusalOfReview } from './review-refusals.ts'
import type { Inspected, Refused, Resolved } from './states.ts'

/** The header that names the review by which a request was released. */
export const REVIEW_HEADER = 'redoubt-review'

/**
 * A request with values that a person has to look at before the model does (D10). It goes on when it names a review that released exactly it, once; else it
 * is kept for a person, and refused with the id of the review, at once or when nobody has released it in the time that calls wait.
 */
export async function holdInput(house: House, inspected: Inspected, inspection: Inspection): Promise<Inspected | Refused> {
  const { received, principal, call, subject } = inspected
  const caller = { type: principal.facts.type, id: principal.facts.id }
  const binding = bindingOf(house, inspected)
  const by = { caller, binding, requestId: received.requestId }
  try {
    const released = received.header?.(REVIEW_HEADER)
    if (released !== undefined) {
      await house.reviews.use(released, by)
      return inspected
    }
    const { id } = await house.reviews.ask({
      kind: 'input',
      requestId: received.requestId,
      surface: received.surface.name,
      resource: { type: call.resource.type, id: call.resource.id },
      caller,
      through: throughOf(principal),
      subject,
      findings: Object.fromEntries(inspection.reviewed),
      binding,
      content: { asked: inspection.texts, purpose: principal.purpose, policies: inspected.decision.policies },
    })
    const decided = await house.reviews.decided(id, (left) => received.reply.onGone(left))
    if (decided !== 'released') return { refused: refusalOfReview(decided, id), state: inspected }
    await house.reviews.use(id, by)
    return inspected
  } catch (thrown) {
    return { refused: asRedoubtError(thrown), state: inspected }
  }
}

/** What a release is bound to: the body, to the letter, and what else decides what becomes of it. Keyed, so that nobody who reads it can guess. */
export function bindingOf(house: Pick<House, 'digestKey'>, { received, principal, call, subject, inputDigest }: Resolved): string {
  const { resource } = call
  return keyedDigest(
    house.digestKey,
    JSON.stringify(['review', received.surface.name, resource.type, resource.id, principal.purpose, subject, inputDigest]),
  )
}

export const throughOf = ({ onBehalfBy }: Pick<Principal, 'onBehalfBy'>): EntityUid | null =>
  onBehalfBy === '' ? null : { type: 'ServiceAccount', id: onBehalfBy }
