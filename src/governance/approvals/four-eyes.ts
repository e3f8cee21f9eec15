import {
  type AlertSink,
  type AuditSink,
  type Clock,
  type DecisionContext,
  type EntityFacts,
  type EntityUid,
  type ExceptionAsk,
  newId,
  RedoubtError,
} from '#foundation/core'
import { type Approval, type ApprovalInFull, type Approvers, entity, isOneShot, type Offer, sameEntity, uidText } from './approval.ts'
import type { ApprovalStore, StoredApproval } from './approval-store.ts'
import { Offers } from './offers.ts'
import { payloadDigest } from './payload.ts'

/** Requests that one account may have open: approvers are people. */
const MAX_OPEN_OF_ONE = 20
const MAX_LISTED = 200
const HOUR_MS = 3_600_000

export interface FourEyesOptions {
  readonly store: ApprovalStore
  readonly approvers: Approvers
  readonly audit: AuditSink
  readonly alerts: AlertSink
  readonly clock: Clock
  readonly expiryHours: number
}

/** Who does something with an approval, and by which request. */
export interface Doer {
  readonly uid: EntityUid
  readonly requestId: string
}

/** Approvals of exactly one act, by people other than who asks and who made it. */
export class FourEyes {
  readonly #options: FourEyesOptions
  readonly #offers: Offers

  constructor(options: FourEyesOptions) {
    this.#options = options
    this.#offers = new Offers(options.clock)
  }

  /** Notes a refused act that approvals would allow. @returns what to ask with; null when it is too large to be shown to anyone. */
  offer(offer: Offer): string | null {
    return this.#offers.add(offer)
  }

