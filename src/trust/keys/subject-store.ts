import { createHash } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { RedoubtError } from '#foundation/core'
import type { WrappedKey } from '#foundation/crypto'
import { type Migrations, transaction } from '#foundation/storage'

export const KEY_MIGRATIONS: Migrations = [
  `CREATE TABLE key_secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL);
   CREATE TABLE subject_keys (
     pseudonym TEXT NOT NULL,
     generation INTEGER NOT NULL,
     wrapped TEXT,
     created_at INTEGER NOT NULL,
     destroyed_at INTEGER,
     PRIMARY KEY (pseudonym, generation)
   );`,
  `CREATE TABLE owner_keys (
     key_id TEXT NOT NULL,
     version INTEGER NOT NULL,
     key_class TEXT NOT NULL,
     owner TEXT NOT NULL,
     state TEXT NOT NULL,
     wrapped TEXT,
     created_at INTEGER NOT NULL,
     reserved_uses INTEGER NOT NULL,
     destroyed_at INTEGER,
     PRIMARY KEY (key_id, version)
   );
   CREATE UNIQUE INDEX owner_keys_primary ON owner_keys (key_class, owner) WHERE state = 'primary';
   CREATE INDEX owner_keys_owner ON owner_keys (key_class, owner);`,
  `CREATE TABLE key_retirements (
     key_id TEXT NOT NULL,
     version INTEGER NOT NULL,
     phase TEXT NOT NULL,
     compromised INTEGER NOT NULL,
     since INTEGER NOT NULL,
     waited_ms INTEGER NOT NULL,
     PRIMARY KEY (key_id, version)
   );`,
  `CREATE TABLE owner_key_escrow (
     key_id TEXT NOT NULL,
     version INTEGER NOT NULL,
     recipient TEXT NOT NULL,
     wrapped TEXT NOT NULL,
     PRIMARY KEY (key_id, version, recipient)
   );
   CREATE INDEX owner_key_escrow_recipient ON owner_key_escrow (recipient);`,
  `CREATE TABLE subject_escrow_recipients (recipient TEXT PRIMARY KEY);
   CREATE TABLE subject_key_escrow (
     pseudonym TEXT NOT NULL,
     generation INTEGER NOT NULL,
     recipient TEXT NOT NULL,
     wrapped TEXT NOT NULL,
     PRIMARY KEY (pseudonym, generation, recipient)
   );
   CREATE INDEX subject_key_escrow_recipient ON subject_key_escrow (recipient);`,
]

/** The wrapped form without its binding, which follows from the row: a row moved to another subject does not open. */
export type StoredWrap = Pick<WrappedKey, 'keyId' | 'version' | 'wrapped'>

export interface SubjectRow {
  readonly pseudonym: string
  readonly generation: number
  /** null when destroyed: the row stays as a tombstone. */
  readonly wrapped: StoredWrap | null
}

/** A person's key, wrapped for one escrow recipient. */
export interface SubjectCopy {
  /** As `keyIdOfRecipient` names it. */
  readonly recipient: string
  readonly wrapped: string
}

interface Waiting {
  readonly row: SubjectRow & { readonly wrapped: StoredWrap; readonly createdAt: number; readonly escrow?: readonly SubjectCopy[] }
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** SQLITE_FULL. */
const DISK_FULL = 13

/** The subjects' wrapped keys. Many new ones share a transaction; `add` resolves when it is durable. */
export class SubjectStore {
  readonly #raw: DatabaseSync
  readonly #latest: StatementSync
  readonly #one: StatementSync
  readonly #insert: StatementSync
  readonly #living: StatementSync
  readonly #destroy: StatementSync
  readonly #escrow: StatementSync
  readonly #endEscrow: StatementSync
  #waiting: Waiting[] = []

  constructor(raw: DatabaseSync) {
    this.#raw = raw
    const columns = 'SELECT pseudonym, generation, wrapped FROM subject_keys WHERE pseudonym = ?'
    this.#latest = raw.prepare(`${columns} ORDER BY generation DESC LIMIT 1`)
    this.#one = raw.prepare(`${columns} AND generation = ?`)
    this.#insert = raw.prepare('INSERT INTO subject_keys (pseudonym, generation, wrapped, created_at) VALUES (?, ?, ?, ?)')
    this.#living = raw.prepare('SELECT wrapped FROM subject_keys WHERE pseudonym = ? AND wrapped IS NOT NULL ORDER BY generation')
    this.#destroy = raw.prepare('UPDATE subject_keys SET wrapped = NULL, destroyed_at = ? WHERE pseudonym = ? AND wrapped IS NOT NULL')
    this.#escrow = raw.prepare('INSERT INTO subject_key_escrow (pseudonym, generation, recipient, wrapped) VALUES (?, ?, ?, ?)')
    this.#endEscrow = raw.prepare('DELETE FROM subject_key_escrow WHERE pseudonym = ?')
  }

