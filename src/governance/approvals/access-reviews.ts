import { type AlertSink, asRedoubtError, type AuditSink, type Clock, type EntityUid, newId, RedoubtError } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import { entity, sameEntity, uidText } from './approval.ts'
import type { Doer } from './four-eyes.ts'
import type { Statements } from './statements.ts'
import type { ItemRow, ReviewRow } from './tables.ts'

const DAY_MS = 86_400_000
/** More in one review is not looked at, it is waved through. */
const MAX_ITEMS = 10_000
const MAX_REVIEWS = 200

/** Implemented by the control plane over identity: service accounts, and people. */
export interface ReviewedAccounts {
  /** Accounts that are not disabled, with their roles. */
  list(): readonly { readonly uid: EntityUid; readonly roles: readonly string[] }[]
  /**
   * Takes one role away, or disables the account when it has no other; effective on its next request, before it is recorded. Doing so
   * again changes nothing.
   * @throws {RedoubtError} `ERR_STORAGE_IO`, `ERR_AUDIT_UNAVAILABLE`.
   */
  removeRole(account: EntityUid, role: string, by: EntityUid): Promise<void>
}

export interface ReviewItem {
  /** From 1. */
  readonly item: number
  readonly account: EntityUid
  readonly role: string
  readonly verdict: 'attested' | 'revoked' | null
  readonly decidedAt: number | null
  readonly reviewer: EntityUid | null
}

export interface AccessReviewCampaign {
  readonly id: string
  /** Epoch milliseconds. */
  readonly startedAt: number
  readonly startedBy: EntityUid
  readonly dueAt: number
  readonly overdue: boolean
  readonly items: number
  readonly open: number
}

export interface AccessReviewsOptions {
  readonly statements: Statements
  readonly accounts: ReviewedAccounts
  readonly audit: AuditSink
  readonly alerts: AlertSink
  readonly clock: Clock
  readonly logger: Logger
}

/** Reviews of who holds which role: a list as of one moment, each line of which a person attests or revokes by a date. */
export class AccessReviews {
  readonly #options: AccessReviewsOptions
  readonly #told = new Map<string, number>()

  constructor(options: AccessReviewsOptions) {
    this.#options = options
  }

  /** @throws {RedoubtError} `ERR_CONFLICT` when there is nothing to review, or too much; `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_IO`. */
  async start(days: number, by: Doer): Promise<AccessReviewCampaign> {
    const { statements, accounts, clock } = this.#options
    const items = accounts.list().flatMap(({ uid, roles }) => roles.map((role) => ({ uid, role })))
    if (items.length === 0 || items.length > MAX_ITEMS)
      throw new RedoubtError('ERR_CONFLICT', `a review has from 1 to ${MAX_ITEMS} accounts and roles, not ${items.length}`)
    const id = newId('rev')
    const startedAt = clock.now()
    const dueAt = startedAt + days * DAY_MS
    await this.#record('access.review.start', by, { type: 'System', id: 'access' }, { review: id, items: items.length, dueAt })
    statements.transaction(() => {
      statements.run(
        'INSERT INTO access_reviews (id, started_at, started_by_type, started_by_id, due_at) VALUES (?, ?, ?, ?, ?)',
        id,
        startedAt,
        by.uid.type,
        by.uid.id,
        dueAt,
      )
      items.forEach(({ uid, role }, index) =>
        statements.run(
          'INSERT INTO access_review_items (review_id, item, account_type, account_id, role) VALUES (?, ?, ?, ?, ?)',
          id,
          index + 1,
          uid.type,
          uid.id,
          role,
        ),
      )
    })
    return this.#known(id)
  }