  /**
   * Asks for approval of a refused act; asking again for the same act gives the request that is open.
   * @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_CONFLICT` with too many open, `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_IO`.
   */
  async request(offerId: string, reason: string, by: Doer): Promise<Approval> {
    const { store, audit, alerts, clock } = this.#options
    const offer = this.#offers.get(offerId)
    if (!offer || !sameEntity(offer.principal, by.uid))
      throw new RedoubtError(
        'ERR_NOT_FOUND',
        'no refusal of yours has this id, or it is older than an hour; try what was refused once more',
      )
    const now = clock.now()
    const open = store.openOf(offer.digest).find((one) => sameEntity(one.principal, by.uid) && isLive(one, now))
    if (open) return approvalOf(open, now)
    if (store.openOfPrincipal(by.uid, now) >= MAX_OPEN_OF_ONE)
      throw new RedoubtError('ERR_CONFLICT', `${MAX_OPEN_OF_ONE} requests of yours are open; withdraw one`)
    const id = newId('apr')
    const { index } = await audit.record({
      ...this.#event('approval.request', by, { id, ...offer, resource: offer.resource }),
      details: { approval: id, act: offer.action, digest: offer.digest, needed: offer.needed },
      personal: [{ subject: by.uid.id, fields: { reason } }],
    })
    store.insert(id, offer, reason, now, now + this.#options.expiryHours * HOUR_MS)
    alerts.raise({
      kind: 'approval.requested',
      severity: 'warning',
      summary: `${uidText(by.uid)} asks for approval of ${offer.action} on ${uidText(offer.resource)}; see it with redoubt approvals show ${id}`,
      subject: entity(offer.resource),
      key: id,
      details: { approval: id, action: offer.action, needed: offer.needed },
      requestId: by.requestId,
      logIndex: index,
    })
    return approvalOf(this.#known(id), now)
  }

  /** Newest first, those that `sees` lets through. */
  list(sees: (approval: Approval, resource: EntityFacts) => boolean): readonly ApprovalInFull[] {
    const now = this.#options.clock.now()
    return this.#options.store
      .list(MAX_LISTED)
      .filter((one) => sees(approvalOf(one, now), one.resourceFacts))
      .map((one) => this.#inFull(one, now))
  }

  /** @throws {RedoubtError} `ERR_NOT_FOUND`. */
  get(id: string): ApprovalInFull {
    return this.#inFull(this.#known(id), this.#options.clock.now())
  }

  /**
   * One person's agreement, to the digest that was shown. The caller has asked the policies whether this account may approve.
   * @throws {RedoubtError} `ERR_APPROVAL_SELF`, `ERR_APPROVAL_DIGEST`, `ERR_APPROVAL_STATE`, `ERR_CONFLICT` the second time, `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_IO`.
   */
  async approve(id: string, digest: string, comment: string, by: Doer, context: DecisionContext): Promise<ApprovalInFull> {
    const { store, audit, approvers, clock } = this.#options
    const approval = this.#open(id)
    this.#refuseInvolved(approval, by.uid)
    if (digest !== approval.digest || payloadDigest(approval.payload) !== approval.digest) throw new RedoubtError('ERR_APPROVAL_DIGEST')
    if (!approvers.mayApprove(by.uid, approval.resourceFacts, context))
      throw new RedoubtError('ERR_POLICY_DENIED', 'this account may not approve it')
    if (store.votes(id).some(({ approver }) => sameEntity(approver, by.uid)))
      throw new RedoubtError('ERR_CONFLICT', 'you have approved it already')
    await audit.record({
      ...this.#event('approval.approve', by, approval),
      details: { approval: id, act: approval.action, digest, requester: uidText(approval.principal) },
      ...(comment === '' ? {} : { personal: [{ subject: by.uid.id, fields: { comment } }] }),
    })
    // It may have been closed, or this person counted, while the record was written.
    if (!store.vote(id, { approver: entity(by.uid), at: clock.now(), context, comment })) throw new RedoubtError('ERR_APPROVAL_STATE')
    return this.get(id)
  }

  /** One no is enough. Takes effect before it is recorded. @throws as `approve`. */
  async deny(id: string, reason: string, by: Doer, context: DecisionContext): Promise<ApprovalInFull> {
    const approval = this.#open(id)
    this.#refuseInvolved(approval, by.uid)
    if (!this.#options.approvers.mayApprove(by.uid, approval.resourceFacts, context))
      throw new RedoubtError('ERR_POLICY_DENIED', 'this account may not decide it')
    return this.#end(approval, 'denied', 'approval.deny', reason, by)
  }

  /** By who asked. @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_APPROVAL_STATE`, `ERR_AUDIT_UNAVAILABLE`. */
  async withdraw(id: string, by: Doer): Promise<ApprovalInFull> {
    const approval = this.#open(id)
    if (!sameEntity(approval.principal, by.uid)) throw new RedoubtError('ERR_NOT_FOUND', 'there is no such approval of yours')
    return this.#end(approval, 'withdrawn', 'approval.withdraw', '', by)
  }

  /** As `ExceptionSource.approvals`. */
  usable({ principal, action, resource, payloadDigest: digest }: ExceptionAsk): { readonly id: string; readonly count: number } | null {
    if (digest === null) return null
    const now = this.#options.clock.now()
    let best: { readonly id: string; readonly count: number } | null = null
    for (const one of this.#options.store.openOf(digest)) {
      if (!isLive(one, now) || !sameEntity(one.principal, principal) || one.action !== action || !sameEntity(one.resource, resource))
        continue
      const count = this.#counting(one, resource)
      if (count > (best?.count ?? 0)) best = { id: one.id, count }
    }
    return best
  }

  /** As `ExceptionSource.spend`. */
  spend(id: string, requestId: string): boolean {
    const { store, clock } = this.#options
    const approval = store.get(id)
    if (!approval || !isLive(approval, clock.now())) return false
    return isOneShot(approval.action) ? store.close(id, 'used', clock.now(), approval.principal, requestId) : true
  }

  /** As `ExceptionSource.stillApproved`. */
  stillApproved(id: string, resource: EntityFacts): number {
    const { store, clock } = this.#options
    const approval = store.get(id)
    // Spent is how an act begins that is approved once; whatever else closed it ends what goes on under it.
    if (!approval || !(approval.state === 'used' || isLive(approval, clock.now()))) return 0
    return this.#counting(approval, resource)
  }

  async #end(approval: StoredApproval, state: 'denied' | 'withdrawn', type: string, reason: string, by: Doer): Promise<ApprovalInFull> {
    const { store, audit, clock } = this.#options
    if (!store.close(approval.id, state, clock.now(), entity(by.uid))) throw new RedoubtError('ERR_APPROVAL_STATE')
    await audit.record({
      ...this.#event(type, by, approval),
      details: { approval: approval.id, act: approval.action, digest: approval.digest, requester: uidText(approval.principal) },
      ...(reason === '' ? {} : { personal: [{ subject: by.uid.id, fields: { reason } }] }),
    })
    return this.get(approval.id)
  }

  /** Distinct by the table's key; people who asked, made it, were made by one of these, or may no longer approve are not counted. */
  #counting(approval: StoredApproval, resource: EntityFacts): number {
    return this.#options.store
      .votes(approval.id)
      .filter(
        ({ approver, context }) => !this.#isInvolved(approval, approver) && this.#options.approvers.mayApprove(approver, resource, context),
      ).length
  }

  /** Who asked, whose work is in what it is about, and whoever one of them made. */
  #isInvolved({ principal, author, contributors }: StoredApproval, uid: EntityUid): boolean {
    return [principal, author, ...contributors].some(
      (one) => one !== null && (sameEntity(one, uid) || this.#options.approvers.isSameHand(uid, one)),
    )
  }

  #refuseInvolved(approval: StoredApproval, uid: EntityUid): void {
    if (this.#isInvolved(approval, uid)) throw new RedoubtError('ERR_APPROVAL_SELF')
  }

  #inFull(approval: StoredApproval, now: number): ApprovalInFull {
    const { reason, payload, resourceFacts } = approval
    const counting = this.#counting(approval, resourceFacts)
    return { ...approvalOf(approval, now), reason, payload, resourceFacts, votes: this.#options.store.votes(approval.id), counting }
  }

  #known(id: string): StoredApproval {
    const approval = this.#options.store.get(id)
    if (!approval) throw new RedoubtError('ERR_NOT_FOUND', 'there is no such approval')
    return approval
  }

  #open(id: string): StoredApproval {
    const approval = this.#known(id)
    if (!isLive(approval, this.#options.clock.now())) throw new RedoubtError('ERR_APPROVAL_STATE')
    return approval
  }

  #event(type: string, by: Doer, { resource }: Pick<Approval, 'id' | 'resource'>) {
    return {
      type,
      actor: entity(by.uid),
      action: 'approve',
      resource: entity(resource),
      outcome: 'success' as const,
      requestId: by.requestId,
    }
  }
}

/** A clock that was set back before it was asked for does not give it more time. */
const isLive = ({ state, createdAt, expiresAt }: Pick<StoredApproval, 'state' | 'createdAt' | 'expiresAt'>, now: number): boolean =>
  state === 'open' && createdAt <= now && now < expiresAt

function approvalOf(stored: StoredApproval, now: number): Approval {
  const { id, principal, author, contributors, action, resource, digest, needed } = stored
  const { createdAt, expiresAt, closedAt, closedBy, usedByRequest } = stored
  const state = stored.state === 'open' && !isLive(stored, now) ? 'expired' : stored.state
  const what = { id, principal, author, contributors, action, resource, digest, needed }
  return { ...what, state, createdAt, expiresAt, closedAt, closedBy, usedByRequest }
}
