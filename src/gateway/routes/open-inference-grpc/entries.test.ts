import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { demandFewEntries } from './entries.ts'

const code = (bytes: Uint8Array): string => {
  try {
    demandFewEntries(bytes)
    return 'few'
  } catch (thrown) {
    if (!(thrown instanceof RedoubtError)) throw thrown
    return thrown.code
  }
}
const repeated = (entry: readonly number[], times: number): Uint8Array => Uint8Array.from(Array.from({ length: times }, () => entry).flat())

describe('what a gRPC message repeats (C4)', () => {
  it.each([
    ['parameters', [0x22, 0]],
    ['inputs', [0x2a, 0]],
    ['outputs', [0x32, 0]],
    ['raw contents', [0x3a, 0]],
  ])('is counted before anything is made of it: %s', (_what, entry) => {
    expect([code(repeated(entry, 10_000)), code(repeated(entry, 10_001))]).toEqual(['few', 'ERR_INPUT_INVALID'])
  })

  it('is counted inside of the tensors too', () => {
    const shape = repeated([0x18, 1], 10_001)
    const length = [(shape.length & 0x7f) | 0x80, ((shape.length >> 7) & 0x7f) | 0x80, shape.length >> 14]
    expect(code(Uint8Array.from([0x2a, ...length, ...shape]))).toBe('ERR_INPUT_INVALID')
  })

  it('is refused for any bytes with its own errors alone, and never read beyond the end', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => ['few', 'ERR_INPUT_MALFORMED'].includes(code(bytes))))
    expect(code(Uint8Array.from([0x2a, 0x05, 0]))).toBe('ERR_INPUT_MALFORMED')
    expect(code(Uint8Array.from([0x0b]))).toBe('ERR_INPUT_MALFORMED')
  })
})
