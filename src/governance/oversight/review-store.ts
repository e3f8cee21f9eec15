import type { EntityUid, ReviewAsk, ReviewKind, ReviewState } from '#foundation/core'
import type { Statements } from '#governance/approvals'
import type { Review } from './review.ts'
import type { SealedContent } from './sealing.ts'
import type { ReviewRow } from './tables.ts'

const DAY_MS = 86_400_000
/** What is over is in the log for good; here it is kept to be looked at, without what was held. */
const KEEP_MS = 90 * DAY_MS

/** Without what is held: a list reads no megabytes. */
const LISTED = `id, kind, request_id, surface, resource_type, resource_id, caller_type, caller_id, through_type, through_id, asker_type, asker_id,
  findings, binding, pseudonym, NULL AS sealed, NULL AS verdict, verdict_pseudonym, state, created_at, due_at, expires_at, decided_at, reviewer_type, reviewer_id,
  used_by_request`

/** A review as it lies on the disk. */
export interface StoredReview extends Review {
  readonly binding: string
  readonly pseudonym: string | null
  readonly sealed: Uint8Array | null
  readonly verdict: SealedContent | null
}

export interface Times {
  readonly createdAt: number
  readonly dueAt: number
  readonly expiresAt: number
}

/** Reviews. Every method is durable when it returns and throws `ERR_STORAGE_IO`. */
export class ReviewStore {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  insert(id: string, ask: ReviewAsk, { pseudonym, ciphertext }: SealedContent, { createdAt, dueAt, expiresAt }: Times): void {
    const { kind, requestId, surface, resource, caller, through, asker = caller, findings, binding } = ask
    this.#statements.run(
      `INSERT INTO reviews (id, kind, request_id, surface, resource_type, resource_id, caller_type, caller_id, through_type, through_id,
         asker_type, asker_id, findings, binding, pseudonym, sealed, state, created_at, due_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?, ?)`,
      id,
      kind,
      requestId,
      surface,
      resource.type,
      resource.id,
      caller.type,
      caller.id,
      through?.type ?? null,
      through?.id ?? null,
      asker.type,
      asker.id,
      JSON.stringify(findings),
      binding,
      pseudonym,
      ciphertext,
      createdAt,
      dueAt,
      expiresAt,
    )
  }

  /** What waits, by when it is due, so that newer ones hide none; then the newest of the others. So many of each; without what is held. */
  list(limit: number): readonly StoredReview[] {
    const waiting = this.#statements.all<ReviewRow>(
      `SELECT ${LISTED} FROM reviews WHERE state = 'waiting' ORDER BY due_at, rowid LIMIT ?`,
      limit,
    )
    const others = this.#statements.all<ReviewRow>(
      `SELECT ${LISTED} FROM reviews WHERE state <> 'waiting' ORDER BY created_at DESC, rowid DESC LIMIT ?`,
      limit,
    )
    return [...waiting, ...others].map(reviewOf)
  }

  get(id: string): StoredReview | null {
    const [row] = this.#statements.all<ReviewRow>('SELECT * FROM reviews WHERE id = ?', id)
    return row ? reviewOf(row) : null
  }

  /** How much waits, and how many bytes are held in all. */
  load(): { readonly waiting: number; readonly bytes: number } {
    const [row] = this.#statements.all<{ readonly waiting: number; readonly bytes: number | null }>(
      "SELECT sum(state = 'waiting') AS waiting, sum(length(sealed)) AS bytes FROM reviews WHERE sealed IS NOT NULL",
    )
    return { waiting: row?.waiting ?? 0, bytes: row?.bytes ?? 0 }
  }

  /** As `load`, of what one account asked. */
  loadOf({ type, id }: EntityUid): { readonly waiting: number; readonly bytes: number } {
    const [row] = this.#statements.all<{ readonly waiting: number | null; readonly bytes: number | null }>(
      `SELECT sum(state = 'waiting') AS waiting, sum(length(sealed)) AS bytes FROM reviews
       WHERE sealed IS NOT NULL AND asker_type = ? AND asker_id = ?`,
      type,
      id,
    )
    return { waiting: row?.waiting ?? 0, bytes: row?.bytes ?? 0 }
  }

  isContested(requestId: string): boolean {
    return (
      this.#statements.all("SELECT 1 FROM reviews WHERE request_id = ? AND kind = 'contest' AND state = 'waiting' LIMIT 1", requestId)
        .length > 0
    )
  }

  /** Out of `waiting`, once: @returns false to everyone but the first. What is refused is held no longer. */
  decide(id: string, state: 'released' | 'overridden' | 'rejected', by: EntityUid, at: number, verdict: SealedContent): boolean {
    return (
      this.#statements.run(
        `UPDATE reviews SET state = ?, reviewer_type = ?, reviewer_id = ?, decided_at = ?, verdict = ?, verdict_pseudonym = ?,
           sealed = CASE WHEN ? = 'rejected' THEN NULL ELSE sealed END
         WHERE id = ? AND state = 'waiting' AND expires_at > ?`,
        state,
        by.type,
        by.id,
        at,
        verdict.ciphertext,
        verdict.pseudonym,
        state,
        id,
        at,
      ) === 1
    )
  }

  expire(id: string, at: number): boolean {
    return (
      this.#statements.run(
        "UPDATE reviews SET state = 'expired', decided_at = ?, sealed = NULL WHERE id = ? AND state = 'waiting'",
        at,
        id,
      ) === 1
    )
  }

  /** A released request, once. */
  use(id: string, requestId: string): boolean {
    return (
      this.#statements.run(
        "UPDATE reviews SET state = 'used', used_by_request = ?, sealed = NULL WHERE id = ? AND state = 'released' AND kind = 'input'",
        requestId,
        id,
      ) === 1
    )
  }

  /** Waiting reviews that nobody was told about and that are due. */
  due(now: number, limit: number): readonly StoredReview[] {
    return this.#statements
      .all<ReviewRow>(`SELECT ${LISTED} FROM reviews WHERE state = 'waiting' AND due_at <= ? AND overdue_told = 0 LIMIT ?`, now, limit)
      .map(reviewOf)
  }

  told(id: string): void {
    this.#statements.run('UPDATE reviews SET overdue_told = 1 WHERE id = ?', id)
  }

  over(now: number, limit: number): readonly StoredReview[] {
    return this.#statements
      .all<ReviewRow>(`SELECT ${LISTED} FROM reviews WHERE state = 'waiting' AND expires_at <= ? LIMIT ?`, now, limit)
      .map(reviewOf)
  }

  /** Lets go of answers that were not fetched in time, and of what is over for long. */
  forget(now: number, answerMs: number): void {
    this.#statements.run(
      "UPDATE reviews SET sealed = NULL WHERE sealed IS NOT NULL AND state <> 'waiting' AND decided_at <= ?",
      now - answerMs,
    )
    this.#statements.run("DELETE FROM reviews WHERE state <> 'waiting' AND created_at < ?", now - KEEP_MS)
  }
}

function reviewOf(row: ReviewRow): StoredReview {
  return {
    id: row.id,
    kind: row.kind as ReviewKind,
    requestId: row.request_id,
    surface: row.surface,
    resource: { type: row.resource_type, id: row.resource_id },
    caller: { type: row.caller_type, id: row.caller_id },
    through: uidOrNull(row.through_type, row.through_id),
    asker: { type: row.asker_type, id: row.asker_id },
    findings: JSON.parse(row.findings) as Record<string, number>,
    binding: row.binding,
    pseudonym: row.pseudonym,
    sealed: row.sealed,
    verdict: row.verdict === null ? null : { pseudonym: row.verdict_pseudonym, ciphertext: row.verdict },
    state: row.state as ReviewState,
    createdAt: row.created_at,
    dueAt: row.due_at,
    expiresAt: row.expires_at,
    decidedAt: row.decided_at,
    reviewer: uidOrNull(row.reviewer_type, row.reviewer_id),
    usedByRequest: row.used_by_request,
  }
}

const uidOrNull = (type: string | null, id: string | null): EntityUid | null => (type === null || id === null ? null : { type, id })
