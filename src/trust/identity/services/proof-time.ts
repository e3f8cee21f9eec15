import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { WriteQueue } from '../write-queue.ts'

/** How far what is stored may be behind: it is written at each maintenance. */
export const MAINTENANCE_INTERVAL_MS = 10_000

/**
 * The latest time at which a process on this data may have taken a proof. The proofs themselves are not stored; the time tells, after a
 * restart, which of them could have been used, even when the clock was set back meanwhile.
 */
export class ProofTime {
  /** Epoch milliseconds: no proof was taken later than this by an earlier process. 0 when none took any. */
  readonly before: number
  readonly #queue: WriteQueue
  readonly #upsert: StatementSync
  #written: number

  constructor(raw: DatabaseSync, queue: WriteQueue) {
    const row = raw.prepare('SELECT taken_at FROM identity_proof_time').get() as { readonly taken_at: number } | undefined
    this.#written = row?.taken_at ?? 0
    // What was taken since the last writing, and one that failed.
    this.before = row === undefined ? 0 : row.taken_at + 2 * MAINTENANCE_INTERVAL_MS
    this.#queue = queue
    this.#upsert = raw.prepare(
      'INSERT INTO identity_proof_time (one, taken_at) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET taken_at = max(taken_at, excluded.taken_at)',
    )
  }

  /** Durable when it resolves. @param takenAt when a proof was taken last. */
  async keep(takenAt: number): Promise<void> {
    if (takenAt <= this.#written) return
    await this.#queue.write(() => this.#upsert.run(takenAt))
    this.#written = takenAt
  }
}
