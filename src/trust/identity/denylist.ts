import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { WriteQueue } from './write-queue.ts'

/**
 * A revoked token is remembered this long past its expiry. A clock that an administrator sets back by less than this cannot
 * bring it to life again.
 */
const KEEP_AFTER_EXPIRY_MS = 24 * 60 * 60 * 1000

/**
 * Revoked tokens by issuer and `jti`, in SQLite and in memory. A token is refused from the moment `revoke` is called, and
 * after a restart once `revoke` has resolved.
 */
export class Denylist {
  readonly #revoked = new Map<string, number>()
  readonly #queue: WriteQueue
  readonly #insert: StatementSync
  readonly #purge: StatementSync

  constructor(raw: DatabaseSync, queue: WriteQueue) {
    this.#queue = queue
    this.#insert = raw.prepare('INSERT INTO identity_revoked_tokens (issuer, token_id, expires_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
    this.#purge = raw.prepare('DELETE FROM identity_revoked_tokens WHERE expires_at < ?')
    const rows = raw.prepare('SELECT issuer, token_id, expires_at FROM identity_revoked_tokens').all() as {
      issuer: string
      token_id: string
      expires_at: number
    }[]
    for (const row of rows) this.#revoked.set(keyOf(row.issuer, row.token_id), row.expires_at)
  }

  get size(): number {
    return this.#revoked.size
  }

  has(issuer: string, tokenId: string): boolean {
    // Most servers have revoked nothing lately: do not build a key then.
    return this.#revoked.size > 0 && this.#revoked.has(keyOf(issuer, tokenId))
  }

  /** @returns false if it was revoked before. */
  async revoke(issuer: string, tokenId: string, expiresAt: number): Promise<boolean> {
    const key = keyOf(issuer, tokenId)
    const fresh = !this.#revoked.has(key)
    this.#revoked.set(key, expiresAt)
    await this.#queue.write(() => this.#insert.run(issuer, tokenId, expiresAt))
    return fresh
  }

  async purge(now: number): Promise<void> {
    const before = now - KEEP_AFTER_EXPIRY_MS
    let any = false
    for (const [key, expiresAt] of this.#revoked) {
      if (expiresAt >= before) continue
      this.#revoked.delete(key)
      any = true
    }
    if (any) await this.#queue.write(() => this.#purge.run(before))
  }
}

/** A space cannot occur in an issuer URL, so the pair has one reading. */
const keyOf = (issuer: string, tokenId: string): string => `${issuer} ${tokenId}`
