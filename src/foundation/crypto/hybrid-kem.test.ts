import { createHash, createPublicKey, decapsulate, diffieHellman, hkdfSync, randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import {
  HYBRID_CIPHERTEXT_BYTES,
  HYBRID_PUBLIC_BYTES,
  HYBRID_SEED_BYTES,
  hybridDecapsulate,
  hybridEncapsulate,
  hybridPrivateKey,
} from './hybrid-kem.ts'

const LATTICE = 1_088
const key = hybridPrivateKey(randomBytes(HYBRID_SEED_BYTES))
const codeOf = (call: () => unknown): string => {
  try {
    call()
    return 'done'
  } catch (error) {
    return error instanceof RedoubtError ? error.code : String(error)
  }
}
const flipped = (bytes: Uint8Array, bit: number): Uint8Array => {
  const changed = Uint8Array.from(bytes)
  changed[bit >> 3]! ^= 1 << (bit & 7)
  return changed
}
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b)

describe('X25519 with ML-KEM-768', () => {
  it('gives both sides the same 32 bytes, new ones each time (A1)', () => {
    const seen = new Set<string>()
    for (let round = 0; round < 20; round++) {
      const { secret, ciphertext } = hybridEncapsulate(key.publicKey)
      expect([secret.byteLength, ciphertext.byteLength, key.publicKey.byteLength]).toEqual([
        32,
        HYBRID_CIPHERTEXT_BYTES,
        HYBRID_PUBLIC_BYTES,
      ])
      expect(same(hybridDecapsulate(key, ciphertext), secret)).toBe(true)
      seen.add(Buffer.from(secret).toString('hex'))
    }
    expect(seen.size).toBe(20)
  })

  it('is HKDF-SHA-256 over both shared secrets, bound to label, both public keys and both ciphertexts', () => {
    const { secret, ciphertext } = hybridEncapsulate(key.publicKey)
    const once = createPublicKey({
      key: Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), ciphertext.subarray(LATTICE)]),
      format: 'der',
      type: 'spki',
    })
    const lattice = decapsulate(key.mlkem, ciphertext.subarray(0, LATTICE))
    const curve = diffieHellman({ privateKey: key.x25519, publicKey: once })
    const transcript = createHash('sha256').update(key.publicKey).update(ciphertext).digest()
    const info = Buffer.concat([Buffer.from('redoubt X25519 ML-KEM-768 v1'), transcript])
    const expected = hkdfSync('sha256', Buffer.concat([lattice, curve]), '', info, 32)
    expect(same(secret, new Uint8Array(expected))).toBe(true)
  })

  it('gives another secret, or none, for every changed bit of the ciphertext', () => {
    const { secret, ciphertext } = hybridEncapsulate(key.publicKey)
    const bits = [...Array(HYBRID_CIPHERTEXT_BYTES * 8).keys()].filter((bit) => bit % 37 === 0 || bit >= LATTICE * 8)
    for (const bit of bits) {
      const found = (() => {
        try {
          return same(hybridDecapsulate(key, flipped(ciphertext, bit)), secret)
        } catch (error) {
          return (error as RedoubtError).code !== 'ERR_CRYPTO_AUTHENTICATION'
        }
      })()
      expect([bit, found]).toEqual([bit, false])
    }
  })

  it('does not open one half taken from another ciphertext or key: both are needed', () => {
    const [a, b] = [hybridEncapsulate(key.publicKey), hybridEncapsulate(key.publicKey)]
    const mixed = Buffer.concat([a.ciphertext.subarray(0, LATTICE), b.ciphertext.subarray(LATTICE)])
    const found = hybridDecapsulate(key, mixed)
    expect(same(found, a.secret) || same(found, b.secret)).toBe(false)
    // Who holds only one of the two private keys computes another secret.
    const other = hybridPrivateKey(randomBytes(HYBRID_SEED_BYTES))
    expect(same(hybridDecapsulate({ ...key, x25519: other.x25519 }, a.ciphertext), a.secret)).toBe(false)
    expect(same(hybridDecapsulate({ ...key, mlkem: other.mlkem }, a.ciphertext), a.secret)).toBe(false)
  })

  it('refuses curve points of small order, lattice keys out of range and every other length (RFC 7748 §6.1, FIPS 203 §7.2)', () => {
    const smallOrder = ['00'.repeat(32), `01${'00'.repeat(31)}`, 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800']
    for (const point of smallOrder) {
      const publicKey = Buffer.concat([key.publicKey.subarray(0, -32), Buffer.from(point, 'hex')])
      expect([point, codeOf(() => hybridEncapsulate(publicKey))]).toEqual([point, 'ERR_CRYPTO_RECIPIENT'])
      const ciphertext = Buffer.concat([randomBytes(LATTICE), Buffer.from(point, 'hex')])
      expect([point, codeOf(() => hybridDecapsulate(key, ciphertext))]).toEqual([point, 'ERR_CRYPTO_AUTHENTICATION'])
    }
    const beyond = Buffer.concat([Buffer.alloc(1_152, 0xff), key.publicKey.subarray(1_152)])
    expect(codeOf(() => hybridEncapsulate(beyond))).toBe('ERR_CRYPTO_RECIPIENT')
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_300 }), (bytes) => {
        if (bytes.byteLength !== HYBRID_PUBLIC_BYTES) expect(codeOf(() => hybridEncapsulate(bytes))).toBe('ERR_CRYPTO_RECIPIENT')
        if (bytes.byteLength !== HYBRID_CIPHERTEXT_BYTES)
          expect(codeOf(() => hybridDecapsulate(key, bytes))).toBe('ERR_CRYPTO_AUTHENTICATION')
        if (bytes.byteLength !== HYBRID_SEED_BYTES) expect(codeOf(() => hybridPrivateKey(bytes))).toBe('ERR_CRYPTO_PARAMETER')
      }),
      { numRuns: 200 },
    )
  })
})
