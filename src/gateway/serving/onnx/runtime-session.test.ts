import { describe, expect, it } from 'vitest'
import { mlp, mlpAnswer } from '../../../../test/fixtures/onnx-models.ts'
import { openSession } from './runtime-session.ts'
import type { RuntimeTensor } from './runtime-tensor.ts'

const ROW = [0.5, -1, 2, 0.25]
const input: RuntimeTensor = { name: 'x', datatype: 'FP32', shape: [1, 4], data: Float32Array.from(ROW) }

describe('the runtime', () => {
  it('reads a tensor as it is given', async () => {
    const session = await openSession(mlp())
    const [output] = await session.run([input])
    expect(Number(output?.data[0])).toBeCloseTo(mlpAnswer(ROW), 5)
    await session.release()
  })

  // Its native side reads memory by what it is told, and must not believe more than there is.
  it.each<[string, Partial<RuntimeTensor>]>([
    ['more values than it holds', { shape: [1_000_000, 4] }],
    ['a size below nothing', { shape: [-1, 4] }],
    ['half a size', { shape: [1.5, 4] }],
    ['a size that is no number', { shape: [Number.NaN, 4] }],
    ['more than there is of memory', { shape: [2 ** 62, 4] }],
    ['a datatype wider than its memory', { datatype: 'FP64' }],
    ['a datatype that its memory is not', { datatype: 'INT32' }],
    ['texts that are numbers', { datatype: 'BYTES' }],
    ['numbers that are texts', { data: ['1', '2', '3', '4'] }],
    ['a datatype that there is not', { datatype: 'constructor' as 'FP32' }],
  ])('refuses a tensor that claims %s', async (_, lie) => {
    const session = await openSession(mlp())
    await expect(session.run([{ ...input, ...lie }])).rejects.toThrow()
    await session.release()
  })

  it('refuses a tensor whose memory was taken from it', async () => {
    const session = await openSession(mlp())
    const data = Float32Array.from(ROW)
    structuredClone(data, { transfer: [data.buffer] })
    await expect(session.run([{ ...input, data }])).rejects.toThrow()
    await session.release()
  })
})
