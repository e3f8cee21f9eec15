import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { RedoubtError } from '#foundation/core'
import { transaction } from '#foundation/storage'
import type { KeyReference } from '../key-provider.ts'
import { forgetOverwritten, guarded } from '../subject-store.ts'

/** The key-encryption key of an owner, wrapped for one escrow recipient. */
export interface EscrowCopy extends KeyReference {
  /** As `keyIdOfRecipient` names it. */
  readonly recipient: string
  readonly wrapped: string
}

/**
 * Copies of owners' key-encryption keys for escrow, in the key database beside the keys themselves: `OwnerKeyStore` ends them with the
 * version that they are of, in one transaction. Every method is durable when it returns.
 */
export class EscrowStore {
  readonly #raw: DatabaseSync
  readonly #of: StatementSync
  readonly #all: StatementSync
  readonly #add: StatementSync
  readonly #remove: StatementSync

  constructor(raw: DatabaseSync) {
    this.#raw = raw
    this.#of = raw.prepare('SELECT key_id, version, recipient, wrapped FROM owner_key_escrow WHERE key_id = ? AND version = ?')
    this.#all = raw.prepare('SELECT key_id, version, recipient FROM owner_key_escrow')
    // Nothing is added to a version that was destroyed meanwhile.
    this.#add = raw.prepare(
      `INSERT OR IGNORE INTO owner_key_escrow (key_id, version, recipient, wrapped)
       SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM owner_keys WHERE key_id = ? AND version = ? AND wrapped IS NOT NULL)`,
    )
    this.#remove = raw.prepare('DELETE FROM owner_key_escrow WHERE recipient = ?')
  }

  of({ keyId, version }: KeyReference): readonly EscrowCopy[] {
    return guarded(() => this.#of.all(keyId, version).map((row) => ({ ...referenceOf(row), wrapped: textOf(row['wrapped']) })))
  }

  /** Without the wrapped keys. */
  list(): readonly Omit<EscrowCopy, 'wrapped'>[] {
    return guarded(() => this.#all.all().map(referenceOf))
  }

  add(copies: readonly EscrowCopy[]): void {
    guarded(() =>
      transaction({ raw: this.#raw }, () => {
        for (const { keyId, version, recipient, wrapped } of copies) this.#add.run(keyId, version, recipient, wrapped, keyId, version)
      }),
    )
  }

  /** All copies for a recipient, and their pages. */
  remove(recipient: string): void {
    guarded(() => {
      this.#remove.run(recipient)
      forgetOverwritten(this.#raw)
    })
  }
}

function referenceOf(row: Record<string, unknown>): Omit<EscrowCopy, 'wrapped'> {
  const { version } = row
  if (typeof version !== 'number') throw notInFormat()
  return { keyId: textOf(row['key_id']), version, recipient: textOf(row['recipient']) }
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw notInFormat()
  return value
}

const notInFormat = (): RedoubtError => new RedoubtError('ERR_STORAGE_CORRUPT', 'an escrow copy of the key database is not in its format')
