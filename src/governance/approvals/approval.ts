import type { Action, DecisionContext, EntityFacts, EntityUid } from '#foundation/core'

/** `used` is the end of an approval for one act; what only reads stays `open` until it expires. */
export type ApprovalState = 'open' | 'denied' | 'withdrawn' | 'used' | 'expired'

export interface Vote {
  readonly approver: EntityUid
  readonly at: number
  /** The circumstances in which the approver agreed: asked again, with what the account is then, when the approval is used. */
  readonly context: DecisionContext
  readonly comment: string
}

export interface Approval {
  readonly id: string
  readonly principal: EntityUid
  /** Who made what would be acted on, where that is known; does not approve. */
  readonly author: EntityUid | null
  /** Whose work is in it besides; none of them approves. */
  readonly contributors: readonly EntityUid[]
  readonly action: Action
  readonly resource: EntityUid
  /** SHA-256, hex, of the payload's canonical text. */
  readonly digest: string
  /** Approvals that the policies asked for when it was refused. */
  readonly needed: number
  readonly state: ApprovalState
  /** Epoch milliseconds. */
  readonly createdAt: number
  readonly expiresAt: number
  readonly closedAt: number | null
  readonly closedBy: EntityUid | null
  readonly usedByRequest: string | null
}

/** An approval with all that an approver must see. */
export interface ApprovalInFull extends Approval {
  readonly reason: string
  /** Canonical JSON, of which `digest` is the digest. */
  readonly payload: string
  readonly resourceFacts: EntityFacts
  readonly votes: readonly Vote[]
  /** Of the votes those that count now. */
  readonly counting: number
}

/** A refused act that approvals would allow, before anyone asked for them. */
export interface Offer {
  readonly principal: EntityUid
  readonly author: EntityUid | null
  readonly contributors: readonly EntityUid[]
  readonly action: Action
  readonly resource: EntityFacts
  readonly payload: string
  readonly digest: string
  readonly needed: number
}

/** Implemented by the control plane, which knows accounts and policies. */
export interface Approvers {
  /**
   * Whether this account, as it is now, would be allowed to approve on the resource under the circumstances given. People only in
   * production. Synchronous; an account that is disabled or gone may not.
   */
  mayApprove(approver: EntityUid, resource: EntityFacts, context: DecisionContext): boolean
  /** Whether one of them made the account, or a key, of the other: who made it could be who uses it. */
  isSameHand(one: EntityUid, other: EntityUid): boolean
}

/** Acts that change nothing: an approval for them holds until it expires. Whatever is not here is approved once. */
const READS: ReadonlySet<Action> = new Set<Action>(['view', 'viewMasked', 'query', 'explain', 'invoke', 'readAudit'])
export const isOneShot = (action: Action): boolean => !READS.has(action)

export const sameEntity = (one: EntityUid | null, other: EntityUid): boolean =>
  one !== null && one.type === other.type && one.id === other.id

export const entity = ({ type, id }: EntityUid): EntityUid => ({ type, id })
export const uidText = ({ type, id }: EntityUid): string => `${type}::${id}`
