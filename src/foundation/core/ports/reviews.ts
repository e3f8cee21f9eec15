import type { JsonObject } from '../canonical-json.ts'
import { RedoubtError } from '../errors.ts'
import type { EntityUid } from './entities.ts'

/** `input`: a request that has not gone to the model; `output`: an answer in which a value was found; `decision`: an answer that policy wants looked at; `contest`: an answer that left and is contested. */
export const REVIEW_KINDS = ['input', 'output', 'decision', 'contest'] as const
export type ReviewKind = (typeof REVIEW_KINDS)[number]

/** `used`: a released request that went to the model, once. */
export type ReviewState = 'waiting' | 'released' | 'overridden' | 'rejected' | 'expired' | 'used'

/** Something that a person has to look at before it goes on. */
export interface ReviewAsk {
  readonly kind: ReviewKind
  readonly requestId: string
  readonly surface: string
  readonly resource: EntityUid
  /** Whose call it was. */
  readonly caller: EntityUid
  /** The service that made the call for the caller; null when the caller made it. */
  readonly through: EntityUid | null
  /** Who asks for the review, where that is another than the caller. */
  readonly asker?: EntityUid
  /** The person whom the call is about: what is held is sealed under that person's key. */
  readonly subject: string | null
  /** Count per recogniser entity. */
  readonly findings: Readonly<Record<string, number>>
  /** Keyed digest of what the release is bound to; a release of an input lets exactly this pass. */
  readonly binding: string
  /** What the reviewer has to see. */
  readonly content: JsonObject
}

export interface ReviewTicket {
  readonly id: string
  /** Epoch milliseconds: somebody should have looked by then; when it ends without anyone having looked. */
  readonly dueAt: number
  readonly expiresAt: number
}

/** Implemented by `#governance/oversight`. */
export interface ReviewQueue {
  /** How long a call waits for a reviewer before it is refused, in milliseconds; 0: not at all. */
  readonly waitMs: number
  /**
   * Resolves when the review is on record and durable.
   * @throws {RedoubtError} `ERR_REVIEW_FULL`, `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_IO`: then nothing waits, and what was to be looked at stays where it is.
   */
  ask(ask: ReviewAsk): Promise<ReviewTicket>
  /**
   * Resolves with the state when a reviewer has decided, `waitMs` are over, the room closes, or at once when too many calls wait.
   * @param onGone takes what is called when the client leaves.
   */
  decided(id: string, onGone: (left: () => void) => void): Promise<ReviewState>
  /**
   * Uses the release of an input, once, on record and durable when it resolves.
   * @throws {RedoubtError} `ERR_REVIEW_STATE`, `ERR_REVIEW_PENDING`, `ERR_REVIEW_REJECTED` or `ERR_REVIEW_EXPIRED` when it is not there to be used, `ERR_REVIEW_BINDING` when it
   *   is of something else, `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_IO`.
   */
  use(id: string, by: { readonly caller: EntityUid; readonly binding: string; readonly requestId: string }): Promise<void>
}

/** Where there is no queue: what a person has to look at does not go on. */
export const NO_REVIEWS: ReviewQueue = {
  waitMs: 0,
  ask: () => Promise.reject(new RedoubtError('ERR_REVIEW_FULL', 'nobody reviews here')),
  decided: () => Promise.resolve('waiting'),
  use: () => Promise.reject(new RedoubtError('ERR_NOT_FOUND', 'there is no such review')),
}
