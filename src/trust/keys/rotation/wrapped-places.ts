import type { DatabaseSync } from 'node:sqlite'
import { RedoubtError } from '#foundation/core'
import type { WrappedKey } from '#foundation/crypto'
import { storageError, transaction } from '#foundation/storage'
import type { KeyClass } from '../keys.ts'
import { bindingOfOwnerKey } from '../owner-keys.ts'
import { type OwnerKeyStore } from '../owner-key-store.ts'
import { bindingOfSecret, SECRETS } from '../secrets.ts'
import { bindingOfSubjectKey } from '../subject-sealer.ts'
import { guarded, parseStoredWrap, type StoredWrap } from '../subject-store.ts'

/** Where sealed objects of one class lie. Implemented by the rooms that own them, which this room does not know. */
export interface SealedObjects {
  /** What they are, in plain words, as in the table of this room's README. */
  readonly name: string
  readonly keyClass: 'dataset' | 'model' | 'configuration'
  /** Every sealed object that lies there, of things that are not finished too, with the owner's name where it is known. */
  list(): Iterable<{ readonly path: string; readonly owner: string | null }>
}

export interface StoredKey {
  /** Names the row in its table. */
  readonly id: string
  readonly wrapped: WrappedKey
}

export interface KeyChange {
  readonly before: StoredKey
  readonly after: WrappedKey
}

/** Wrapped keys in a database: of this room, or the one key of another. */
export interface WrappedKeys {
  /** What they open, in plain words, as in the table of this room's README. */
  readonly name: string
  readonly keyClass: KeyClass
  /** Pages of moderate size, so that no one waits for all of them. */
  pages(): Iterable<readonly StoredKey[]>
  /** Durable when it returns; a row that is not as it was read is left as it is. */
  replace(changes: readonly KeyChange[]): void
}

const PAGE = 256

/** The key of a room that keeps one, in the column `wrapped` of a table of its own, as `Keys.generateDataKey` gave it. */
export function wrappedKeyOfRoom(raw: DatabaseSync, table: string, name: string): WrappedKeys {
  const read = raw.prepare(`SELECT wrapped FROM ${table}`)
  const update = raw.prepare(`UPDATE ${table} SET wrapped = ? WHERE wrapped = ?`)
  return {
    name,
    keyClass: 'configuration',
    *pages() {
      const row = read.get() as { readonly wrapped: string } | undefined
      if (row) yield [{ id: row.wrapped, wrapped: JSON.parse(row.wrapped) as WrappedKey }]
    },
    replace(changes) {
      try {
        for (const { before, after } of changes) update.run(JSON.stringify(after), before.id)
        raw.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      } catch (cause) {
        throw storageError(cause)
      }
    },
  }
}

/** Keys of subjects, under the subject class. */
export function subjectKeys(raw: DatabaseSync): WrappedKeys {
  const page = raw.prepare(
    `SELECT pseudonym, generation, wrapped FROM subject_keys WHERE wrapped IS NOT NULL AND (pseudonym, generation) > (?, ?)
     ORDER BY pseudonym, generation LIMIT ${PAGE}`,
  )
  const update = raw.prepare('UPDATE subject_keys SET wrapped = ? WHERE pseudonym = ? AND generation = ? AND wrapped = ?')
  return {
    name: 'people',
    keyClass: 'subject',
    *pages() {
      let last: readonly [string, number] = ['', 0]
      for (;;) {
        const rows = guarded(() => page.all(...last)) as unknown as { pseudonym: string; generation: number; wrapped: string }[]
        if (rows.length === 0) return
        yield rows.map(({ pseudonym, generation, wrapped }) => ({
          id: JSON.stringify([pseudonym, generation]),
          wrapped: { ...parseStoredWrap(wrapped), binding: bindingOfSubjectKey(pseudonym, generation) },
        }))
        const { pseudonym, generation } = rows.at(-1)!
        last = [pseudonym, generation]
      }
    },
    replace: (changes) =>
      inOne(raw, changes, ({ before, after }) => {
        const [pseudonym, generation] = JSON.parse(before.id) as [string, number]
        update.run(stored(after), pseudonym, generation, stored(before.wrapped))
      }),
  }
}

/** The chains of owners, each under its class. */
export function ownerKeys(raw: DatabaseSync, store: OwnerKeyStore, keyClass: 'dataset' | 'model'): WrappedKeys {
  const update = raw.prepare('UPDATE owner_keys SET wrapped = ? WHERE key_id = ? AND version = ? AND wrapped = ?')
  return {
    name: keyClass === 'dataset' ? 'data sets' : 'models',
    keyClass,
    *pages() {
      const rows = store.all().filter(({ owner }) => owner.keyClass === keyClass)
      for (let at = 0; at < rows.length; at += PAGE)
        yield rows.slice(at, at + PAGE).flatMap((row) => {
          if (row.wrapped === null) return []
          const { keyId, version, owner, wrapped } = row
          return [{ id: JSON.stringify([keyId, version]), wrapped: { ...wrapped, binding: bindingOfOwnerKey(owner, row) } }]
        })
    },
    replace: (changes) =>
      inOne(raw, changes, ({ before, after }) => {
        const [keyId, version] = JSON.parse(before.id) as [string, number]
        update.run(stored(after), keyId, version, stored(before.wrapped))
      }),
  }
}

/** Keys of pseudonyms and of the audit index. */
export function secrets(raw: DatabaseSync): WrappedKeys {
  const read = raw.prepare('SELECT value FROM key_secrets WHERE name = ?')
  const update = raw.prepare('UPDATE key_secrets SET value = ? WHERE name = ? AND value = ?')
  return {
    name: 'pseudonyms and the index of the log',
    keyClass: 'configuration',
    *pages() {
      yield SECRETS.map((name) => {
        const row = guarded(() => read.get(name)) as { readonly value: string } | undefined
        if (row === undefined) throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the key database lacks a secret of its own')
        return { id: name, wrapped: { ...parseStoredWrap(row.value), binding: bindingOfSecret(name) } }
      })
    },
    replace: (changes) => inOne(raw, changes, ({ before, after }) => void update.run(stored(after), before.id, stored(before.wrapped))),
  }
}

function inOne(raw: DatabaseSync, changes: readonly KeyChange[], change: (change: KeyChange) => void): void {
  guarded(() => transaction({ raw }, () => changes.forEach(change)))
}

function stored({ keyId, version, wrapped }: StoredWrap): string {
  return JSON.stringify({ keyId, version, wrapped })
}
