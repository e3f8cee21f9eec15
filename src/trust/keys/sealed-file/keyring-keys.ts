import { createPrivateKey, createPublicKey, createSecretKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { newId, RedoubtError } from '#foundation/core'
import { SIGNING_KEYS, type SigningKeyName } from '../key-provider.ts'
import { KEY_CLASSES, type KeyClass } from '../keys.ts'
import type { TakenOver } from '../moved/taken-over.ts'
import type { KeyringContent } from './keyring-file.ts'

const AES_KEY_BYTES = 32

/** A version of a chain, as the provider has it in memory. */
export interface EncryptionKey {
  readonly keyId: string
  readonly keyClass: KeyClass
  readonly version: number
  state: 'primary' | 'retired' | 'destroyed'
  readonly createdAt: number
  /** null when destroyed. */
  readonly key: KeyObject | null
  /** In the file; never less than `uses`. */
  reservedUses: number
  uses: number
}

/** A signing key, as the provider has it in memory. */
export interface PrivateKey {
  readonly name: SigningKeyName
  readonly keyId: string
  readonly version: number
  readonly createdAt: number
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  uses: number
}

/** A primary version of each class: the one that there is, unless its chain is longer elsewhere. */
export function continued(keys: readonly EncryptionKey[], { chains }: Pick<TakenOver, 'chains'>, now: number): readonly EncryptionKey[] {
  return KEY_CLASSES.reduce<readonly EncryptionKey[]>((made, keyClass) => {
    const last = chains.get(keyClass)
    const primary = made.find((kek) => kek.keyClass === keyClass && kek.state === 'primary')
    if (primary !== undefined && (last === undefined || primary.version > last.version)) return made
    const next = newEncryptionKey(last?.keyId ?? newId('kek'), keyClass, (last?.version ?? 0) + 1, now)
    return [...made.map((kek) => (kek === primary ? { ...kek, state: 'retired' as const } : kek)), next]
  }, keys)
}

/** The signing keys: those that were given, and fresh ones for the others. */
export function signingKeys({ signing }: Pick<TakenOver, 'signing'>, now: number): readonly PrivateKey[] {
  return (Object.keys(SIGNING_KEYS) as SigningKeyName[]).map((name) => {
    const given = signing.find((key) => key.name === name)
    return given === undefined ? newPrivateKey(name, now) : { ...given, publicKey: createPublicKey(given.privateKey), uses: 0 }
  })
}

/** A fresh primary version. */
export function newEncryptionKey(keyId: string, keyClass: KeyClass, version: number, now: number): EncryptionKey {
  const key = createSecretKey(randomBytes(AES_KEY_BYTES))
  return { keyId, keyClass, version, state: 'primary', createdAt: now, key, reservedUses: 0, uses: 0 }
}

function newPrivateKey(name: SigningKeyName, now: number): PrivateKey {
  const { privateKey, publicKey } =
    SIGNING_KEYS[name] === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { name, keyId: newId('key'), version: 1, createdAt: now, privateKey, publicKey, uses: 0 }
}

/** @throws {RedoubtError} `ERR_KEYS_KEYRING_CORRUPT`. */
export function toEncryptionKey(record: KeyringContent['encryption'][number]): EncryptionKey {
  const { keyId, keyClass, version, state, createdAt, reservedUses } = record
  const kept = { keyId, keyClass, version, state, createdAt, reservedUses, uses: reservedUses }
  if (state === 'destroyed') return { ...kept, key: null }
  const material = Buffer.from(record.key, 'base64url')
  if (material.byteLength !== AES_KEY_BYTES) throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'a key in the keyring has another length')
  const key = createSecretKey(material)
  material.fill(0)
  return { ...kept, key }
}

/** @throws {RedoubtError} `ERR_KEYS_KEYRING_CORRUPT`. */
export function toPrivateKey(record: KeyringContent['signing'][number]): PrivateKey {
  const { name, keyId, version, createdAt } = record
  const der = Buffer.from(record.pkcs8, 'base64url')
  try {
    const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    return { name, keyId, version, createdAt, privateKey, publicKey: createPublicKey(privateKey), uses: 0 }
  } catch {
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'a signing key in the keyring is not a private key')
  } finally {
    der.fill(0)
  }
}

/** What is written of the keys. */
export function toContent(encryption: readonly EncryptionKey[], signing: readonly PrivateKey[]): KeyringContent {
  return {
    encryption: encryption.map(({ keyId, keyClass, version, state, createdAt, reservedUses, key }) => ({
      keyId,
      keyClass,
      version,
      state,
      createdAt,
      reservedUses,
      key: key === null ? '' : key.export().toString('base64url'),
    })),
    signing: signing.map(({ name, keyId, version, createdAt, privateKey }) => ({
      name,
      keyId,
      version,
      createdAt,
      pkcs8: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64url'),
    })),
  }
}
