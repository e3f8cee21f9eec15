import type { KeyObject } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import { type ByteSource, type Cut, cutSegments } from './cut-segments.ts'
import { newSegmentCipher, release, segmentCipher, type SegmentCipher } from './segment-cipher.ts'
import { segmentCapacity, type SegmentSize, STREAM_HEADER_BYTES, TAG_BYTES } from './segment-layout.ts'

const MAX_INDEX = 2 ** 32 - 2

export interface StreamOptions {
  /**
   * The consumer is done with a piece when it asks for the next one, as when it writes each to a file: the piece is emptied
   * then and its memory used again, at three times the speed. Default false: pieces are the consumer's to keep.
   */
  readonly transient?: boolean
}

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
  { transient = false }: StreamOptions = {},
): AsyncGenerator<Uint8Array> {
  const cipher = newSegmentCipher(key, aad)
  yield cipher.header
  for await (const cut of cutSegments(source, (index) => segmentCapacity(index, segmentSize))) {
    requireIndex(cut)
    for (const piece of cipher.sealSegment(cut.index, cut.last, cut.parts)) {
      yield piece
      if (transient) release(piece)
    }
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
  { transient = false }: StreamOptions = {},
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
      const { body, tag } = splitTag(cut.parts)
      for (const piece of cipher.openSegment(cut.index - 1, cut.last, body, tag)) {
        yield piece
        if (transient) release(piece)
      }
    }
  }
}

function requireIndex(cut: Cut): void {
  if (cut.index > MAX_INDEX) throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the stream has too many segments')
}

/** The tag may lie across the last parts. */
function splitTag(parts: readonly Uint8Array[]): { readonly body: readonly Uint8Array[]; readonly tag: Uint8Array } {
  const tag = new Uint8Array(TAG_BYTES)
  const body = [...parts]
  let missing = TAG_BYTES
  while (missing > 0) {
    const part = body.pop()
    if (part === undefined) throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'a segment is shorter than its tag')
    const take = Math.min(missing, part.byteLength)
    tag.set(part.subarray(part.byteLength - take), missing - take)
    missing -= take
    if (take < part.byteLength) body.push(part.subarray(0, part.byteLength - take))
  }
  return { body, tag }
}
