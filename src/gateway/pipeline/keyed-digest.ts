import { hash } from 'node:crypto'
import { sha256Into } from '#foundation/crypto'

const BLOCK_BYTES = 64
const DIGEST_BYTES = 32
/** Longer messages are digested through a buffer of their own. */
const SCRATCH_BYTES = 65_536

interface Padded {
  /** The padded key, and room for a message. */
  readonly inner: Buffer
  /** The padded key, and room for the inner digest. */
  readonly outer: Buffer
}
const keys = new WeakMap<Uint8Array, Padded>()

/**
 * HMAC-SHA-256 (RFC 2104) in hex, by two one-shot hashes: a third of the cost of `createHmac` for short messages.
 * @param key 64 bytes at most; its padded forms are kept as long as the key object lives.
 */
export function keyedDigest(key: Uint8Array, message: Uint8Array | string): string {
  const { inner, outer } = paddedKey(key)
  const padded = withMessage(inner, message)
  sha256Into(outer, BLOCK_BYTES, padded)
  // Prompts do not linger here.
  padded.fill(0, BLOCK_BYTES)
  return hash('sha256', outer, 'hex')
}

function withMessage(inner: Buffer, message: Uint8Array | string): Uint8Array {
  const most = typeof message === 'string' ? message.length * 3 : message.byteLength
  if (BLOCK_BYTES + most > SCRATCH_BYTES) {
    const bytes = typeof message === 'string' ? Buffer.from(message) : message
    return Buffer.concat([inner.subarray(0, BLOCK_BYTES), bytes])
  }
  if (typeof message === 'string') return inner.subarray(0, BLOCK_BYTES + inner.write(message, BLOCK_BYTES))
  inner.set(message, BLOCK_BYTES)
  return inner.subarray(0, BLOCK_BYTES + message.byteLength)
}

function paddedKey(key: Uint8Array): Padded {
  let pads = keys.get(key)
  if (!pads) {
    const block = Buffer.alloc(BLOCK_BYTES)
    block.set(key)
    pads = { inner: Buffer.alloc(SCRATCH_BYTES), outer: Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES) }
    for (let i = 0; i < BLOCK_BYTES; i++) {
      pads.inner[i] = block[i]! ^ 0x36
      pads.outer[i] = block[i]! ^ 0x5c
    }
    keys.set(key, pads)
  }
  return pads
}
