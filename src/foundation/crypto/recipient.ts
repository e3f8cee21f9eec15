import { createHash, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson, parseStrictJson, RedoubtError } from '#foundation/core'
import { argon2Schema, type Argon2Parameters, DEFAULT_ARGON2, deriveKeyArgon2id, newArgon2Salt } from './argon2id.ts'
import { constantTimeEqual } from './constant-time.ts'
import { HYBRID_PUBLIC_BYTES, HYBRID_SEED_BYTES, hybridPrivateKey, type HybridPrivateKey } from './hybrid-kem.ts'
import { openBytes, sealBytes } from './seal-bytes.ts'

/** One line of text: this, the public key, and its fingerprint, by which a slip in copying is found. */
const SCHEME = 'redoubt-recipient-1'
const FINGERPRINT_BYTES = 16
const KEY_FORMAT = 'redoubt-recipient-key-1' as const
/** A key file is about 2 KiB. */
const MAX_KEY_FILE_BYTES = 8_192

/** Someone to whom files can be sealed: a public key and nothing secret. */
export interface Recipient {
  /** First half of the SHA-256 of the public key, base64url: what a header names. */
  readonly fingerprint: string
  readonly publicKey: Uint8Array
}

/** What opens the files that were sealed to one recipient. */
export interface RecipientKey {
  readonly recipient: Recipient
  readonly key: HybridPrivateKey
}

const fingerprintOf = (publicKey: Uint8Array): string =>
  createHash('sha256').update(publicKey).digest().subarray(0, FINGERPRINT_BYTES).toString('base64url')
const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')

/** A recipient as one line of text. */
export function recipientText({ publicKey, fingerprint }: Recipient): string {
  return `${SCHEME}.${base64url(publicKey)}.${fingerprint}`
}

/** @throws {RedoubtError} `ERR_CRYPTO_RECIPIENT` for anything but what `recipientText` wrote, letter by letter. */
export function parseRecipient(text: string): Recipient {
  const encoded = text.length > 2 * HYBRID_PUBLIC_BYTES ? '' : (text.split('.')[1] ?? '')
  const publicKey = Buffer.from(encoded, 'base64url')
  const recipient = { publicKey, fingerprint: fingerprintOf(publicKey) }
  // Written anew and compared: scheme and fingerprint are right, and base64url took no letter in silence that is none.
  if (publicKey.byteLength !== HYBRID_PUBLIC_BYTES || recipientText(recipient) !== text) throw new RedoubtError('ERR_CRYPTO_RECIPIENT')
  return recipient
}

const keyFileSchema = z
  .object({
    format: z.literal(KEY_FORMAT),
    recipient: z.string().max(2 * HYBRID_PUBLIC_BYTES),
    kdf: argon2Schema.nullable(),
    salt: z
      .string()
      .regex(/^[A-Za-z0-9_-]{22,86}$/)
      .nullable(),
    seed: z.string().regex(/^[A-Za-z0-9_-]{128,176}$/),
  })
  .strict()

/**
 * Makes a recipient, and the text of the file that holds the private key.
 * @param passphrase what the key is sealed under by argon2id; null leaves it in clear, for a place that is sealed by itself.
 */
export async function newRecipient(
  passphrase: Uint8Array | null,
  kdf: Argon2Parameters = DEFAULT_ARGON2,
): Promise<{ readonly recipient: Recipient; readonly keyFile: string }> {
  const seed = randomBytes(HYBRID_SEED_BYTES)
  try {
    const { publicKey } = hybridPrivateKey(seed)
    const recipient = { publicKey, fingerprint: fingerprintOf(publicKey) }
    const head = { format: KEY_FORMAT, recipient: recipientText(recipient) } as const
    if (passphrase === null) return { recipient, keyFile: line({ ...head, kdf: null, salt: null, seed: base64url(seed) }) }
    const salt = newArgon2Salt()
    const sealed = sealBytes(await deriveKeyArgon2id(passphrase, salt, kdf), keyFileAad(head.recipient), seed)
    const { memoryKiB, passes, parallelism } = kdf
    return {
      recipient,
      keyFile: line({ ...head, kdf: { memoryKiB, passes, parallelism }, salt: base64url(salt), seed: base64url(sealed) }),
    }
  } finally {
    seed.fill(0)
  }
}

/** Whether a key file asks for a passphrase. @throws {RedoubtError} as `openRecipientKey`. */
export function needsPassphrase(keyFile: Uint8Array): boolean {
  return parseKeyFile(keyFile).kdf !== null
}

/**
 * @param passphrase read only where the key file is sealed under one.
 * @throws {RedoubtError} `ERR_CRYPTO_FORMAT` for what is no key file, `ERR_KEYS_PASSPHRASE` for another passphrase or a changed file,
 *   `ERR_CRYPTO_AUTHENTICATION` when the key is not that of the recipient beside it.
 */
export async function openRecipientKey(keyFile: Uint8Array, passphrase: Uint8Array | null): Promise<RecipientKey> {
  const { recipient: text, kdf, salt, seed: stored } = parseKeyFile(keyFile)
  const recipient = parseRecipient(text)
  let seed = Uint8Array.from(Buffer.from(stored, 'base64url'))
  if (kdf !== null && salt !== null) {
    if (passphrase === null) throw new RedoubtError('ERR_KEYS_PASSPHRASE', 'the key file is sealed under a passphrase and none was given')
    const key = await deriveKeyArgon2id(passphrase, Buffer.from(salt, 'base64url'), kdf)
    try {
      seed = Uint8Array.from(openBytes(key, keyFileAad(text), seed))
    } catch {
      throw new RedoubtError('ERR_KEYS_PASSPHRASE', 'the passphrase does not open the key file')
    }
  }
  try {
    const key = hybridPrivateKey(seed)
    if (!constantTimeEqual(key.publicKey, recipient.publicKey))
      throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the private key is not that of the recipient it names')
    return { recipient, key }
  } finally {
    seed.fill(0)
  }
}

function parseKeyFile(bytes: Uint8Array): z.infer<typeof keyFileSchema> {
  let parsed
  try {
    parsed = keyFileSchema.safeParse(parseStrictJson(bytes, { maxBytes: MAX_KEY_FILE_BYTES, maxDepth: 3 }))
  } catch (cause) {
    throw new RedoubtError('ERR_CRYPTO_FORMAT', 'this is no key file of a recipient', { cause })
  }
  const sealed = parsed.data?.kdf !== null
  if (!parsed.success || sealed !== (parsed.data.salt !== null))
    throw new RedoubtError('ERR_CRYPTO_FORMAT', 'this is no key file of a recipient')
  return parsed.data
}

const line = (value: z.infer<typeof keyFileSchema>): string => `${canonicalJson(value)}\n`
const keyFileAad = (recipient: string): Uint8Array => new TextEncoder().encode(canonicalJson({ format: KEY_FORMAT, recipient }))
