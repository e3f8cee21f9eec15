import { createPrivateKey, createSecretKey, type KeyObject } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import { deriveKeyArgon2id } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { KeyReference, SigningKeyName } from '../key-provider.ts'
import type { KeyClass } from '../keys.ts'
import { openKeyringFile, parseKeyringFile } from './keyring-file.ts'
import { KEYRING_PATH } from './sealed-file-provider.ts'

/** A version of a key-encryption key, out of its file. */
export interface ExportedKey extends KeyReference {
  readonly keyClass: KeyClass
  readonly createdAt: number
  /** Never too low. */
  readonly uses: number
  readonly key: KeyObject
}

export interface ExportedSigningKey extends KeyReference {
  readonly name: SigningKeyName
  readonly createdAt: number
  readonly privateKey: KeyObject
}

/** What moves to another provider. */
export interface ExportedKeyring {
  readonly encryption: readonly ExportedKey[]
  readonly signing: readonly ExportedSigningKey[]
}

/** Everything in a sealed file, for the move to another provider. @throws {RedoubtError} `ERR_KEYS_PASSPHRASE`, `ERR_KEYS_KEYRING_CORRUPT`. */
export async function exportSealedFile(folder: DurableFolder, passphrase: Uint8Array): Promise<ExportedKeyring> {
  const bytes = folder.read(KEYRING_PATH)
  if (bytes === null) throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the keyring file is gone')
  const file = parseKeyringFile(bytes)
  const content = openKeyringFile(await deriveKeyArgon2id(passphrase, file.salt, file.parameters), file)
  return {
    // A version without material was destroyed: nothing of it can move.
    encryption: content.encryption
      .filter(({ key }) => key !== '')
      .map(({ keyId, keyClass, version, createdAt, reservedUses, key }) => {
        const material = Buffer.from(key, 'base64url')
        const exported = { keyId, keyClass, version, createdAt, uses: reservedUses, key: createSecretKey(material) }
        material.fill(0)
        return exported
      }),
    signing: content.signing.map(({ name, keyId, version, createdAt, pkcs8 }) => {
      const der = Buffer.from(pkcs8, 'base64url')
      const exported = { name, keyId, version, createdAt, privateKey: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }) }
      der.fill(0)
      return exported
    }),
  }
}
