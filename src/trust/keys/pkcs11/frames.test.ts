import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeFrame, type Frame, FrameReader, MAX_FRAME_BYTES, MAX_PARTS } from './frames.ts'

const frames = fc.record({
  id: fc.integer({ min: 0, max: 0xffff_ffff }),
  kind: fc.integer({ min: 0, max: 255 }),
  parts: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: MAX_PARTS }),
})
const plain = (all: readonly Frame[]) => all.map(({ id, kind, parts }) => ({ id, kind, parts: parts.map((part) => part.toString('hex')) }))

describe('frames between the server and the process that talks to the HSM', () => {
  it('come out as they went in, however they are cut', () => {
    fc.assert(
      fc.property(fc.array(frames, { maxLength: 5 }), fc.integer({ min: 1, max: 64 }), (sent, size) => {
        const bytes = Buffer.concat(sent.map((frame) => encodeFrame(frame)))
        const reader = new FrameReader()
        const got: Frame[] = []
        for (let at = 0; at < bytes.byteLength; at += size) got.push(...reader.push(bytes.subarray(at, at + size)))
        expect(plain(got)).toEqual(plain(sent.map((frame) => ({ ...frame, parts: frame.parts.map((part) => Buffer.from(part)) }))))
      }),
      { numRuns: 100 },
    )
  })

  it('are refused, or are frames, whatever the bytes: never anything else than a RangeError', () => {
    const refused = (bytes: Uint8Array): boolean => {
      try {
        new FrameReader().push(bytes)
        return false
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
        return true
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void refused(bytes)),
      { numRuns: 500 },
    )
    const good = encodeFrame({ id: 1, kind: 2, parts: [Buffer.from('abc'), Buffer.from('de')] })
    for (let at = 0; at < good.byteLength; at++)
      for (const bit of [0x80, 0x01]) {
        const changed = Buffer.from(good)
        changed[at]! ^= bit
        refused(changed)
      }
    const with32 = (at: number, value: number): Buffer => {
      const changed = Buffer.from(good)
      changed.writeUInt32BE(value, at)
      return changed
    }
    for (const forged of [with32(0, MAX_FRAME_BYTES + 1), with32(0, 5), with32(10, 0xffff_ffff), with32(10, 9), with32(17, 1)])
      expect(refused(forged)).toBe(true)
    const many = Buffer.from(good)
    many[9] = MAX_PARTS + 1
    expect(refused(many)).toBe(true)
  })

  it('are not made larger than they are read', () => {
    expect(() => encodeFrame({ id: 1, kind: 1, parts: [new Uint8Array(MAX_FRAME_BYTES)] })).toThrow(RangeError)
    expect(() => encodeFrame({ id: 1, kind: 1, parts: Array.from({ length: MAX_PARTS + 1 }, () => new Uint8Array(1)) })).toThrow(RangeError)
  })
})