  latest(pseudonym: string): SubjectRow | null {
    return guarded(() => toRow(this.#latest.get(pseudonym)))
  }

  one(pseudonym: string, generation: number): SubjectRow | null {
    return guarded(() => toRow(this.#one.get(pseudonym, generation)))
  }

  async add(row: Waiting['row']): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ row, resolve, reject })
      // All that arrive in this turn of the event loop, and during the commit before it, share one.
      if (this.#waiting.length === 1) setImmediate(() => this.commit())
    })
  }

  /** Commits what waits, now. */
  commit(): void {
    const batch = this.#waiting
    if (batch.length === 0) return
    this.#waiting = []
    try {
      guarded(() => {
        transaction({ raw: this.#raw }, () => {
          for (const { row } of batch) {
            const { pseudonym, generation, wrapped, createdAt, escrow = [] } = row
            this.#insert.run(pseudonym, generation, JSON.stringify(wrapped), createdAt)
            for (const copy of escrow) this.#escrow.run(pseudonym, generation, copy.recipient, copy.wrapped)
          }
        })
      })
    } catch (error) {
      for (const { reject } of batch) reject(error)
      return
    }
    for (const { resolve } of batch) resolve()
  }

  /**
   * Puts tombstones in the place of all keys of a subject, ends their copies for escrow, and overwrites their pages: `secure_delete` zeroes the cells, the
   * checkpoint takes the old pages out of the write-ahead log. Idempotent, so a failed call is repeated.
   * @returns the SHA-256 of each wrapped key that there was, hex.
   */
  destroy(pseudonym: string, now: number): readonly string[] {
    this.commit()
    return guarded(() => {
      const living = this.#living.all(pseudonym) as unknown as { wrapped: string }[]
      transaction({ raw: this.#raw }, () => {
        this.#destroy.run(now, pseudonym)
        this.#endEscrow.run(pseudonym)
      })
      forgetOverwritten(this.#raw)
      return living.map(({ wrapped }) =>
        createHash('sha256')
          .update(Buffer.from(parseStoredWrap(wrapped).wrapped, 'base64url'))
          .digest('hex'),
      )
    })
  }
}

/** Takes old pages out of the write-ahead log: what `secure_delete` zeroed in the database would stay readable there. */
export function forgetOverwritten(raw: DatabaseSync): void {
  const checkpoint = raw.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number } | undefined
  if (checkpoint?.busy !== 0) throw new RedoubtError('ERR_STORAGE_IO', 'the write-ahead log of the key database is in use')
}

export function guarded<T>(call: () => T): T {
  try {
    return call()
  } catch (cause) {
    if (cause instanceof RedoubtError) throw cause
    const full = (cause as { errcode?: number }).errcode === DISK_FULL
    throw new RedoubtError(full ? 'ERR_STORAGE_FULL' : 'ERR_STORAGE_IO', full ? 'the disk is full' : 'the key database failed', { cause })
  }
}

function toRow(found: Record<string, unknown> | undefined): SubjectRow | null {
  if (found === undefined) return null
  const { pseudonym, generation, wrapped } = found
  if (typeof pseudonym !== 'string' || typeof generation !== 'number') throw new RedoubtError('ERR_STORAGE_CORRUPT')
  return { pseudonym, generation, wrapped: wrapped === null ? null : parseStoredWrap(wrapped) }
}

export function parseStoredWrap(text: unknown): StoredWrap {
  try {
    const { keyId, version, wrapped } = JSON.parse(String(text)) as Record<string, unknown>
    if (typeof keyId === 'string' && typeof version === 'number' && typeof wrapped === 'string') return { keyId, version, wrapped }
  } catch {
    // Told below, without the platform's message, which quotes the row.
  }
  throw new RedoubtError('ERR_STORAGE_CORRUPT', 'a row of the key database is not in its format')
}
