import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { RedoubtError } from '#foundation/core'
import { transaction } from '#foundation/storage'
import type { EscrowCopy } from './escrow/escrow-store.ts'
import type { KeyReference } from './key-provider.ts'
import type { KeyOwner } from './keys.ts'
import { forgetOverwritten, guarded, parseStoredWrap, type StoredWrap } from './subject-store.ts'

/** One record per version of the key-encryption key of an owner. */
export interface OwnerKeyRow {
  readonly keyId: string
  readonly version: number
  readonly owner: KeyOwner
  readonly state: 'primary' | 'retired' | 'destroyed'
  /** null when destroyed: the row stays as a tombstone. */
  readonly wrapped: StoredWrap | null
  readonly createdAt: number
  /** Wraps that are accounted for on disk; never fewer than were made. */
  readonly reservedUses: number
}

export type NewOwnerKey = Pick<OwnerKeyRow, 'keyId' | 'version' | 'owner' | 'createdAt'> & { readonly wrapped: StoredWrap }

const COLUMNS = 'SELECT key_id, version, key_class, owner, state, wrapped, created_at, reserved_uses FROM owner_keys'

/** The wrapped key-encryption keys of data sets and models. Every method is durable when it returns. */
export class OwnerKeyStore {
  readonly #raw: DatabaseSync
  readonly #one: StatementSync
  readonly #primary: StatementSync
  readonly #ofOwner: StatementSync
  readonly #ownerOf: StatementSync
  readonly #all: StatementSync
  readonly #insert: StatementSync
  readonly #retire: StatementSync
  readonly #reserve: StatementSync
  readonly #destroy: StatementSync
  readonly #destroyVersion: StatementSync
  readonly #escrow: StatementSync
  readonly #endEscrow: StatementSync

  constructor(raw: DatabaseSync) {
    this.#raw = raw
    this.#one = raw.prepare(`${COLUMNS} WHERE key_id = ? AND version = ?`)
    this.#primary = raw.prepare(`${COLUMNS} WHERE key_class = ? AND owner = ? AND state = 'primary'`)
    this.#ofOwner = raw.prepare(`${COLUMNS} WHERE key_class = ? AND owner = ? AND wrapped IS NOT NULL`)
    this.#ownerOf = raw.prepare(`${COLUMNS} WHERE key_id = ? LIMIT 1`)
    this.#all = raw.prepare(`${COLUMNS} ORDER BY key_class, owner, created_at, key_id, version`)
    this.#insert = raw.prepare(
      `INSERT INTO owner_keys (key_id, version, key_class, owner, state, wrapped, created_at, reserved_uses) VALUES (?, ?, ?, ?, 'primary', ?, ?, 0)`,
    )
    this.#retire = raw.prepare(`UPDATE owner_keys SET state = 'retired' WHERE key_class = ? AND owner = ? AND state = 'primary'`)
    this.#reserve = raw.prepare('UPDATE owner_keys SET reserved_uses = ? WHERE key_id = ? AND version = ?')
    this.#destroy = raw.prepare(
      `UPDATE owner_keys SET wrapped = NULL, state = 'destroyed', destroyed_at = ? WHERE key_id = ? AND version = ? AND wrapped IS NOT NULL`,
    )
    this.#destroyVersion = raw.prepare(
      `UPDATE owner_keys SET wrapped = NULL, state = 'destroyed', destroyed_at = ? WHERE key_id = ? AND version = ? AND state = 'retired'`,
    )
    this.#escrow = raw.prepare('INSERT INTO owner_key_escrow (key_id, version, recipient, wrapped) VALUES (?, ?, ?, ?)')
    // Of what is destroyed, and of nothing else.
    this.#endEscrow = raw.prepare(
      `DELETE FROM owner_key_escrow WHERE key_id = ? AND version = ?
       AND EXISTS (SELECT 1 FROM owner_keys WHERE owner_keys.key_id = owner_key_escrow.key_id AND owner_keys.version = owner_key_escrow.version AND wrapped IS NULL)`,
    )
  }

  one(keyId: string, version: number): OwnerKeyRow | null {
    return guarded(() => toRow(this.#one.get(keyId, version)))
  }

  primary({ keyClass, name }: KeyOwner): OwnerKeyRow | null {
    return guarded(() => toRow(this.#primary.get(keyClass, name)))
  }

  /** All versions of an owner that are not destroyed. */
  living({ keyClass, name }: KeyOwner): readonly OwnerKeyRow[] {
    return guarded(() => this.#ofOwner.all(keyClass, name).flatMap((row) => toRow(row) ?? []))
  }

  ownerOf(keyId: string): KeyOwner | null {
    return guarded(() => toRow(this.#ownerOf.get(keyId)))?.owner ?? null
  }

  all(): readonly OwnerKeyRow[] {
    return guarded(() => this.#all.all().flatMap((row) => toRow(row) ?? []))
  }

  /** The new version is primary, and the one before it no more, with its copies for escrow, in one transaction. */
  add({ keyId, version, owner: { keyClass, name }, wrapped, createdAt }: NewOwnerKey, escrow: readonly EscrowCopy[] = []): void {
    guarded(() => {
      transaction({ raw: this.#raw }, () => {
        this.#retire.run(keyClass, name)
        this.#insert.run(keyId, version, keyClass, name, JSON.stringify(wrapped), createdAt)
        for (const copy of escrow) this.#escrow.run(keyId, version, copy.recipient, copy.wrapped)
      })
    })
  }

  reserve(keyId: string, version: number, uses: number): void {
    guarded(() => this.#reserve.run(uses, keyId, version))
  }

  /**
   * Puts tombstones in the place of versions, ends their copies for escrow, and overwrites their pages. Idempotent, so a failed call is repeated.
   * @returns how many there were.
   */
  destroy(rows: readonly OwnerKeyRow[], now: number): number {
    return guarded(() => {
      transaction({ raw: this.#raw }, () => {
        for (const { keyId, version } of rows) {
          this.#destroy.run(now, keyId, version)
          this.#endEscrow.run(keyId, version)
        }
      })
      forgetOverwritten(this.#raw)
      return rows.length
    })
  }

  /** As `destroy`, for one version that is primary no more. */
  destroyVersion({ keyId, version }: KeyReference, now: number): void {
    guarded(() => {
      transaction({ raw: this.#raw }, () => {
        this.#destroyVersion.run(now, keyId, version)
        this.#endEscrow.run(keyId, version)
      })
      forgetOverwritten(this.#raw)
    })
  }
}

function toRow(found: Record<string, unknown> | undefined): OwnerKeyRow | null {
  if (found === undefined) return null
  const { key_id: keyId, version, key_class: keyClass, owner, state, wrapped, created_at: createdAt, reserved_uses: reservedUses } = found
  if (
    typeof keyId !== 'string' ||
    typeof version !== 'number' ||
    (keyClass !== 'dataset' && keyClass !== 'model') ||
    typeof owner !== 'string' ||
    (state !== 'primary' && state !== 'retired' && state !== 'destroyed') ||
    typeof createdAt !== 'number' ||
    typeof reservedUses !== 'number'
  )
    throw new RedoubtError('ERR_STORAGE_CORRUPT', 'a row of the key database is not in its format')
  const kept = wrapped === null ? null : parseStoredWrap(wrapped)
  return { keyId, version, owner: { keyClass, name: owner }, state, wrapped: kept, createdAt, reservedUses }
}
