import type { Action, EntityFacts, EntityUid } from '#foundation/core'
import type { Approval, ApprovalState, Offer, Vote } from './approval.ts'
import type { Sealing } from './sealing.ts'
import type { Statements } from './statements.ts'
import type { ApprovalRow, VoteRow } from './tables.ts'

interface SealedPart {
  readonly reason: string
  readonly payload: string
  readonly resource: EntityFacts
  /** Not in rows from before there were any. */
  readonly contributors?: readonly EntityUid[]
}

export interface StoredApproval extends Approval, Omit<SealedPart, 'resource' | 'contributors'> {
  readonly resourceFacts: EntityFacts
}

const DAY_MS = 86_400_000
/** What is over is in the log for good; here it is kept to be looked at. */
const KEEP_MS = 90 * DAY_MS

/** Approvals and votes. Every method is durable when it returns and throws `ERR_STORAGE_IO`. */
export class ApprovalStore {
  readonly #statements: Statements
  readonly #sealing: Sealing

  constructor(statements: Statements, sealing: Sealing) {
    this.#statements = statements
    this.#sealing = sealing
  }

  insert(
    id: string,
    { principal, author, contributors, action, resource, digest, needed, payload }: Offer,
    reason: string,
    at: number,
    expiresAt: number,
  ): void {
    const sealed = this.#sealing.seal({ reason, payload, resource, contributors } satisfies SealedPart, contextOf(id, digest))
    this.#statements.transaction(() => {
      this.#statements.run("DELETE FROM approvals WHERE created_at < ? AND (state <> 'open' OR expires_at < ?)", at - KEEP_MS, at)
      this.#statements.run(
        `INSERT INTO approvals (id, principal_type, principal_id, author_type, author_id, action, resource_type, resource_id, digest, needed,
           sealed, state, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, ?)`,
        id,
        principal.type,
        principal.id,
        author?.type ?? null,
        author?.id ?? null,
        action,
        resource.type,
        resource.id,
        digest,
        needed,
        sealed,
        at,
        expiresAt,
      )
    })
  }

  /** Newest first. */
  list(limit: number): readonly StoredApproval[] {
    return this.#statements
      .all<ApprovalRow>('SELECT * FROM approvals ORDER BY created_at DESC, rowid DESC LIMIT ?', limit)
      .map((row) => this.#approvalOf(row))
  }

  get(id: string): StoredApproval | null {
    const [row] = this.#statements.all<ApprovalRow>('SELECT * FROM approvals WHERE id = ?', id)
    return row ? this.#approvalOf(row) : null
  }

  /** Open ones of exactly this act, whether or not they have expired. */
  openOf(digest: string): readonly StoredApproval[] {
    return this.#statements
      .all<ApprovalRow>("SELECT * FROM approvals WHERE digest = ? AND state = 'open' ORDER BY created_at", digest)
      .map((row) => this.#approvalOf(row))
  }

  openOfPrincipal({ type, id }: EntityUid, now: number): number {
    const [row] = this.#statements.all<{ readonly many: number }>(
      "SELECT count(*) AS many FROM approvals WHERE principal_type = ? AND principal_id = ? AND state = 'open' AND expires_at > ?",
      type,
      id,
      now,
    )
    return row?.many ?? 0
  }

  votes(approvalId: string): readonly Vote[] {
    return this.#statements
      .all<VoteRow>('SELECT * FROM approval_votes WHERE approval_id = ? ORDER BY at, approver_id', approvalId)
      .map(({ approver_type: type, approver_id: id, at, sealed }) => ({
        approver: { type, id },
        at,
        ...(this.#sealing.open(sealed, voteContext(approvalId, { type, id })) as Pick<Vote, 'context' | 'comment'>),
      }))
  }

  /** @returns false when this approver has voted already, or the approval is not open any more. */
  vote(approvalId: string, { approver, at, context, comment }: Vote): boolean {
    const sealed = this.#sealing.seal({ context, comment }, voteContext(approvalId, approver))
    return (
      this.#statements.run(
        `INSERT INTO approval_votes (approval_id, approver_type, approver_id, at, sealed)
         SELECT id, ?, ?, ?, ? FROM approvals WHERE id = ? AND state = 'open' ON CONFLICT DO NOTHING`,
        approver.type,
        approver.id,
        at,
        sealed,
        approvalId,
      ) === 1
    )
  }

  /** Out of `open`, once: @returns false to everyone but the first. */
  close(
    id: string,
    state: Exclude<ApprovalState, 'open' | 'expired'>,
    at: number,
    by: EntityUid | null,
    requestId: string | null = null,
  ): boolean {
    return (
      this.#statements.run(
        `UPDATE approvals SET state = ?, closed_at = ?, closed_by_type = ?, closed_by_id = ?, used_by_request = ? WHERE id = ? AND state = 'open'`,
        state,
        at,
        by?.type ?? null,
        by?.id ?? null,
        requestId,
        id,
      ) === 1
    )
  }

  #approvalOf(row: ApprovalRow): StoredApproval {
    const { reason, payload, resource, contributors = [] } = this.#sealing.open(row.sealed, contextOf(row.id, row.digest)) as SealedPart
    return {
      id: row.id,
      principal: { type: row.principal_type, id: row.principal_id },
      author: row.author_type === null || row.author_id === null ? null : { type: row.author_type, id: row.author_id },
      contributors,
      action: row.action as Action,
      resource: { type: row.resource_type, id: row.resource_id },
      digest: row.digest,
      needed: row.needed,
      state: row.state as ApprovalState,
      createdAt: row.created_at,
      expiresAt: row.expires_at,
      closedAt: row.closed_at,
      closedBy: row.closed_by_type === null || row.closed_by_id === null ? null : { type: row.closed_by_type, id: row.closed_by_id },
      usedByRequest: row.used_by_request,
      reason,
      payload,
      resourceFacts: resource,
    }
  }
}

/** Bound to its row: what was asked for cannot be moved under another digest, nor a vote to another approver. */
const contextOf = (id: string, digest: string): string => `approval ${id} ${digest}`
const voteContext = (approvalId: string, { type, id }: EntityUid): string => `vote ${approvalId} ${type}::${id}`
