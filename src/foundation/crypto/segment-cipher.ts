import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, randomBytes, type KeyObject } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import { KEY_BYTES, NONCE_PREFIX_BYTES, SALT_BYTES, STREAM_HEADER_BYTES, TAG_BYTES } from './segment-layout.ts'

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
/**
 * OpenSSL is handed at most this much at once: larger outputs miss the cache. Half a page over whole pages: Node copies an output once, to memory
 * right behind it, and where both begin at nearly the same place of a page, the processor takes twice as long for all of it.
 */
export const PIECE_BYTES = 129_024
/** Freed memory up to this much is kept by the allocator, see `keepFreedMemory`. */
const KEPT_BYTES = 1_048_576
const AUTHENTIC = { authTagLength: TAG_BYTES } as const

/**
 * The segments of one stream, after the stream key was derived.
 * Segment nonce: prefix (7) ‖ number, u32 big-endian ‖ 1 on the last segment, else 0; the GCM additional data is empty, for
 * the caller's enters the key.
 * @see Tink, "AES-GCM-HKDF Streaming AEAD"
 */
export interface SegmentCipher {
  /** The 40 bytes before the first segment. */
  readonly header: Uint8Array
  /** Gives the ciphertext piece by piece, so that each is consumed while it is in the cache, then the tag. */
  sealSegment(index: number, last: boolean, plaintext: readonly Uint8Array[]): Generator<Uint8Array>
  /**
   * @param ciphertext the segment without its tag; a part may be overwritten when the next is asked for.
   * @returns the plaintext, only after the tag was verified.
   * @throws {RedoubtError} `ERR_CRYPTO_AUTHENTICATION`.
   */
  openSegment(index: number, last: boolean, ciphertext: Iterable<Uint8Array>, tag: Uint8Array): Uint8Array[]
}

/** @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` unless `key` is a secret of 256 bits. */
export function newSegmentCipher(key: KeyObject, aad: Uint8Array): SegmentCipher {
  const random = randomBytes(SALT_BYTES + NONCE_PREFIX_BYTES)
  const header = new Uint8Array(STREAM_HEADER_BYTES)
  header[0] = STREAM_HEADER_BYTES
  header.set(random, 1)
  return segmentCipher(key, aad, header)
}

/**
 * @param header the 40 bytes found before the first segment; not trusted.
 * @throws {RedoubtError} `ERR_CRYPTO_AUTHENTICATION` for a header of another length, `ERR_CRYPTO_PARAMETER` for an unfit key.
 */
export function segmentCipher(key: KeyObject, aad: Uint8Array, header: Uint8Array): SegmentCipher {
  requireAesKey(key)
  keepFreedMemory()
  if (header.byteLength !== STREAM_HEADER_BYTES || header[0] !== STREAM_HEADER_BYTES)
    throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the ciphertext has no stream header')
  const salt = header.subarray(1, 1 + SALT_BYTES)
  const derived = new Uint8Array(hkdfSync('sha256', key, salt, aad, KEY_BYTES))
  const streamKey = createSecretKey(derived)
  derived.fill(0)
  const nonce = new Uint8Array(NONCE_BYTES)
  nonce.set(header.subarray(1 + SALT_BYTES))
  const view = new DataView(nonce.buffer)
  const nonceOf = (index: number, last: boolean): Uint8Array => {
    view.setUint32(NONCE_PREFIX_BYTES, index)
    nonce[NONCE_BYTES - 1] = last ? 1 : 0
    return nonce
  }
  return {
    header,
    *sealSegment(index, last, plaintext) {
      const cipher = createCipheriv(CIPHER, streamKey, nonceOf(index, last), AUTHENTIC)
      for (const part of plaintext) for (const piece of pieces(part)) yield cipher.update(piece)
      cipher.final()
      yield cipher.getAuthTag()
    },
    openSegment(index, last, ciphertext, tag) {
      const decipher = createDecipheriv(CIPHER, streamKey, nonceOf(index, last), AUTHENTIC)
      const plaintext: Uint8Array[] = []
      for (const part of ciphertext) for (const piece of pieces(part)) plaintext.push(decipher.update(piece))
      decipher.setAuthTag(tag)
      try {
        decipher.final()
      } catch {
        throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'a segment is not authentic', { evidence: { segment: index } })
      }
      return plaintext
    },
  }
}

export function requireAesKey(key: KeyObject): void {
  if (key.type !== 'secret' || key.symmetricKeySize !== KEY_BYTES)
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the key is not a secret of 256 bits')
}

function* pieces(part: Uint8Array): Generator<Uint8Array> {
  if (part.byteLength <= PIECE_BYTES) yield part
  else for (let at = 0; at < part.byteLength; at += PIECE_BYTES) yield part.subarray(at, at + PIECE_BYTES)
}

let keepsFreedMemory = false

/**
 * glibc gives memory back to the system at each free of more than 128 KiB, and gets it again, page by page, for the next piece, which can cost more than
 * the encryption. When something larger was freed once, it keeps up to twice as much. Nothing is written to these bytes.
 * @see mallopt(3), M_MMAP_THRESHOLD, "dynamic mmap threshold"
 */
function keepFreedMemory(): void {
  if (keepsFreedMemory) return
  keepsFreedMemory = true
  new ArrayBuffer(KEPT_BYTES).transfer(0)
}

/**
 * Gives the memory of a piece that nobody needs any more back at once, not at some garbage collection: the next piece then
 * comes from memory that is still in the cache, which makes the cipher three times as fast. The piece is empty afterwards.
 */
export function release(piece: Uint8Array): void {
  const { buffer } = piece
  if (buffer instanceof ArrayBuffer && buffer.byteLength === piece.byteLength) buffer.transfer(0)
}
