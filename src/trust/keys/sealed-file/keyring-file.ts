import { createHash, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson, type JsonObject, parseStrictJson, RedoubtError } from '#foundation/core'
import { type Argon2Parameters, argon2Schema, openBytes, sealBytes } from '#foundation/crypto'
import { SIGNING_KEYS, type SigningKeyName } from '../key-provider.ts'
import { KEY_CLASSES } from '../keys.ts'
import { MAX_SHARES } from '../shares/shamir.ts'
import type { ShareSet } from '../shares/share-text.ts'

const FORMAT = 'redoubt-keyring-1'
/** One record per key version, so it grows with each rotation: some 250 bytes a version. */
const MAX_FILE_BYTES = 8_388_608
const MAX_DEPTH = 4
const MAX_RECORDS = 16_384

const base64url = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[A-Za-z0-9_-]+$/)
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const keyId = z.string().min(1).max(128)
const version = z.number().int().min(1).max(0x7fff_ffff)

const fileSchema = z
  .object({
    format: z.literal(FORMAT),
    shares: z
      .object({
        set: z.string().regex(/^[0-9a-f]{16}$/),
        threshold: z.number().int().min(2).max(MAX_SHARES),
        of: z.number().int().min(2).max(MAX_SHARES),
      })
      .strict()
      .optional(),
    kdf: z.object({ algorithm: z.literal('argon2id'), salt: base64url(128), parameters: argon2Schema }).strict(),
    sealed: base64url(MAX_FILE_BYTES),
    checksum: z.string().regex(/^[0-9a-f]{64}$/),
  })
  .strict()

const contentSchema = z
  .object({
    encryption: z
      .array(
        z
          .object({
            keyId,
            keyClass: z.enum(KEY_CLASSES),
            version,
            state: z.enum(['primary', 'retired']),
            createdAt: count,
            reservedUses: count,
            key: base64url(64),
          })
          .strict(),
      )
      .max(MAX_RECORDS),
    signing: z
      .array(
        z
          .object({
            name: z.enum(Object.keys(SIGNING_KEYS) as [SigningKeyName, ...SigningKeyName[]]),
            keyId,
            version,
            createdAt: count,
            pkcs8: base64url(4096),
          })
          .strict(),
      )
      .max(MAX_RECORDS),
  })
  .strict()

/** What the file holds, sealed: one record per key version. */
export type KeyringContent = z.infer<typeof contentSchema>

export interface KeyringFile {
  readonly salt: Uint8Array
  readonly parameters: Argon2Parameters
  readonly sealed: Uint8Array
  /** The shares of what opens it; null when that is a passphrase. */
  readonly shares: ShareSet | null
}

/** What is outside of the seal, and bound by it. */
export type KeyringHeader = Pick<KeyringFile, 'salt' | 'parameters' | 'shares'>

/**
 * Parses the outside of a keyring file. The checksum tells damage from a wrong passphrase; it protects nothing by itself.
 * @throws {RedoubtError} `ERR_KEYS_KEYRING_CORRUPT`, also for parameters below the floor of argon2id.
 */
export function parseKeyringFile(bytes: Uint8Array): KeyringFile {
  let file: z.infer<typeof fileSchema>
  try {
    file = fileSchema.parse(parseStrictJson(bytes, { maxBytes: MAX_FILE_BYTES, maxDepth: MAX_DEPTH }))
  } catch {
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the keyring file is not in its format')
  }
  if (checksum(file) !== file.checksum) throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT')
  return {
    salt: Buffer.from(file.kdf.salt, 'base64url'),
    parameters: file.kdf.parameters,
    sealed: Buffer.from(file.sealed, 'base64url'),
    shares: file.shares ?? null,
  }
}

/** @throws {RedoubtError} `ERR_KEYS_PASSPHRASE` when `root` does not open it, `ERR_KEYS_KEYRING_CORRUPT` when what is inside is not ours. */
export function openKeyringFile(root: KeyObject, file: KeyringFile): KeyringContent {
  let content: Uint8Array
  try {
    content = openBytes(root, aadOf(file), file.sealed)
  } catch {
    throw file.shares === null
      ? new RedoubtError('ERR_KEYS_PASSPHRASE')
      : new RedoubtError('ERR_KEYS_PASSPHRASE', 'the keyring is opened by shares, not by this: set `keys.unseal: shamir`')
  }
  try {
    return contentSchema.parse(parseStrictJson(content, { maxBytes: MAX_FILE_BYTES, maxDepth: MAX_DEPTH }))
  } catch {
    // Neither the platform's nor the schema's message is kept: both may quote key material.
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the content of the keyring is not in its format')
  } finally {
    content.fill(0)
  }
}

/** @returns the bytes of a keyring file that holds `content`. */
export function sealKeyringFile(root: KeyObject, kdf: KeyringHeader, content: KeyringContent): Uint8Array {
  const clear = new TextEncoder().encode(canonicalJson(content))
  const sealed = sealBytes(root, aadOf(kdf), clear)
  clear.fill(0)
  const file = { ...header(kdf), sealed: Buffer.from(sealed).toString('base64url') }
  return new TextEncoder().encode(`${canonicalJson({ ...file, checksum: checksum(file) })}\n`)
}

function header({ salt, parameters, shares }: KeyringHeader): JsonObject {
  const { memoryKiB, passes, parallelism } = parameters
  const encoded = Buffer.from(salt).toString('base64url')
  return {
    format: FORMAT,
    ...(shares === null ? {} : { shares: { ...shares } }),
    kdf: { algorithm: 'argon2id', salt: encoded, parameters: { memoryKiB, passes, parallelism } },
  }
}

function aadOf(kdf: KeyringHeader): Uint8Array {
  return new TextEncoder().encode(canonicalJson(header(kdf)))
}

function checksum(file: object): string {
  return createHash('sha256')
    .update(canonicalJson({ ...file, checksum: undefined }))
    .digest('hex')
}
