import type { AlertSink, AuditSink, EntityUid } from '#foundation/core'
import { uidText } from './review.ts'
import { event } from './review-events.ts'
import type { ReviewStore } from './review-store.ts'
import type { WaitingCalls } from './waiting-calls.ts'

/** Done at a time, so that requests are answered in between. */
const MAX_SETTLED = 200
const SELF: EntityUid = { type: 'System', id: 'redoubt' }

export interface DueParts {
  readonly store: ReviewStore
  readonly calls: WaitingCalls
  readonly audit: AuditSink
  readonly alerts: AlertSink
  /** Whether somebody decides this review, or uses it, at this moment. */
  readonly isBusy: (id: string) => boolean
}

/** Tells of what is overdue, and ends what nobody looked at in time. */
export async function settleDue({ store, calls, audit, alerts, isBusy }: DueParts, now: number): Promise<void> {
  for (const review of store.due(now, MAX_SETTLED)) {
    alerts.raise({
      kind: 'review.overdue',
      severity: 'warning',
      summary: `nobody has looked at ${review.id}, a call of ${uidText(review.resource)}: redoubt review show ${review.id}`,
      subject: review.resource,
      key: review.id,
      details: { review: review.id, kind: review.kind },
      requestId: review.requestId,
    })
    store.told(review.id)
  }
  for (const review of store.over(now, MAX_SETTLED)) {
    // Somebody decides it, and began in time: the record has one end of it. What they do not finish is over at the next turn.
    if (isBusy(review.id)) continue
    await audit.record({
      ...event('review.expire', { uid: SELF, requestId: review.requestId }, review.resource),
      details: { review: review.id, of: review.requestId },
    })
    if (store.expire(review.id, now)) calls.tell(review.id, 'expired')
  }
}
