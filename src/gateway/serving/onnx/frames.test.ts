import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeTensors, encodeFrame, encodeTensors, type Frame, FrameReader } from './frames.ts'
import type { RuntimeTensor } from './runtime-tensor.ts'

const tensors: readonly RuntimeTensor[] = [
  { name: 'a', datatype: 'FP32', shape: [2, 1], data: Float32Array.from([0.5, -1]) },
  { name: 'b', datatype: 'INT64', shape: [2], data: BigInt64Array.from([1n, -(2n ** 63n)]) },
  { name: 'c', datatype: 'BYTES', shape: [1, 2], data: ['grüße', ''] },
  { name: 'd', datatype: 'BOOL', shape: [3], data: Uint8Array.from([1, 0, 1]) },
]
const encoded = encodeTensors(tensors)
const wire = Buffer.concat(encodeFrame({ ok: true, tensors: encoded.headers }, encoded.parts))
const read = (frame: Frame) => decodeTensors((frame.header as { tensors: unknown }).tensors, frame.bytes)

describe('the wire to a model process', () => {
  it('carries tensors whole, however it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: wire.byteLength * 2 }), { maxLength: 8 }), (cuts) => {
        const twice = Buffer.concat([wire, wire])
        const reader = new FrameReader(1 << 20)
        const frames: Frame[] = []
        let from = 0
        for (const cut of [...cuts.sort((a, b) => a - b), twice.byteLength]) {
          frames.push(...reader.push(twice.subarray(from, cut)))
          from = cut
        }
        expect(frames).toHaveLength(2)
        for (const frame of frames) expect(read(frame)).toEqual(tensors)
      }),
      { numRuns: 200 },
    )
  })

  it('refuses a frame beyond its bound before it is held', () => {
    const prefix = Buffer.alloc(8)
    prefix.writeUInt32BE(1025, 0)
    expect(() => new FrameReader(1024).push(prefix)).toThrow(RangeError)
  })

  it.each([
    ['no list', {}, 0],
    ['no name', [{ datatype: 'FP32', shape: [1], count: 1 }], 4],
    ['an inherited datatype', [{ name: 'a', datatype: 'constructor', shape: [1], count: 1 }], 4],
    ['a negative size', [{ name: 'a', datatype: 'FP32', shape: [-1], count: -1 }], 4],
    ['an endless size', [{ name: 'a', datatype: 'FP32', shape: [2 ** 40, 2 ** 40], count: 1 }], 4],
    ['a count that lies', [{ name: 'a', datatype: 'FP32', shape: [2], count: 1 }], 4],
    ['too few bytes', [{ name: 'a', datatype: 'FP32', shape: [2], count: 2 }], 4],
    ['too many bytes', [{ name: 'a', datatype: 'FP32', shape: [1], count: 1 }], 8],
    ['texts that are none', [{ name: 'a', datatype: 'BYTES', shape: [1], texts: [1] }], 0],
    ['too few texts', [{ name: 'a', datatype: 'BYTES', shape: [2], texts: ['x'] }], 0],
  ])('refuses tensors with %s', (_, header, bytes) => {
    expect(() => decodeTensors(header, new Uint8Array(bytes))).toThrow()
  })

  it('reads any bytes or throws, within its bound', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          for (const frame of new FrameReader(1024).push(bytes)) read(frame)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(Error)
        }
      }),
      { numRuns: 500 },
    )
  })
})
