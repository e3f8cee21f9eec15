import { createHash, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson, parseStrictJson, RedoubtError } from '#foundation/core'
import { constantTimeEqual } from './constant-time.ts'
import { hkdf } from './hkdf.ts'
import { SEGMENT_1_MIB, SEGMENT_64_KIB } from './segment-layout.ts'
import type { WrappedKey } from './wrapped-key.ts'

export const OBJECT_FORMAT = 'RDBT1'
export const OBJECT_SUITE = 'AES256-GCM-HKDF-SHA256'
export const SLOT_BYTES = 4096
/** Two slots; the body starts here. */
export const HEADERS_BYTES = 2 * SLOT_BYTES
/** Of a file for people: eight recipients of 1.7 KB each do not fit into 4 KiB. */
export const WIDE_SLOT_BYTES = 16_384
export type SlotBytes = typeof SLOT_BYTES | typeof WIDE_SLOT_BYTES

/** `RDBT1`, line feed, end of file, NUL: a text-mode transfer or a `cat` shows at once. A wide slot ends in 1 in place of NUL. */
const MAGIC = Uint8Array.of(0x52, 0x44, 0x42, 0x54, 0x31, 0x0a, 0x1a, 0x00)
const WIDE_MAGIC = Uint8Array.of(0x52, 0x44, 0x42, 0x54, 0x31, 0x0a, 0x1a, 0x01)
const magicOf = (slotBytes: SlotBytes): Uint8Array => (slotBytes === SLOT_BYTES ? MAGIC : WIDE_MAGIC)
const SEQUENCE_AT = 8
const LENGTH_AT = 16
const CHECKSUM_AT = 20
const HEADER_AT = 52
const maxHeaderBytes = (slotBytes: SlotBytes): number => slotBytes - HEADER_AT
/** The header is an object that holds arrays of objects that hold objects. */
const MAX_HEADER_DEPTH = 4
export const MAX_KEYS = 8
/** A recipient's is the longest: 1,180 bytes in base64url. */
const MAX_WRAPPED = 1_600
const COMMITMENT_BYTES = 32
const COMMITMENT_INFO = new TextEncoder().encode('redoubt RDBT1 key commitment')

const base64url = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .regex(/^[A-Za-z0-9_-]+$/)
const hexDigest = z.string().regex(/^[0-9a-f]{64}$/)

export const keyBindingSchema = z
  .object({ tenant: z.literal('default'), resource: z.string().min(1).max(512), purpose: z.string().min(1).max(128) })
  .strict()
  .readonly()

export const wrappedKeySchema = z
  .object({
    keyId: z.string().min(1).max(128),
    version: z.number().int().min(1).max(0x7fff_ffff),
    wrapped: base64url(MAX_WRAPPED),
    binding: keyBindingSchema,
  })
  .strict()
  .readonly()

const headerSchema = z
  .object({
    format: z.literal(OBJECT_FORMAT),
    suite: z.literal(OBJECT_SUITE),
    segmentSize: z.literal([SEGMENT_64_KIB, SEGMENT_1_MIB]),
    binding: keyBindingSchema,
    aadDigest: hexDigest,
    plaintextDigest: hexDigest.optional(),
    commitment: base64url(43),
    keys: z.array(wrappedKeySchema).min(1).max(MAX_KEYS).readonly(),
  })
  .strict()
  .readonly()

/** Only `keys` may change in the life of an object; all else enters the key commitment. */
export type ObjectHeader = z.infer<typeof headerSchema>
type SealedFacts = Omit<ObjectHeader, 'keys' | 'commitment'>

export interface HeaderSlot {
  readonly slot: 0 | 1
  readonly sequence: number
  readonly header: ObjectHeader
}

/**
 * The stream's additional data: what the body is and belongs to, as canonical JSON.
 * So a body under another header, or a header under another body, does not open.
 */
export function streamAad(facts: Pick<ObjectHeader, 'segmentSize' | 'binding'>): Uint8Array {
  const { segmentSize, binding } = facts
  return new TextEncoder().encode(canonicalJson({ binding, format: OBJECT_FORMAT, segmentSize, suite: OBJECT_SUITE }))
}

/** SHA-256 of `streamAad`, hex. */
export function aadDigest(facts: Pick<ObjectHeader, 'segmentSize' | 'binding'>): string {
  return createHash('sha256').update(streamAad(facts)).digest('hex')
}

/**
 * HKDF-SHA-256(data key, salt = SHA-256 of the canonical header without keys and commitment): GCM commits to no key, this does,
 * and no one without the key can change the facts beside it.
 */