  /** Newest first. @throws {RedoubtError} `ERR_STORAGE_IO`. */
  list(): readonly AccessReviewCampaign[] {
    return this.#options.statements
      .all<ReviewRow>('SELECT * FROM access_reviews ORDER BY started_at DESC, rowid DESC LIMIT ?', MAX_REVIEWS)
      .map((row) => this.#campaignOf(row))
  }

  /** @throws {RedoubtError} `ERR_NOT_FOUND`. */
  get(id: string): { readonly review: AccessReviewCampaign; readonly items: readonly ReviewItem[] } {
    return { review: this.#known(id), items: this.#itemsOf(id) }
  }

  /** @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_REVIEW_SELF`, `ERR_CONFLICT` when it was decided, `ERR_AUDIT_UNAVAILABLE`. */
  async attest(id: string, item: number, by: Doer): Promise<ReviewItem> {
    const found = this.#undecided(id, item, by)
    await this.#record('access.review.attest', by, resourceOf(found.account), this.#factsOf(id, found))
    return this.#decide(id, found, 'attested', by)
  }

  /** The role is gone, on the account's next request, before anything is recorded. @throws as `attest`, and `ERR_STORAGE_IO`. */
  async revoke(id: string, item: number, by: Doer): Promise<ReviewItem> {
    const found = this.#undecided(id, item, by)
    await this.#options.accounts.removeRole(found.account, found.role, by.uid)
    const decided = this.#decide(id, found, 'revoked', by)
    await this.#record('access.review.revoke', by, resourceOf(found.account), this.#factsOf(id, found))
    return decided
  }

  /** Tells of reviews that are overdue, once a day. Never throws. */
  tellOverdue(): void {
    try {
      const now = this.#options.clock.now()
      for (const { id, overdue, open, dueAt } of this.list()) {
        const day = Math.floor((now - dueAt) / DAY_MS)
        if (!overdue || this.#told.get(id) === day) continue
        this.#told.set(id, day)
        this.#options.alerts.raise({
          kind: 'access.review-overdue',
          severity: 'warning',
          summary: `the access review ${id} is overdue: ${open} accounts and roles wait; redoubt access review attest, or revoke`,
          subject: { type: 'System', id: 'access' },
          key: `${id} day ${day + 1}`,
          details: { review: id, open, daysOverdue: day },
        })
      }
    } catch (thrown) {
      this.#options.logger.error({ err: asRedoubtError(thrown) }, 'overdue access reviews could not be looked for')
    }
  }

  #undecided(id: string, item: number, by: Doer): ReviewItem {
    this.#known(id)
    const found = this.#itemsOf(id).find((one) => one.item === item)
    if (!found) throw new RedoubtError('ERR_NOT_FOUND', `the review has no item ${item}`)
    if (sameEntity(found.account, by.uid)) throw new RedoubtError('ERR_REVIEW_SELF')
    if (found.verdict !== null) throw new RedoubtError('ERR_CONFLICT', `item ${item} was ${found.verdict} already`)
    return found
  }

  #decide(id: string, found: ReviewItem, verdict: 'attested' | 'revoked', by: Doer): ReviewItem {
    const changed = this.#options.statements.run(
      'UPDATE access_review_items SET verdict = ?, decided_at = ?, reviewer_type = ?, reviewer_id = ? WHERE review_id = ? AND item = ? AND verdict IS NULL',
      verdict,
      this.#options.clock.now(),
      by.uid.type,
      by.uid.id,
      id,
      found.item,
    )
    if (changed !== 1) throw new RedoubtError('ERR_CONFLICT', `item ${found.item} was decided by another meanwhile`)
    return this.#itemsOf(id).find((one) => one.item === found.item) ?? found
  }

  #factsOf(review: string, { item, account, role }: ReviewItem) {
    return { review, item, account: uidText(account), role }
  }

  async #record(type: string, by: Doer, resource: EntityUid, details: Record<string, string | number>): Promise<void> {
    await this.#options.audit.record({
      type,
      actor: entity(by.uid),
      action: 'manageAccess',
      resource,
      outcome: 'success',
      requestId: by.requestId,
      details,
    })
  }

  #itemsOf(id: string): readonly ReviewItem[] {
    return this.#options.statements.all<ItemRow>('SELECT * FROM access_review_items WHERE review_id = ? ORDER BY item', id).map((row) => ({
      item: row.item,
      account: { type: row.account_type, id: row.account_id },
      role: row.role,
      verdict: row.verdict as ReviewItem['verdict'],
      decidedAt: row.decided_at,
      reviewer: row.reviewer_type === null || row.reviewer_id === null ? null : { type: row.reviewer_type, id: row.reviewer_id },
    }))
  }

  #known(id: string): AccessReviewCampaign {
    const [row] = this.#options.statements.all<ReviewRow>('SELECT * FROM access_reviews WHERE id = ?', id)
    if (!row) throw new RedoubtError('ERR_NOT_FOUND', 'there is no such access review')
    return this.#campaignOf(row)
  }

  #campaignOf(row: ReviewRow): AccessReviewCampaign {
    const [counts] = this.#options.statements.all<{ readonly many: number; readonly open: number }>(
      'SELECT count(*) AS many, count(*) FILTER (WHERE verdict IS NULL) AS open FROM access_review_items WHERE review_id = ?',
      row.id,
    )
    const open = counts?.open ?? 0
    return {
      id: row.id,
      startedAt: row.started_at,
      startedBy: { type: row.started_by_type, id: row.started_by_id },
      dueAt: row.due_at,
      overdue: open > 0 && this.#options.clock.now() > row.due_at,
      items: counts?.many ?? 0,
      open,
    }
  }
}

const resourceOf = ({ id }: EntityUid): EntityUid => ({ type: 'Account', id })
