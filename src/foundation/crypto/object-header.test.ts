import { createHash, createSecretKey, randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson, RedoubtError } from '#foundation/core'
import {
  aadDigest,
  commitmentOf,
  decodeHeaders,
  decodeSlot,
  encodeSlot,
  HEADERS_BYTES,
  type ObjectHeader,
  requireCommitment,
  SLOT_BYTES,
} from './object-header.ts'
import { SEGMENT_1_MIB, SEGMENT_64_KIB } from './segment-layout.ts'

const key = createSecretKey(randomBytes(32))
const binding = { tenant: 'default', resource: 'model/credit/1', purpose: 'model' } as const
const facts = { format: 'RDBT1', suite: 'AES256-GCM-HKDF-SHA256', segmentSize: SEGMENT_1_MIB, binding } as const
const sealedFacts = { ...facts, aadDigest: aadDigest(facts) }
const header: ObjectHeader = {
  ...sealedFacts,
  commitment: commitmentOf(key, sealedFacts),
  keys: [{ keyId: 'kek_1', version: 1, wrapped: 'AAAA', binding }],
}
const codeOf = (call: () => unknown): string => {
  try {
    call()
    return 'done'
  } catch (error) {
    return error instanceof RedoubtError ? error.code : String(error)
  }
}
const both = (a: Uint8Array, b: Uint8Array): Uint8Array => Buffer.concat([a, b], HEADERS_BYTES)
/** A slot whose checksum is right for any JSON text, as an attacker would make it. */
function forged(json: string): Uint8Array {
  const slot = encodeSlot(header, 7)
  const text = Buffer.from(json)
  const bytes = new Uint8Array(SLOT_BYTES)
  bytes.set(slot.subarray(0, 16))
  new DataView(bytes.buffer).setUint32(16, text.byteLength)
  bytes.set(text.subarray(0, SLOT_BYTES - 52), 52)
  bytes.set(createHash('sha256').update(bytes.subarray(0, 20)).update(bytes.subarray(52)).digest(), 20)
  return bytes
}

