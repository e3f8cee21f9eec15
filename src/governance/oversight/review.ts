import type { EntityUid, JsonObject, JsonValue, ReviewKind, ReviewState } from '#foundation/core'

/** What waits for a person, or did, without what is held. */
export interface Review {
  readonly id: string
  readonly kind: ReviewKind
  readonly requestId: string
  readonly surface: string
  readonly resource: EntityUid
  readonly caller: EntityUid
  /** The service that made the call for the caller. */
  readonly through: EntityUid | null
  /** Who asked for the review: the caller, or who contests for a person. */
  readonly asker: EntityUid
  /** Count per recogniser entity; never values. */
  readonly findings: Readonly<Record<string, number>>
  readonly state: ReviewState
  /** Epoch milliseconds. */
  readonly createdAt: number
  readonly dueAt: number
  readonly expiresAt: number
  readonly decidedAt: number | null
  readonly reviewer: EntityUid | null
  readonly usedByRequest: string | null
}

/** What the reviewer wrote. */
export interface Verdict {
  readonly comment: string
  /** In place of what the model answered; null unless overridden. */
  readonly override: Override | null
}

/** A text in place of an answer in words, or other values in place of outputs of a prediction, by name. */
export type Override = { readonly text: string } | { readonly outputs: Readonly<Record<string, readonly JsonValue[]>> }

export interface ReviewInFull extends Review {
  /** Null when the subject's key was destroyed, or nothing is held any more. */
  readonly content: JsonObject | null
  readonly verdict: Verdict | null
}

/** Who does something with a review, and by which request. */
export interface Reviewing {
  readonly uid: EntityUid
  readonly requestId: string
}

/** Implemented by the composition, which knows who made which account. */
export interface Independence {
  /** Whether one of them made the account, or a key, of the other: who made it could be who uses it. */
  isSameHand(one: EntityUid, other: EntityUid): boolean
}

export const sameEntity = (one: EntityUid | null, other: EntityUid): boolean =>
  one !== null && one.type === other.type && one.id === other.id

export const entity = ({ type, id }: EntityUid): EntityUid => ({ type, id })
export const uidText = ({ type, id }: EntityUid): string => `${type}::${id}`
