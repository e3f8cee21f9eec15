import { createSecretKey, type KeyObject } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { RedoubtError, type SubjectSealer } from '#foundation/core'
import { type FileKeys, openBytes, unwrapForPeople, type WrappedKey } from '#foundation/crypto'
import { wrapAad } from '../key-provider.ts'
import { OwnerKeyStore } from '../owner-key-store.ts'
import { escrowBinding } from './escrow.ts'
import { openField } from '../subject-sealer.ts'
import { SubjectStore } from '../subject-store.ts'
import { EscrowStore } from './escrow-store.ts'
import { subjectCopies } from './subject-escrow.ts'

/**
 * Opens data keys without the provider: by a copy of the key database, and the private key of an escrow recipient. For `openObject`.
 * @throws {RedoubtError} when asked: `ERR_KEYS_UNKNOWN` for a key that is no data set's or model's, `ERR_KEYS_DESTROYED` for one that the
 *   database holds as destroyed, `ERR_CRYPTO_NO_KEY` where no copy is for these keys, `ERR_CRYPTO_AUTHENTICATION`.
 */
export function escrowOpener(raw: DatabaseSync, keys: FileKeys): (wrapped: WrappedKey) => Promise<KeyObject> {
  const versions = new OwnerKeyStore(raw)
  const escrow = new EscrowStore(raw)
  return async (wrapped) => {
    const row = versions.one(wrapped.keyId, wrapped.version)
    if (row === null) throw new RedoubtError('ERR_KEYS_UNKNOWN', 'the key database has no such key of a data set or a model')
    if (row.wrapped === null) throw new RedoubtError('ERR_KEYS_DESTROYED')
    const binding = escrowBinding(row.owner, row)
    const copies = escrow.of(row).map((copy) => ({ keyId: copy.recipient, version: 1, wrapped: copy.wrapped, binding }))
    const kek = await unwrapForPeople(copies, { recipients: keys.recipients, passphrase: null })
    const material = openBytes(kek, wrapAad(wrapped, wrapped.binding), Buffer.from(wrapped.wrapped, 'base64url'))
    try {
      return createSecretKey(material)
    } finally {
      material.fill(0)
    }
  }
}

/**
 * Opens what is sealed under people's keys, without the provider, likewise.
 * @throws {RedoubtError} when asked: `ERR_KEYS_UNKNOWN`, `ERR_KEYS_DESTROYED`, `ERR_CRYPTO_NO_KEY`, `ERR_CRYPTO_AUTHENTICATION`.
 */
export function escrowedFields(raw: DatabaseSync, keys: FileKeys): Pick<SubjectSealer, 'open'> {
  const store = new SubjectStore(raw)
  const copies = subjectCopies(raw)
  return {
    open: ({ pseudonym, ciphertext }, context) =>
      openField({ ciphertext }, context, async (generation) => {
        const row = store.one(pseudonym, generation)
        if (row === null) throw new RedoubtError('ERR_KEYS_UNKNOWN', 'the key database has no key of this subject')
        if (row.wrapped === null) throw new RedoubtError('ERR_KEYS_DESTROYED')
        return unwrapForPeople(copies(pseudonym, generation), { recipients: keys.recipients, passphrase: null })
      }),
  }
}

/**
 * As `escrowOpener` and `escrowedFields`, over the file of a key database, which is only read.
 * @throws {RedoubtError} `ERR_CRYPTO_FORMAT` for a file that is no key database, or one from before there was escrow.
 */
export function openEscrowed(
  path: string,
  keys: FileKeys,
): { readonly unwrap: (wrapped: WrappedKey) => Promise<KeyObject>; readonly fields: () => Pick<SubjectSealer, 'open'>; close(): void } {
  const refused = (cause: unknown): RedoubtError =>
    new RedoubtError('ERR_CRYPTO_FORMAT', `\`${path}\` is no key database with keys in escrow`, { cause })
  let raw: DatabaseSync | undefined
  try {
    const database = (raw = new DatabaseSync(path, { readOnly: true }))
    return {
      unwrap: escrowOpener(database, keys),
      // One from before people's keys were put in escrow opens the rest all the same.
      fields() {
        try {
          return escrowedFields(database, keys)
        } catch (cause) {
          throw refused(cause)
        }
      },
      close: () => database.close(),
    }
  } catch (cause) {
    raw?.close()
    throw refused(cause)
  }
}