export function commitmentOf(key: KeyObject, header: SealedFacts): string {
  const { format, suite, segmentSize, binding, plaintextDigest } = header
  const facts = canonicalJson({ format, suite, segmentSize, binding, plaintextDigest, aadDigest: header.aadDigest })
  const salt = createHash('sha256').update(facts).digest()
  return Buffer.from(hkdf('sha256', key, salt, COMMITMENT_INFO, COMMITMENT_BYTES)).toString('base64url')
}

/** @throws {RedoubtError} `ERR_CRYPTO_AUTHENTICATION` when `key` is not the one the header was made with, or the header was changed. */
export function requireCommitment(key: KeyObject, header: ObjectHeader): void {
  if (!constantTimeEqual(Buffer.from(commitmentOf(key, header)), Buffer.from(header.commitment)) || aadDigest(header) !== header.aadDigest)
    throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the key does not belong to this header')
}

/** @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` for a header that is not valid or does not fit its slot. */
export function encodeSlot(header: ObjectHeader, sequence: number, slotBytes: SlotBytes = SLOT_BYTES): Uint8Array {
  const checked = headerSchema.safeParse(header)
  if (!checked.success || !Number.isSafeInteger(sequence) || sequence < 1)
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the object header is not valid')
  const json = new TextEncoder().encode(canonicalJson(checked.data))
  if (json.byteLength > maxHeaderBytes(slotBytes)) throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the object header does not fit its slot')
  const slot = new Uint8Array(slotBytes)
  const view = new DataView(slot.buffer)
  slot.set(magicOf(slotBytes))
  view.setBigUint64(SEQUENCE_AT, BigInt(sequence))
  view.setUint32(LENGTH_AT, json.byteLength)
  slot.set(json, HEADER_AT)
  slot.set(checksumOf(slot), CHECKSUM_AT)
  return slot
}

/** @returns null for a slot that is empty, torn or not canonical; never throws for any bytes. */
export function decodeSlot(bytes: Uint8Array, slot: 0 | 1, slotBytes: SlotBytes = SLOT_BYTES): HeaderSlot | null {
  if (bytes.byteLength !== slotBytes || !constantTimeEqual(bytes.subarray(0, MAGIC.byteLength), magicOf(slotBytes))) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const sequence = view.getBigUint64(SEQUENCE_AT)
  const length = view.getUint32(LENGTH_AT)
  if (sequence < 1n || sequence > BigInt(Number.MAX_SAFE_INTEGER) || length < 2 || length > maxHeaderBytes(slotBytes)) return null
  if (!constantTimeEqual(checksumOf(bytes), bytes.subarray(CHECKSUM_AT, HEADER_AT))) return null
  const json = bytes.subarray(HEADER_AT, HEADER_AT + length)
  try {
    const parsed = headerSchema.safeParse(parseStrictJson(json, { maxBytes: maxHeaderBytes(slotBytes), maxDepth: MAX_HEADER_DEPTH }))
    // One header has one form on disk: what is not canonical was not written by this format.
    if (!parsed.success || canonicalJson(parsed.data) !== new TextDecoder().decode(json)) return null
    return { slot, sequence: Number(sequence), header: parsed.data }
  } catch {
    return null
  }
}

/**
 * @param bytes the first two slots of a file: 8 KiB, or 32 KiB of wide ones.
 * @returns the valid slot with the higher sequence.
 * @throws {RedoubtError} `ERR_CRYPTO_FORMAT` when neither slot is whole.
 */
export function decodeHeaders(bytes: Uint8Array, slotBytes: SlotBytes = SLOT_BYTES): HeaderSlot {
  const a = decodeSlot(bytes.subarray(0, slotBytes), 0, slotBytes)
  const b = decodeSlot(bytes.subarray(slotBytes, 2 * slotBytes), 1, slotBytes)
  const best = a !== null && (b === null || a.sequence >= b.sequence) ? a : b
  if (best === null) throw new RedoubtError('ERR_CRYPTO_FORMAT', 'the file has no whole RDBT1 header')
  return best
}

/** Whether two headers differ in their keys alone. */
export function sameObject(a: ObjectHeader, b: ObjectHeader): boolean {
  return canonicalJson({ ...a, keys: [] }) === canonicalJson({ ...b, keys: [] })
}

/** Whether two headers name the same wrapped keys, in order. */
export function sameKeys(a: ObjectHeader, b: ObjectHeader): boolean {
  return canonicalJson({ keys: a.keys }) === canonicalJson({ keys: b.keys })
}

/** The wrapped key is bound to the object's own binding. */
export function bindingOf(key: WrappedKey): ObjectHeader['binding'] {
  const { tenant, resource, purpose } = key.binding
  return { tenant, resource, purpose }
}

/** Covers the whole slot but the checksum's own place, padding included. */
function checksumOf(slot: Uint8Array): Uint8Array {
  return createHash('sha256').update(slot.subarray(0, CHECKSUM_AT)).update(slot.subarray(HEADER_AT)).digest()
}
