import { type EntityUid, RedoubtError } from '#foundation/core'
import type { ForwardClock } from '#governance/approvals'
import type { OversightConfig } from './config.ts'
import { type Independence, type Review, sameEntity } from './review.ts'
import { pendingReview, unknown } from './review-events.ts'
import type { ReviewStore, StoredReview } from './review-store.ts'

const HOUR_MS = 3_600_000

/** What may be done with a review as it stands at this moment, and by whom. */
export class ReviewStates {
  readonly #store: Pick<ReviewStore, 'get'>
  readonly #clock: Pick<ForwardClock, 'now'>
  readonly #answerMs: number
  readonly #independence: Independence

  constructor(
    store: Pick<ReviewStore, 'get'>,
    clock: Pick<ForwardClock, 'now'>,
    { answerHours }: Pick<OversightConfig, 'answerHours'>,
    independence: Independence,
  ) {
    this.#store = store
    this.#clock = clock
    this.#answerMs = answerHours * HOUR_MS
    this.#independence = independence
  }

  /** @throws {RedoubtError} `ERR_NOT_FOUND`. */
  known(id: string): StoredReview {
    const review = this.#store.get(id)
    if (review === null) throw unknown()
    return review
  }

  /** Without what is held, and what only this room uses. */
  shown(stored: StoredReview): Review {
    const { binding: _binding, pseudonym: _pseudonym, sealed: _sealed, verdict: _verdict, ...review } = stored
    // By the time and not by ticks: what is over is over before anyone has settled it.
    return review.state === 'waiting' && this.#clock.now() >= review.expiresAt ? { ...review, state: 'expired' } : review
  }

  /** @throws {RedoubtError} `ERR_REVIEW_STATE`. */
  demandWaiting({ state, expiresAt }: Pick<Review, 'state' | 'expiresAt'>): void {
    if (state !== 'waiting' || this.#clock.now() >= expiresAt) throw new RedoubtError('ERR_REVIEW_STATE')
  }

  /** @throws {RedoubtError} `ERR_REVIEW_PENDING`, `ERR_REVIEW_REJECTED`, `ERR_REVIEW_EXPIRED`, `ERR_REVIEW_OVERRIDDEN`, `ERR_REVIEW_STATE`. */
  demandReleased(review: StoredReview): void {
    switch (this.shown(review).state) {
      case 'released':
        break
      case 'waiting':
        throw pendingReview(review.id)
      case 'rejected':
        throw new RedoubtError('ERR_REVIEW_REJECTED')
      case 'expired':
        throw new RedoubtError('ERR_REVIEW_EXPIRED')
      case 'overridden':
        throw new RedoubtError('ERR_REVIEW_OVERRIDDEN')
      case 'used':
        throw new RedoubtError('ERR_REVIEW_STATE', 'the release was used')
    }
    if (this.#clock.now() >= (review.decidedAt ?? 0) + this.#answerMs) throw new RedoubtError('ERR_REVIEW_EXPIRED')
  }

  /** Whether this account has no part in the review: neither whose call it was, nor who asked, nor who made, or was made by, one of these. */
  isIndependent({ caller, through, asker }: Pick<Review, 'caller' | 'through' | 'asker'>, uid: EntityUid): boolean {
    return ![caller, through, asker].some((one) => one !== null && (sameEntity(one, uid) || this.#independence.isSameHand(uid, one)))
  }

  /** @throws {RedoubtError} `ERR_REVIEW_SELF`. */
  refuseInvolved(review: Review, uid: EntityUid): void {
    if (!this.isIndependent(review, uid)) throw new RedoubtError('ERR_REVIEW_SELF')
  }
}
