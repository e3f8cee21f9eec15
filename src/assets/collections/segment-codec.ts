import { canonicalJson, parseStrictJson, RedoubtError } from '#foundation/core'
import { openBytes, SEALED_OVERHEAD, sealBytes, sha256, type WrappedKey } from '#foundation/crypto'
import type { KeyObject } from 'node:crypto'
import { z } from 'zod'
import { MAX_BATCH_ROWS } from './row-batch.ts'
import type { BatchReceipt } from './known-batches.ts'

/**
 * A segment of what was collected and is in no version yet, little-endian:
 *
 *     header   "RCL1"  u32 JSON bytes  JSON  zeros  SHA-256 of all before it                 4,096 bytes, durable before the first frame
 *     frame    "RCF1"  u32 kind  u64 frame number  u32 sealed bytes   sealed                 one a group commit
 *     sealed   IV 12   AES-256-GCM ciphertext   tag 16     additional data: collection, segment, kind and number of the frame
 *
 * The JSON names collection, segment and the wrapped data key. Kind 1 holds batches, kind 2 nothing: it says that the segment ends here.
 * In clear there are counts and lengths alone. Frames are numbered through all segments of a collection, so one that is missing shows.
 *
 *     batches  u32 count, then each: u32 JSON bytes  JSON (receipt)  u32 bytes of what was sent  u32 row-group bytes  row group
 */
export const HEADER_BYTES = 4_096
export const FRAME_HEADER_BYTES = 20
const HEADER_MAGIC = 0x314c4352
const FRAME_MAGIC = 0x31464352
const DIGEST_BYTES = 32
const MAX_HEADER_JSON = HEADER_BYTES - DIGEST_BYTES - 8
/** Of one frame, sealed: the batches of one commit. */
export const MAX_FRAME_BYTES = 32 * 2 ** 20
export const KINDS = { batches: 1, end: 2 } as const
export type FrameKind = (typeof KINDS)[keyof typeof KINDS]

const headerSchema = z.strictObject({
  collection: z.string().max(64),
  segment: z.int().min(1),
  key: z.strictObject({
    keyId: z.string().max(256),
    version: z.int().min(0),
    wrapped: z.string().max(1024),
    binding: z.strictObject({ tenant: z.literal('default'), resource: z.string().max(256), purpose: z.string().max(64) }),
  }),
})
export interface SegmentHeader {
  readonly collection: string
  readonly segment: number
  readonly key: WrappedKey
}

const receiptSchema = z.strictObject({
  key: z.string().max(64).nullable(),
  batch: z.string().max(64),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  rows: z.int().min(1).max(MAX_BATCH_ROWS),
  receivedAt: z.int().min(0),
})

/** A batch as it lies in a frame. */
export interface StoredBatch {
  readonly receipt: BatchReceipt
  /** Of what was sent. */
  readonly bytes: number
  /** A row group of the collection's columns, encoded. */
  readonly rows: Uint8Array
}

export function encodeHeader(header: SegmentHeader): Uint8Array {
  const json = Buffer.from(canonicalJson(header), 'utf8')
  if (json.byteLength > MAX_HEADER_JSON) throw new RedoubtError('ERR_INTERNAL', 'the header of a segment is too long')
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.writeUInt32LE(HEADER_MAGIC, 0)
  bytes.writeUInt32LE(json.byteLength, 4)
  bytes.set(json, 8)
  bytes.set(sha256(bytes.subarray(0, HEADER_BYTES - DIGEST_BYTES)), HEADER_BYTES - DIGEST_BYTES)
  return bytes
}

/** By what it begins with. */
export const isSegment = (bytes: Uint8Array): boolean =>
  bytes.byteLength >= 4 && Buffer.from(bytes.buffer, bytes.byteOffset, 4).readUInt32LE() === HEADER_MAGIC

/** @returns null for anything but a whole header. */
export function decodeHeader(bytes: Uint8Array): SegmentHeader | null {
  if (bytes.byteLength < HEADER_BYTES) return null
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, HEADER_BYTES)
  const length = header.readUInt32LE(4)
  const body = header.subarray(0, HEADER_BYTES - DIGEST_BYTES)
  if (header.readUInt32LE(0) !== HEADER_MAGIC || length > MAX_HEADER_JSON) return null
  if (!sha256(body).equals(header.subarray(HEADER_BYTES - DIGEST_BYTES))) return null
  try {
    const parsed = headerSchema.safeParse(parseStrictJson(header.subarray(8, 8 + length), { maxBytes: MAX_HEADER_JSON, maxDepth: 4 }))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}

