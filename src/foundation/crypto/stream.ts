import type { KeyObject } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import { type ByteSource, type Cut, cutSegments } from './cut-segments.ts'
import { newSegmentCipher, segmentCipher, type SegmentCipher } from './segment-cipher.ts'
import { segmentCapacity, type SegmentSize, STREAM_HEADER_BYTES } from './segment-layout.ts'

const MAX_INDEX = 2 ** 32 - 2

/**
 * Encrypts a stream as Tink's AES256-GCM-HKDF streaming AEAD, in memory bounded by one segment.
 * @param key AES-256; the stream's own key is derived from it, so one key may serve any number of streams.
 * @param aad bound to the stream; `openStream` needs the same.
 * @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` for an unfit key or more than 2^32 − 1 segments.
 * @see Tink, "AES-GCM-HKDF Streaming AEAD"; the 64 KiB size is ours
 */
export async function* sealStream(
  key: KeyObject,
  aad: Uint8Array,
  source: ByteSource,
  segmentSize: SegmentSize,
): AsyncGenerator<Uint8Array> {
  const cipher = newSegmentCipher(key, aad)
  yield cipher.header
  for await (const cut of cutSegments(source, (index) => segmentCapacity(index, segmentSize))) {
    requireIndex(cut)
    const out: Uint8Array[] = []
    cipher.sealSegment(cut.index, cut.last, cut.parts, (piece) => out.push(piece))
    yield* out
  }
}

/**
 * Decrypts what `sealStream` or Tink wrote. No byte of a segment is given out before its tag was verified; that the stream
 * is whole is known only when the generator ends without an error, so a caller MUST NOT act on a part as if it were all.
 * @throws {RedoubtError} `ERR_CRYPTO_AUTHENTICATION` on any change, cut, reordering, extension or another key or `aad`.
 */
export async function* openStream(
  key: KeyObject,
  aad: Uint8Array,
  source: ByteSource,
  segmentSize: SegmentSize,
): AsyncGenerator<Uint8Array> {
  let cipher: SegmentCipher | null = null
  // The first cut is the header, the next ones are segments.
  const size = (index: number): number =>
    index === 0 ? STREAM_HEADER_BYTES : index === 1 ? segmentSize - STREAM_HEADER_BYTES : segmentSize
  for await (const cut of cutSegments(source, size)) {
    requireIndex(cut)
    if (cipher === null) {
      cipher = segmentCipher(key, aad, Buffer.concat(cut.parts))
      if (cut.last) throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the stream ends after its header')
    } else {
      yield* cipher.openSegment(cut.index - 1, cut.last, cut.parts)
    }
  }
}

function requireIndex(cut: Cut): void {
  if (cut.index > MAX_INDEX) throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the stream has too many segments')
}
