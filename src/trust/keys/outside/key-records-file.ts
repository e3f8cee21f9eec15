import { createHash } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson, parseStrictJson, RedoubtError } from '#foundation/core'
import { SIGNING_KEYS, type SigningKeyName } from '../key-provider.ts'
import { KEY_CLASSES } from '../keys.ts'

const FORMAT = 'redoubt-outside-keys-1'
/** One record per key version, so it grows with each rotation: some 300 bytes a version. */
const MAX_FILE_BYTES = 8_388_608
const MAX_DEPTH = 4
const MAX_RECORDS = 16_384
/** The longest names that providers give: an ARN of a KMS key has at most 2,048 characters. */
const MAX_REFERENCE_LENGTH = 2_048

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const keyId = z.string().min(1).max(128)
const version = z.number().int().min(1).max(0x7fff_ffff)
const reference = z.string().min(1).max(MAX_REFERENCE_LENGTH)
const provider = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/)

const keyVersionSchema = z
  .object({
    keyId,
    keyClass: z.enum(KEY_CLASSES),
    version,
    /** `destroyed` is a tombstone: the key service has been told to end the key. */
    state: z.enum(['primary', 'retired', 'destroyed']),
    createdAt: count,
    reservedUses: count,
    reference,
    /** Of a destroyed version: when the key service lets go of its material for good, where that is later. */
    endsAt: count.optional(),
  })
  .strict()

const signingSchema = z
  .object({
    name: z.enum(Object.keys(SIGNING_KEYS) as [SigningKeyName, ...SigningKeyName[]]),
    keyId,
    version,
    createdAt: count,
    reference,
  })
  .strict()

const fileSchema = z
  .object({
    format: z.literal(FORMAT),
    provider,
    encryption: z.array(keyVersionSchema).max(MAX_RECORDS),
    signing: z.array(signingSchema).max(Object.keys(SIGNING_KEYS).length),
    checksum: z.string().regex(/^[0-9a-f]{64}$/),
  })
  .strict()

/** A version of a key-encryption key, as it is written down. */
export type KeyVersionRecord = z.infer<typeof keyVersionSchema>
/** A signing key that the provider holds itself. */
export type SigningRecord = Readonly<z.infer<typeof signingSchema>>
export interface KeyRecordsContent {
  readonly provider: string
  readonly encryption: readonly KeyVersionRecord[]
  readonly signing: readonly SigningRecord[]
}

/** @throws {RedoubtError} `ERR_KEYS_KEYRING_CORRUPT` for anything that `encodeKeyRecords` did not write. */
export function parseKeyRecords(bytes: Uint8Array): KeyRecordsContent {
  let file: z.infer<typeof fileSchema>
  try {
    file = fileSchema.parse(parseStrictJson(bytes, { maxBytes: MAX_FILE_BYTES, maxDepth: MAX_DEPTH }))
  } catch (cause) {
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the file of key records is not in its format', { cause })
  }
  const { format: _format, checksum, ...content } = file
  if (checksum !== checksumOf(content))
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the file of key records does not match its checksum')
  const names = new Set(content.encryption.map((record) => `${record.keyId} ${record.version}`))
  const primaries = KEY_CLASSES.map(
    (keyClass) => content.encryption.filter((record) => record.keyClass === keyClass && record.state === 'primary').length,
  )
  // None at all where keys have moved away from.
  const signers = new Set(content.signing.map(({ name }) => name))
  if (
    names.size !== content.encryption.length ||
    signers.size !== content.signing.length ||
    !(primaries.every((number) => number === 1) || primaries.every((number) => number === 0))
  )
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the key records contradict each other')
  return content
}

export function encodeKeyRecords(content: KeyRecordsContent): Uint8Array {
  return new TextEncoder().encode(`${canonicalJson({ format: FORMAT, ...json(content), checksum: checksumOf(content) })}\n`)
}

function checksumOf(content: KeyRecordsContent): string {
  return createHash('sha256')
    .update(canonicalJson({ format: FORMAT, ...json(content) }))
    .digest('hex')
}

/** Plain JSON: readonly arrays are none to the type of JSON values. */
function json({ provider: name, encryption, signing }: KeyRecordsContent) {
  return { provider: name, encryption: encryption.map((record) => ({ ...record })), signing: signing.map((record) => ({ ...record })) }
}