interface FramePlace {
  readonly collection: string
  readonly segment: number
  readonly kind: FrameKind
  readonly frame: number
}

/** A frame moved to another place does not open there. */
const additionalData = ({ collection, segment, kind, frame }: FramePlace): Uint8Array =>
  Buffer.from(`redoubt/collection/${collection}/${segment}/${kind}/${frame}`, 'utf8')

export function sealFrame(key: KeyObject, place: FramePlace, plaintext: Uint8Array): Uint8Array {
  const header = Buffer.alloc(FRAME_HEADER_BYTES)
  header.writeUInt32LE(FRAME_MAGIC, 0)
  header.writeUInt32LE(place.kind, 4)
  header.writeBigUInt64LE(BigInt(place.frame), 8)
  header.writeUInt32LE(plaintext.byteLength + SEALED_OVERHEAD, 16)
  return sealBytes(key, additionalData(place), plaintext, header)
}

export interface OpenedFrame {
  readonly kind: FrameKind
  readonly frame: number
  readonly plaintext: Uint8Array
  /** Where the next one begins. */
  readonly end: number
}

/** @returns null for anything but a whole, authentic frame. */
export function openFrame(key: KeyObject, place: Omit<FramePlace, 'kind' | 'frame'>, bytes: Uint8Array, at: number): OpenedFrame | null {
  if (at + FRAME_HEADER_BYTES > bytes.byteLength) return null
  const view = Buffer.from(bytes.buffer, bytes.byteOffset + at, bytes.byteLength - at)
  const kind = view.readUInt32LE(4)
  const length = view.readUInt32LE(16)
  const frame = Number(view.readBigUInt64LE(8))
  if (view.readUInt32LE(0) !== FRAME_MAGIC || (kind !== KINDS.batches && kind !== KINDS.end)) return null
  if (!Number.isSafeInteger(frame) || length > MAX_FRAME_BYTES || FRAME_HEADER_BYTES + length > view.byteLength) return null
  try {
    const sealed = view.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + length)
    const plaintext = openBytes(key, additionalData({ ...place, kind, frame }), sealed)
    return { kind, frame, plaintext, end: at + FRAME_HEADER_BYTES + length }
  } catch {
    return null
  }
}

/** Where a frame may begin behind `from`, or -1. */
export function nextFrameAt(bytes: Uint8Array, from: number): number {
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(FRAME_MAGIC)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(magic, from)
}

export function encodeBatches(batches: readonly StoredBatch[]): Uint8Array {
  const parts: Uint8Array[] = [u32(batches.length)]
  for (const { receipt, bytes, rows } of batches) {
    const json = Buffer.from(canonicalJson(receipt), 'utf8')
    parts.push(u32(json.byteLength), json, u32(bytes), u32(rows.byteLength), rows)
  }
  return Buffer.concat(parts)
}

const u32 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** @throws {RedoubtError} `ERR_STORAGE_CORRUPT` for anything but the exact encoding of batches. */
export function decodeBatches(plaintext: Uint8Array): readonly StoredBatch[] {
  const all = Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength)
  let at = 0
  const take = (length: number): Buffer => {
    if (at + length > all.byteLength) throw corrupt('ends too early')
    at += length
    return all.subarray(at - length, at)
  }
  const number = (): number => take(4).readUInt32LE()
  const count = number()
  const batches: StoredBatch[] = []
  while (batches.length < count) {
    const json = take(number())
    const bytes = number()
    batches.push({ receipt: receiptOf(json), bytes, rows: take(number()) })
  }
  if (at !== all.byteLength) throw corrupt('is longer than its batches')
  return batches
}

function receiptOf(json: Uint8Array): BatchReceipt {
  try {
    return receiptSchema.parse(parseStrictJson(json, { maxBytes: 4_096, maxDepth: 1 }))
  } catch {
    throw corrupt('has a batch without a receipt')
  }
}

const corrupt = (what: string): RedoubtError => new RedoubtError('ERR_STORAGE_CORRUPT', `a frame of a collection ${what}`)
