import { hkdfSync, type KeyObject } from 'node:crypto'

/**
 * SipHash-2-4 (Aumasson & Bernstein 2012) of one 64-bit word: a keyed pseudorandom function, so that stored hashes tell nothing of what was
 * hashed to whoever lacks the key. On 32-bit halves, since this runs for every few letters of every answer.
 */
export class KeyedHash {
  /** The latest result, as unsigned halves. */
  high = 0
  low = 0
  readonly #k0h: number
  readonly #k0l: number
  readonly #k1h: number
  readonly #k1l: number
  readonly #v = new Int32Array(8)

  /** @param key 16 bytes. */
  constructor(key: Uint8Array) {
    const view = new DataView(key.buffer, key.byteOffset, 16)
    this.#k0l = view.getInt32(0, true)
    this.#k0h = view.getInt32(4, true)
    this.#k1l = view.getInt32(8, true)
    this.#k1h = view.getInt32(12, true)
  }

  /** Hashes the eight bytes that the two halves are in little-endian order. */
  digest(high: number, low: number): void {
    const v = this.#v
    v[0] = this.#k0h ^ 0x736f6d65
    v[1] = this.#k0l ^ 0x70736575
    v[2] = this.#k1h ^ 0x646f7261
    v[3] = this.#k1l ^ 0x6e646f6d
    v[4] = this.#k0h ^ 0x6c796765
    v[5] = this.#k0l ^ 0x6e657261
    v[6] = this.#k1h ^ 0x74656462
    v[7] = this.#k1l ^ 0x79746573
    this.#compress(high, low)
    // The last block holds the length alone: eight bytes, in its top byte.
    this.#compress(0x08000000, 0)
    v[5] ^= 0xff
    for (let i = 0; i < 4; i++) round(v)
    this.high = (v[0] ^ v[2] ^ v[4] ^ v[6]) >>> 0
    this.low = (v[1] ^ v[3] ^ v[5] ^ v[7]) >>> 0
  }

  #compress(high: number, low: number): void {
    const v = this.#v
    v[6]! ^= high
    v[7]! ^= low
    round(v)
    round(v)
    v[0]! ^= high
    v[1]! ^= low
  }
}

/** One SipRound on four words of 64 bits, each as its high and its low half. */
function round(v: Int32Array): void {
  let [h0, l0, h1, l1] = [v[0]!, v[1]!, v[2]!, v[3]!]
  let [h2, l2, h3, l3] = [v[4]!, v[5]!, v[6]!, v[7]!]
  let sum = (l0 >>> 0) + (l1 >>> 0)
  h0 = (h0 + h1 + (sum > 0xffff_ffff ? 1 : 0)) | 0
  l0 = sum | 0
  let kept = h1
  h1 = ((h1 << 13) | (l1 >>> 19)) ^ h0
  l1 = ((l1 << 13) | (kept >>> 19)) ^ l0
  kept = h0
  h0 = l0
  l0 = kept
  sum = (l2 >>> 0) + (l3 >>> 0)
  h2 = (h2 + h3 + (sum > 0xffff_ffff ? 1 : 0)) | 0
  l2 = sum | 0
  kept = h3
  h3 = ((h3 << 16) | (l3 >>> 16)) ^ h2
  l3 = ((l3 << 16) | (kept >>> 16)) ^ l2
  sum = (l0 >>> 0) + (l3 >>> 0)
  h0 = (h0 + h3 + (sum > 0xffff_ffff ? 1 : 0)) | 0
  l0 = sum | 0
  kept = h3
  h3 = ((h3 << 21) | (l3 >>> 11)) ^ h0
  l3 = ((l3 << 21) | (kept >>> 11)) ^ l0
  sum = (l2 >>> 0) + (l1 >>> 0)
  h2 = (h2 + h1 + (sum > 0xffff_ffff ? 1 : 0)) | 0
  l2 = sum | 0
  kept = h1
  h1 = ((h1 << 17) | (l1 >>> 15)) ^ h2
  l1 = ((l1 << 17) | (kept >>> 15)) ^ l2
  kept = h2
  h2 = l2
  l2 = kept
  v[0] = h0
  v[1] = l0
  v[2] = h1
  v[3] = l1
  v[4] = h2
  v[5] = l2
  v[6] = h3
  v[7] = l3
}

/** What fingerprints of one house are made with; of no use in another. */
export interface FingerprintKey {
  readonly hash: KeyedHash
  /** Odd multipliers of the two rolling lanes. */
  readonly base1: number
  readonly base2: number
  /** Secrets that every letter is mixed with. */
  readonly salt1: number
  readonly salt2: number
}

/** @param secret 32 bytes or more, kept by the keyring. */
export function fingerprintKey(secret: KeyObject | Uint8Array): FingerprintKey {
  const bytes = new Uint8Array(hkdfSync('sha256', secret, '', 'redoubt confidential fingerprints 1', 32))
  const view = new DataView(bytes.buffer)
  return {
    hash: new KeyedHash(bytes.subarray(0, 16)),
    base1: view.getInt32(16, true) | 1,
    base2: view.getInt32(20, true) | 1,
    salt1: view.getInt32(24, true),
    salt2: view.getInt32(28, true),
  }
}

/** A letter, or a hash, mixed with a secret: the finaliser of MurmurHash3. */
export function mix(value: number, salt: number): number {
  let mixed = value ^ salt
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
