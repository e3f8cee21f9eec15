import { RedoubtError } from '#foundation/core'

/** Ciphertext bytes of one segment, tag included: 64 KiB (ours) or 1 MiB (Tink's AES256_GCM_HKDF_1MB). */
export type SegmentSize = 65_536 | 1_048_576
export const SEGMENT_64_KIB: SegmentSize = 65_536
export const SEGMENT_1_MIB: SegmentSize = 1_048_576

export const KEY_BYTES = 32
export const SALT_BYTES = 32
export const NONCE_PREFIX_BYTES = 7
export const TAG_BYTES = 16
/** Length byte, salt, nonce prefix; the first segment is shorter by this much. */
export const STREAM_HEADER_BYTES = 1 + SALT_BYTES + NONCE_PREFIX_BYTES
/** The segment number is a u32 and the format reserves the last value. */
const MAX_SEGMENTS = 2 ** 32 - 1

export interface StreamLayout {
  readonly segments: number
  readonly plaintextBytes: number
  readonly ciphertextBytes: number
}

/** Layout of a stream of `plaintextBytes`. An empty one is a single segment of a tag alone; a full last segment has no empty one after it. */
export function layoutOfPlaintext(plaintextBytes: number, segmentSize: SegmentSize): StreamLayout {
  const segments = Math.max(1, Math.ceil((plaintextBytes + STREAM_HEADER_BYTES) / (segmentSize - TAG_BYTES)))
  if (!Number.isSafeInteger(plaintextBytes) || plaintextBytes < 0 || segments > MAX_SEGMENTS)
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the plaintext is too long for one stream')
  return { segments, plaintextBytes, ciphertextBytes: plaintextBytes + STREAM_HEADER_BYTES + TAG_BYTES * segments }
}

/** @throws {RedoubtError} `ERR_CRYPTO_AUTHENTICATION` for a length that no plaintext leads to. */
export function layoutOfCiphertext(ciphertextBytes: number, segmentSize: SegmentSize): StreamLayout {
  const segments = Math.max(1, Math.ceil(ciphertextBytes / segmentSize))
  const plaintextBytes = ciphertextBytes - STREAM_HEADER_BYTES - TAG_BYTES * segments
  if (
    !Number.isSafeInteger(ciphertextBytes) ||
    plaintextBytes < 0 ||
    segments > MAX_SEGMENTS ||
    layoutOfPlaintext(plaintextBytes, segmentSize).segments !== segments
  )
    throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the length of the ciphertext is impossible')
  return { segments, plaintextBytes, ciphertextBytes }
}

/** Plaintext bytes that segment `index` carries when it is full. */
export function segmentCapacity(index: number, segmentSize: SegmentSize): number {
  return segmentSize - TAG_BYTES - (index === 0 ? STREAM_HEADER_BYTES : 0)
}

/** Where the plaintext of segment `index` starts in the plaintext. */
export function plaintextStart(index: number, segmentSize: SegmentSize): number {
  return index === 0 ? 0 : index * (segmentSize - TAG_BYTES) - STREAM_HEADER_BYTES
}

/** The segment that holds the plaintext byte at `offset`. */
export function segmentOf(offset: number, segmentSize: SegmentSize): number {
  return Math.floor((offset + STREAM_HEADER_BYTES) / (segmentSize - TAG_BYTES))
}
