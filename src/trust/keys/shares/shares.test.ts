import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { combinePoints, multiply, splitSecret } from './shamir.ts'
import { combineShares, makeShares, readShare, writeShare } from './share-text.ts'

const codeOf = (call: () => unknown): string => {
  try {
    call()
    return 'done'
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('secret sharing (A5)', () => {
  it('multiplies as FIPS 197 does, and as the field demands', () => {
    // FIPS 197 §4.2 and §4.2.1.
    expect([multiply(0x57, 0x83), multiply(0x57, 0x13)]).toEqual([0xc1, 0xfe])
    for (let a = 0; a < 256; a++) {
      expect([multiply(a, 1), multiply(a, 0)]).toEqual([a, 0])
      for (const b of [2, 3, 0x53, 0xff]) {
        expect(multiply(a, b)).toBe(multiply(b, a))
        expect(multiply(a, b ^ 0x1d)).toBe(multiply(a, b) ^ multiply(a, 0x1d))
      }
    }
  })

  it('gives the secret back from any k of n points', () => {
    const sizes = fc
      .integer({ min: 2, max: 16 })
      .chain((of) => fc.record({ of: fc.constant(of), threshold: fc.integer({ min: 2, max: of }) }))
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), sizes, fc.infiniteStream(fc.nat(1_000)), (secret, size, order) => {
        const shuffled = splitSecret(secret, size).map((point) => ({ point, key: order.next().value as number }))
        const chosen = shuffled.sort((a, b) => a.key - b.key).slice(0, size.threshold)
        expect(combinePoints(chosen.map(({ point }) => point))).toEqual(secret)
      }),
      { numRuns: 200 },
    )
  })

  it('tells nothing by k − 1 points: over all coefficients they take each value equally often, whatever the secret', () => {
    for (const secret of [0x00, 0x01, 0x53, 0xff]) {
      // Of 2: each value of the one coefficient gives another ordinate, so that all ordinates are equally likely.
      for (const at of [0, 1, 2]) {
        const seen = new Set(
          Array.from(
            { length: 256 },
            (_, c) => splitSecret(Uint8Array.of(secret), { threshold: 2, of: 3 }, () => Uint8Array.of(c))[at]!.bytes[0],
          ),
        )
        expect(seen.size).toBe(256)
      }
      // Of 3: each pair of ordinates of two holders comes of exactly one pair of coefficients.
      const pairs = new Set<number>()
      for (let a = 0; a < 256; a++)
        for (let b = 0; b < 256; b++) {
          const coefficients = [a, b]
          const points = splitSecret(Uint8Array.of(secret), { threshold: 3, of: 3 }, () => Uint8Array.of(coefficients.shift()!))
          pairs.add(points[0]!.bytes[0]! * 256 + points[2]!.bytes[0]!)
        }
      expect(pairs.size).toBe(65_536)
    }
  })

  it('draws its coefficients anew each time', () => {
    const secret = randomBytes(32)
    const [one, other] = [splitSecret(secret, { threshold: 2, of: 2 }), splitSecret(secret, { threshold: 2, of: 2 })]
    expect(one[0]!.bytes).not.toEqual(other[0]!.bytes)
  })

  it('refuses sizes that make no sense, and points that are not of one secret', () => {
    for (const [threshold, of] of [
      [1, 3],
      [4, 3],
      [2, 17],
      [2.5, 3],
      [Number.NaN, 3],
    ] as const)
      expect(codeOf(() => splitSecret(Uint8Array.of(1), { threshold, of }))).toBe('ERR_CRYPTO_PARAMETER')
    expect(codeOf(() => splitSecret(new Uint8Array(), { threshold: 2, of: 3 }))).toBe('ERR_CRYPTO_PARAMETER')
    const [a, b] = splitSecret(randomBytes(4), { threshold: 2, of: 3 }) as [never, never]
    for (const points of [[a], [a, a], [a, { index: 0, bytes: new Uint8Array(4) }], [b, { index: 4, bytes: new Uint8Array(5) }]])
      expect(codeOf(() => combinePoints(points))).toBe('ERR_CRYPTO_PARAMETER')
  })
})

describe('a share on paper (A5)', () => {
  it('says which set it is of, how many are needed and which it is', () => {
    const { secret, set, texts } = makeShares({ threshold: 3, of: 5 })
    const shares = texts.map(readShare)
    expect(shares.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5])
    for (const share of shares) expect(share).toMatchObject(set)
    expect(Buffer.from(combineShares([shares[4]!, shares[0]!, shares[2]!])).equals(secret)).toBe(true)
    for (const text of texts) expect(text).toMatch(/^rdbs1(-[0-9a-hjkmnp-tv-z]{1,5}){15,16}$/)
  })

  it('opens nothing with k − 1 shares, or with those of two sets', () => {
    const [one, other] = [makeShares({ threshold: 3, of: 5 }), makeShares({ threshold: 3, of: 5 })]
    const [a, b] = one.texts.map(readShare) as [never, never]
    expect(codeOf(() => combineShares([a, b]))).toBe('ERR_KEYS_SHARE')
    expect(codeOf(() => combineShares([a, b, readShare(other.texts[2]!)]))).toBe('ERR_KEYS_SHARE')
    expect(codeOf(() => combineShares([]))).toBe('ERR_KEYS_SHARE')
  })

  it('is read as a person types it', () => {
    const share = { set: '0011223344556677', threshold: 2, of: 3, index: 2, bytes: new Uint8Array(32).fill(0x08) }
    const text = writeShare(share)
    for (const typed of [
      text.toUpperCase(),
      text.replaceAll('-', ' '),
      text.replaceAll('-', ''),
      text.replaceAll('0', 'o').replace(/(?<=-.*)1/g, 'l'),
      `  ${text}\n`,
    ])
      expect(readShare(typed)).toEqual({ ...share, bytes: Buffer.from(share.bytes) })
  })

  it('is refused with any letter changed, left out or added', () => {
    const text = makeShares({ threshold: 2, of: 3 }).texts[0]!
    for (let at = 0; at < text.length; at++) {
      if (text[at] === '-') continue
      const changed = `${text.slice(0, at)}${text[at] === '7' ? '8' : '7'}${text.slice(at + 1)}`
      for (const slip of [changed, text.slice(0, at) + text.slice(at + 1), `${text.slice(0, at)}7${text.slice(at)}`])
        expect([at, codeOf(() => readShare(slip))]).toEqual([at, 'ERR_KEYS_SHARE'])
    }
  })

  it('is nothing but that: whatever else is refused by its code', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 400 }), fc.string({ unit: fc.constantFrom(...'rdbs1-0z9'), maxLength: 100 })), (text) => {
        expect(codeOf(() => readShare(text))).toBe('ERR_KEYS_SHARE')
      }),
      { numRuns: 500 },
    )
  })
})
