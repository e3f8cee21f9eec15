import type { Action, EntityUid } from '#foundation/core'
import type { Grant } from './grant.ts'
import type { Sealing } from './sealing.ts'
import type { Statements } from './statements.ts'
import type { GrantRow } from './tables.ts'

const KEEP_MS = 366 * 86_400_000

/** Break-glass grants. Every method is durable when it returns and throws `ERR_STORAGE_IO`. */
export class GrantStore {
  readonly #statements: Statements
  readonly #sealing: Sealing

  constructor(statements: Statements, sealing: Sealing) {
    this.#statements = statements
    this.#sealing = sealing
  }

  insert({ id, principal, action, resource, reason, startedAt, endsAt, lagMs }: Grant): void {
    const sealed = this.#sealing.seal({ reason }, reasonContext(id))
    this.#statements.transaction(() => {
      this.#statements.run('DELETE FROM break_glass WHERE reviewed_at < ?', startedAt - KEEP_MS)
      this.#statements.run(
        `INSERT INTO break_glass (id, principal_type, principal_id, action, resource_type, resource_id, sealed, started_at, ends_at, lag_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        id,
        principal.type,
        principal.id,
        action,
        resource.type,
        resource.id,
        sealed,
        startedAt,
        endsAt,
        lagMs,
      )
    })
  }

  list(limit: number): readonly Grant[] {
    return this.#all('ORDER BY started_at DESC, rowid DESC LIMIT ?', limit)
  }

  get(id: string): Grant | null {
    return this.#all('WHERE id = ?', id)[0] ?? null
  }

  /** Of which it is not on the disk that they ended. */
  running(): readonly Grant[] {
    return this.#all('WHERE ended_at IS NULL')
  }

  unrecordedEnds(): readonly Grant[] {
    return this.#all('WHERE ended_at IS NOT NULL AND end_recorded = 0')
  }

  unreviewedSince(startedBefore: number): readonly Grant[] {
    return this.#all('WHERE reviewed_at IS NULL AND started_at <= ? ORDER BY started_at LIMIT 1000', startedBefore)
  }

  /** Oldest first. */
  unreviewedOf({ type, id }: EntityUid): readonly Grant[] {
    return this.#all('WHERE reviewed_at IS NULL AND principal_type = ? AND principal_id = ? ORDER BY started_at LIMIT 1000', type, id)
  }

  end(id: string, at: number, cause: string): void {
    this.#statements.run('UPDATE break_glass SET ended_at = ?, end_cause = ? WHERE id = ? AND ended_at IS NULL', at, cause, id)
  }

  endRecorded(id: string): void {
    this.#statements.run('UPDATE break_glass SET end_recorded = 1 WHERE id = ?', id)
  }

  used(id: string): void {
    this.#statements.run('UPDATE break_glass SET uses = uses + 1 WHERE id = ?', id)
  }

  /** @returns false when someone else was first. */
  review(id: string, reviewer: EntityUid, finding: string, at: number): boolean {
    return (
      this.#statements.run(
        'UPDATE break_glass SET reviewed_at = ?, reviewer_type = ?, reviewer_id = ?, finding = ? WHERE id = ? AND reviewed_at IS NULL',
        at,
        reviewer.type,
        reviewer.id,
        this.#sealing.seal({ finding }, findingContext(id)),
        id,
      ) === 1
    )
  }

  #all(condition: string, ...values: readonly (string | number)[]): readonly Grant[] {
    return this.#statements.all<GrantRow>(`SELECT * FROM break_glass ${condition}`, ...values).map((row) => ({
      id: row.id,
      principal: { type: row.principal_type, id: row.principal_id },
      action: row.action as Action,
      resource: { type: row.resource_type, id: row.resource_id },
      reason: (this.#sealing.open(row.sealed, reasonContext(row.id)) as { reason: string }).reason,
      startedAt: row.started_at,
      endsAt: row.ends_at,
      lagMs: row.lag_ms,
      endedAt: row.ended_at,
      endCause: row.end_cause as Grant['endCause'],
      uses: row.uses,
      reviewedAt: row.reviewed_at,
      reviewedBy: row.reviewer_type === null || row.reviewer_id === null ? null : { type: row.reviewer_type, id: row.reviewer_id },
      finding: row.finding === null ? null : (this.#sealing.open(row.finding, findingContext(row.id)) as { finding: string }).finding,
    }))
  }
}

const reasonContext = (id: string): string => `break-glass ${id}`
const findingContext = (id: string): string => `break-glass finding ${id}`
