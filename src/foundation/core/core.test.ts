import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  asRedoubtError,
  canonicalJson,
  ERROR_TABLE,
  ManualClock,
  newId,
  parseStrictJson,
  parseStrictJsonText,
  RedoubtError,
} from './index.ts'

const bounds = { maxBytes: 1_000, maxDepth: 8 }
const codeOf = (call: () => unknown): string => {
  try {
    call()
  } catch (error) {
    return (error as RedoubtError).code
  }
  return 'no error'
}

describe('canonical JSON (RFC 8785)', () => {
  it('sorts members by UTF-16 code units and writes numbers as ECMAScript does (RFC 8785 §3.2.3)', () => {
    // The example of RFC 8785 §3.2.3, values shortened to the property names.
    const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 }
    expect(Object.values(JSON.parse(canonicalJson(value)) as object).length).toBe(7)
    expect(canonicalJson(value)).toBe('{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}')
    expect(canonicalJson([333333333.33333329, 1e30, 4.5, 0.002, 1e-27])).toBe('[333333333.3333333,1e+30,4.5,0.002,1e-27]')
  })

  it('does not depend on the order of members and survives a round trip', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 2 })), (record) => {
        const shuffled = Object.fromEntries(Object.entries(record).reverse())
        const text = canonicalJson(record)
        expect(canonicalJson(shuffled)).toBe(text)
        expect(canonicalJson(JSON.parse(text))).toBe(text)
      }),
    )
  })

  it('refuses what JSON cannot carry exactly', () => {
    for (const value of [Number.NaN, Infinity, '\ud800', 1n, () => 1])
      expect(codeOf(() => canonicalJson({ value }))).toBe('ERR_INPUT_INVALID')
  })
})

describe('strict JSON', () => {
  it('agrees with JSON.parse wherever names are not repeated', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), (text) => {
        if (text.includes('__proto__')) return
        expect(parseStrictJsonText(text, { maxBytes: 1e6, maxDepth: 20 })).toEqual(JSON.parse(text))
      }),
    )
  })

  it('never throws anything but a bounded set of codes on arbitrary bytes (fuzz)', () => {
    const allowed = new Set(['ERR_INPUT_TOO_LARGE', 'ERR_INPUT_TOO_DEEP', 'ERR_INPUT_DUPLICATE_KEY', 'ERR_INPUT_MALFORMED', 'no error'])
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.string({ unit: fc.constantFrom(...'{}[]":,\\ \nab1') }).map((s) => new TextEncoder().encode(s)),
        ),
        (bytes) => {
          expect(allowed).toContain(codeOf(() => parseStrictJson(bytes, bounds)))
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it.each([
    ['{"a":1,"a":2}', 'ERR_INPUT_DUPLICATE_KEY'],
    ['{"a":1,"\\u0061":2}', 'ERR_INPUT_DUPLICATE_KEY'],
    ['{"a" :1,"b":{"c":[{"d":1,"d":2}]}}', 'ERR_INPUT_DUPLICATE_KEY'],
    ['{"__proto__":{"admin":true}}', 'ERR_INPUT_MALFORMED'],
    ['{"\\u005f_proto__":1}', 'ERR_INPUT_MALFORMED'],
    [`${'['.repeat(9)}${']'.repeat(9)}`, 'ERR_INPUT_TOO_DEEP'],
    [`"${'x'.repeat(1_000)}"`, 'ERR_INPUT_TOO_LARGE'],
    ['{"a":1} x', 'ERR_INPUT_MALFORMED'],
    ['', 'ERR_INPUT_MALFORMED'],
    ['{"a":01}', 'ERR_INPUT_MALFORMED'],
  ])('refuses %s', (text, code) => {
    expect(codeOf(() => parseStrictJsonText(text, bounds))).toBe(code)
  })

  it('refuses bytes that are not UTF-8 and keeps the input out of the error', () => {
    expect(codeOf(() => parseStrictJson(Uint8Array.of(0x22, 0xff, 0x22), bounds))).toBe('ERR_INPUT_MALFORMED')
    try {
      parseStrictJsonText('{"prompt": secret', bounds)
    } catch (error) {
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('secret')
    }
  })

  it('reads a deep bomb in linear time', () => {
    const bomb = '['.repeat(5_000_000)
    expect(codeOf(() => parseStrictJsonText(bomb, { maxBytes: 1e7, maxDepth: 32 }))).toBe('ERR_INPUT_TOO_DEEP')
  })
})

describe('errors', () => {
  it('have a status, a title and a next step for every code', () => {
    for (const [code, entry] of Object.entries(ERROR_TABLE)) {
      expect(code).toMatch(/^ERR_[A-Z_]+$/)
      expect(entry.status).toBeGreaterThanOrEqual(400)
      expect(entry.title).toMatch(/^[a-z].*[^.]$/)
      expect(entry.next.length).toBeGreaterThan(8)
    }
  })

  it('turn what is foreign into ERR_INTERNAL and keep what is ours', () => {
    const ours = new RedoubtError('ERR_NOT_FOUND')
    expect(asRedoubtError(ours)).toBe(ours)
    expect(asRedoubtError(new TypeError('x')).code).toBe('ERR_INTERNAL')
  })
})

describe('ids and clock', () => {
  it('gives distinct ids of 128 bits', () => {
    const ids = new Set(Array.from({ length: 5_000 }, () => newId('req')))
    expect(ids.size).toBe(5_000)
    for (const id of ids) expect(id).toMatch(/^req_[A-Za-z0-9_-]{22}$/)
  })

  it('moves the wall clock without the monotonic one', () => {
    const clock = new ManualClock(1_000)
    clock.advance(5)
    clock.setNow(10)
    expect([clock.now(), clock.monotonic()]).toEqual([10, 5])
  })
})