describe('RDBT1 header slots', () => {
  it('decode what was encoded, as canonical JSON in 4 KiB', () => {
    const slot = encodeSlot(header, 3)
    expect(slot.byteLength).toBe(SLOT_BYTES)
    expect(decodeSlot(slot, 1)).toEqual({ slot: 1, sequence: 3, header })
    expect(Buffer.from(slot).includes(canonicalJson(header))).toBe(true)
    expect(decodeSlot(forged(canonicalJson(header)), 0)?.sequence).toBe(7)
  })

  it('are both read, and the valid one with the higher sequence wins', () => {
    const [old, young] = [encodeSlot(header, 4), encodeSlot(header, 5)]
    expect(decodeHeaders(both(old, young))).toMatchObject({ slot: 1, sequence: 5 })
    expect(decodeHeaders(both(young, old))).toMatchObject({ slot: 0, sequence: 5 })
    young[2000]! ^= 1
    expect(decodeHeaders(both(old, young))).toMatchObject({ slot: 0, sequence: 4 })
    old[2000]! ^= 1
    expect(codeOf(() => decodeHeaders(both(old, young)))).toBe('ERR_CRYPTO_FORMAT')
    expect(codeOf(() => decodeHeaders(new Uint8Array(HEADERS_BYTES)))).toBe('ERR_CRYPTO_FORMAT')
    expect(codeOf(() => decodeHeaders(new Uint8Array(0)))).toBe('ERR_CRYPTO_FORMAT')
  })

  it('survive a tear at every length: the slot torn is not whole, the other one is', () => {
    const [old, young] = [encodeSlot(header, 4), encodeSlot({ ...header, keys: [{ ...header.keys[0]!, version: 2 }] }, 6)]
    const before = encodeSlot(header, 3)
    for (let torn = 0; torn < SLOT_BYTES; torn += 7) {
      const slot = Buffer.concat([young.subarray(0, torn), before.subarray(torn)])
      const found = decodeHeaders(both(old, slot))
      // Beyond the end of the JSON both are padding, so a tear there is no tear.
      expect([torn, [4, 6].includes(found.sequence)]).toEqual([torn, true])
      expect(found.header.keys[0]!.version).toBe(found.sequence === 6 ? 2 : 1)
    }
  })

  it('refuse what has a right checksum and is not canonical, not known or beyond bounds', () => {
    const change = (more: object): string => canonicalJson({ ...header, ...more })
    const texts = [
      ` ${canonicalJson(header)}`,
      canonicalJson(header).replace('{', '{ '),
      change({ unknown: 1 }),
      change({ suite: 'AES128' }),
      change({ segmentSize: 4096 }),
      change({ keys: [] }),
      change({ keys: Array(9).fill(header.keys[0]) }),
      change({ commitment: 'x'.repeat(44) }),
      change({ keys: [{ ...header.keys[0], version: 0 }] }),
      change({ binding: { ...binding, tenant: 'other' } }),
      '[]',
      '{}',
      'null',
      '[[[[[[[[[[[[]]]]]]]]]]]]',
      `{"format":"RDBT1","format":"RDBT1"}`,
      '',
    ]
    for (const text of texts) expect([text, decodeSlot(forged(text), 0)]).toEqual([text, null])
    const long = forged(canonicalJson(header))
    new DataView(long.buffer).setUint32(16, 0xffff_ffff)
    expect(decodeSlot(long, 0)).toBeNull()
  })

  it('never throw and never take unbounded time, whatever the bytes (fuzz)', () => {
    const whole = encodeSlot(header, 1)
    const mutated = fc.array(fc.tuple(fc.nat(SLOT_BYTES - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }).map((edits) => {
      const bytes = whole.slice()
      for (const [at, value] of edits) bytes[at] = value
      return bytes
    })
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: SLOT_BYTES + 8 }),
      fc.uint8Array({ minLength: SLOT_BYTES, maxLength: SLOT_BYTES }),
      mutated,
    )
    const unchanged = (candidate: Uint8Array): boolean => Buffer.from(candidate).equals(whole)
    fc.assert(
      fc.property(bytes, (candidate) => (decodeSlot(candidate, 0) === null) !== unchanged(candidate)),
      { numRuns: 1000 },
    )
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => decodeSlot(forged(text), 0) === null),
      { numRuns: 500 },
    )
  })

  it('refuse to be written when the header is not valid or too long', () => {
    const long = { ...binding, resource: 'r'.repeat(512) }
    const keys = Array.from({ length: 8 }, () => ({ keyId: 'k', version: 1, wrapped: 'A'.repeat(200), binding: long }))
    expect(codeOf(() => encodeSlot({ ...header, keys }, 1))).toBe('ERR_CRYPTO_PARAMETER')
    expect(codeOf(() => encodeSlot({ ...header, keys: [] }, 1))).toBe('ERR_CRYPTO_PARAMETER')
    for (const sequence of [0, -1, 1.5, 2 ** 53]) expect(codeOf(() => encodeSlot(header, sequence))).toBe('ERR_CRYPTO_PARAMETER')
  })
})

describe('the key commitment', () => {
  it('holds for the key and the facts it was made for, and for nothing else', () => {
    expect(codeOf(() => requireCommitment(key, header))).toBe('done')
    const other = createSecretKey(randomBytes(32))
    expect(codeOf(() => requireCommitment(other, header))).toBe('ERR_CRYPTO_AUTHENTICATION')
    const changes: Partial<ObjectHeader>[] = [
      { segmentSize: SEGMENT_64_KIB },
      { binding: { ...binding, resource: 'model/other' } },
      { aadDigest: '0'.repeat(64) },
      { plaintextDigest: '0'.repeat(64) },
      { commitment: commitmentOf(other, sealedFacts) },
    ]
    for (const change of changes) expect(codeOf(() => requireCommitment(key, { ...header, ...change }))).toBe('ERR_CRYPTO_AUTHENTICATION')
    expect(codeOf(() => requireCommitment(key, { ...header, keys: [] }))).toBe('done')
  })

  it('is 32 bytes', () => {
    expect(Buffer.from(header.commitment, 'base64url').byteLength).toBe(32)
  })
})
