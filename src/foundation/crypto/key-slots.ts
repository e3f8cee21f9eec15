import { createSecretKey, type KeyObject } from 'node:crypto'
import { canonicalJson, RedoubtError } from '#foundation/core'
import { type Argon2Parameters, DEFAULT_ARGON2, deriveKeyArgon2id, newArgon2Salt } from './argon2id.ts'
import { HYBRID_CIPHERTEXT_BYTES, hybridDecapsulate, hybridEncapsulate } from './hybrid-kem.ts'
import type { Recipient, RecipientKey } from './recipient.ts'
import { openBytes, sealBytes, SEALED_OVERHEAD } from './seal-bytes.ts'
import { KEY_BYTES } from './segment-layout.ts'
import type { KeyBinding, WrappedKey } from './wrapped-key.ts'

const RECIPIENT = 'recipient:'
const PASSPHRASE = 'passphrase'
/** How a data key is wrapped for people; another way would be another version. */
const VERSION = 1
const WRAPPED_BYTES = KEY_BYTES + SEALED_OVERHEAD
const PARAMETER_BYTES = 12
const ARGON2_SALT_BYTES = 16
/** A file may come from a stranger: what its passphrase may cost whoever opens it. A gibibyte, and seconds. */
const MAX_MEMORY_KIB = 1_048_576
const MAX_WORK_KIB = 4 * MAX_MEMORY_KIB
const MAX_LANES = 16

/** What opens files: private keys of recipients, and a passphrase where the file has one. */
export interface FileKeys {
  readonly recipients: readonly RecipientKey[]
  readonly passphrase: Uint8Array | null
}

export const keyIdOfRecipient = ({ fingerprint }: Recipient): string => `${RECIPIENT}${fingerprint}`

/** The data key for one recipient: hybrid ciphertext ‖ AES-256-GCM under the secret that it carries. */
export function wrapForRecipient(key: KeyObject, recipient: Recipient, binding: KeyBinding): WrappedKey {
  const { secret, ciphertext } = hybridEncapsulate(recipient.publicKey)
  const entry = { keyId: keyIdOfRecipient(recipient), version: VERSION, binding }
  return { ...entry, wrapped: encode(ciphertext, sealKey(secretKeyOf(secret), key, entry)) }
}

/** The data key under a passphrase: argon2id parameters (three u32) ‖ salt ‖ AES-256-GCM. */
export async function wrapUnderPassphrase(
  key: KeyObject,
  passphrase: Uint8Array,
  binding: KeyBinding,
  kdf: Argon2Parameters = DEFAULT_ARGON2,
): Promise<WrappedKey> {
  const salt = newArgon2Salt()
  const parameters = Buffer.alloc(PARAMETER_BYTES)
  ;[kdf.memoryKiB, kdf.passes, kdf.parallelism].forEach((value, i) => parameters.writeUInt32BE(value, 4 * i))
  const entry = { keyId: PASSPHRASE, version: VERSION, binding }
  return { ...entry, wrapped: encode(parameters, salt, sealKey(await deriveKeyArgon2id(passphrase, salt, kdf), key, entry)) }
}

/**
 * The data key of a file, by the first of its wrapped keys that one of ours is for. Only one passphrase is tried, whatever a file claims.
 * @throws {RedoubtError} `ERR_CRYPTO_NO_KEY` when none is for us; `ERR_KEYS_PASSPHRASE` for another passphrase; `ERR_CRYPTO_AUTHENTICATION`
 *   when one is for us and was changed.
 */
export async function unwrapForPeople(keys: readonly WrappedKey[], { recipients, passphrase }: FileKeys): Promise<KeyObject> {
  for (const wrapped of keys) {
    const ours = recipients.find(({ recipient }) => keyIdOfRecipient(recipient) === wrapped.keyId)
    if (ours !== undefined) return unwrapAsRecipient(wrapped, ours)
  }
  const underPassphrase = keys.filter(({ keyId }) => keyId === PASSPHRASE)
  if (passphrase !== null && underPassphrase.length > 1)
    throw new RedoubtError('ERR_CRYPTO_FORMAT', 'the file names more than one passphrase')
  if (passphrase !== null && underPassphrase[0] !== undefined) return unwrapUnderPassphrase(underPassphrase[0], passphrase)
  const open = keys.map(({ keyId }) => `\`${keyId}\``).join(', ')
  throw new RedoubtError('ERR_CRYPTO_NO_KEY', `no key given here opens the file; it is sealed to ${open}`)
}

function unwrapAsRecipient(wrapped: WrappedKey, { key }: RecipientKey): KeyObject {
  const bytes = decode(wrapped, HYBRID_CIPHERTEXT_BYTES + WRAPPED_BYTES)
  const secret = hybridDecapsulate(key, bytes.subarray(0, HYBRID_CIPHERTEXT_BYTES))
  return openKey(secretKeyOf(secret), bytes.subarray(HYBRID_CIPHERTEXT_BYTES), wrapped)
}

async function unwrapUnderPassphrase(wrapped: WrappedKey, passphrase: Uint8Array): Promise<KeyObject> {
  const bytes = decode(wrapped, PARAMETER_BYTES + ARGON2_SALT_BYTES + WRAPPED_BYTES)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const [memoryKiB, passes, parallelism] = [view.getUint32(0), view.getUint32(4), view.getUint32(8)]
  if (memoryKiB > MAX_MEMORY_KIB || memoryKiB * passes > MAX_WORK_KIB || parallelism > MAX_LANES)
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the file asks for more memory or time for its passphrase than any file of ours does')
  const salt = bytes.subarray(PARAMETER_BYTES, PARAMETER_BYTES + ARGON2_SALT_BYTES)
  const key = await deriveKeyArgon2id(passphrase, salt, { memoryKiB, passes, parallelism })
  try {
    return openKey(key, bytes.subarray(PARAMETER_BYTES + ARGON2_SALT_BYTES), wrapped)
  } catch {
    throw new RedoubtError('ERR_KEYS_PASSPHRASE', 'the passphrase does not open the file, or the file was changed')
  }
}

type Entry = Omit<WrappedKey, 'wrapped'>

function sealKey(under: KeyObject, key: KeyObject, entry: Entry): Uint8Array {
  const material = key.export()
  try {
    return sealBytes(under, entryAad(entry), material)
  } finally {
    material.fill(0)
  }
}

function openKey(under: KeyObject, sealed: Uint8Array, entry: Entry): KeyObject {
  return secretKeyOf(openBytes(under, entryAad(entry), sealed))
}

/** The key outside the JavaScript heap; the bytes it was made of are zeros afterwards. */
function secretKeyOf(bytes: Uint8Array): KeyObject {
  const key = createSecretKey(bytes)
  bytes.fill(0)
  return key
}

/** A wrapped key that is moved to another file or another entry does not open. */
const entryAad = ({ keyId, version, binding: { tenant, resource, purpose } }: Entry): Uint8Array =>
  new TextEncoder().encode(canonicalJson({ tenant, resource, keyId, version, purpose }))

const encode = (...parts: readonly Uint8Array[]): string => Buffer.concat(parts).toString('base64url')

function decode({ wrapped, version }: WrappedKey, bytes: number): Uint8Array {
  const decoded = Buffer.from(wrapped, 'base64url')
  if (version !== VERSION || decoded.byteLength !== bytes || decoded.toString('base64url') !== wrapped)
    throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'a wrapped key of the file is not authentic')
  return decoded
}
