import { type AuditEvent, type EntityUid, RedoubtError } from '#foundation/core'
import { entity, type Reviewing } from './review.ts'

export const EVENT_OF = { released: 'review.release', overridden: 'review.override', rejected: 'review.reject' } as const

/** What the record says of anything that is done with a review. */
export const event = (type: string, { uid, requestId }: Reviewing, resource: EntityUid): AuditEvent => ({
  type,
  actor: entity(uid),
  action: 'review',
  resource: entity(resource),
  outcome: 'success',
  requestId,
})

/** Refusal of what waits: names the review, so that whoever was refused can ask for it. */
export const pendingReview = (id: string): RedoubtError =>
  new RedoubtError('ERR_REVIEW_PENDING', `a person has to look at this first: review \`${id}\``, { evidence: { review: id } })

export const unknown = (): RedoubtError => new RedoubtError('ERR_NOT_FOUND', 'there is no such review')
