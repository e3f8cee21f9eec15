import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyedDigest } from './keyed-digest.ts'

describe('keyedDigest', () => {
  it('is HMAC-SHA-256 of every key up to a block and every message (RFC 2104)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 300 }), (key, message) => {
        expect(keyedDigest(key, message)).toBe(createHmac('sha256', key).update(message).digest('hex'))
      }),
      { seed: 20_260_101 },
    )
  })

  it('takes text as UTF-8', () => {
    const key = new Uint8Array(32).fill(1)
    expect(keyedDigest(key, 'Größe 🏰')).toBe(createHmac('sha256', key).update('Größe 🏰').digest('hex'))
  })

  it('refuses a key longer than a block', () => {
    expect(() => keyedDigest(new Uint8Array(65), '')).toThrow(RangeError)
  })
})
