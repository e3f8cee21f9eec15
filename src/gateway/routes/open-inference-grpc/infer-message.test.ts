import { ERROR_TABLE, type ErrorCode } from '#foundation/core'
import type { InferTensor, TensorDatatype } from '#gateway/serving'
import { status } from '@grpc/grpc-js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { requestDocument, responseMessage } from './infer-message.ts'
import { readRaw, writeRaw } from './raw-contents.ts'
import { grpcStatus } from './status.ts'
import { loadMethods, type ModelInferRequest, type ModelInferResponse } from './wire.ts'

const { ModelInfer } = loadMethods()
/** Over the wire and back, as a client's message comes in. */
const sent = (message: object): ModelInferRequest =>
  ModelInfer.requestDeserialize(ModelInfer.requestSerialize(message)) as ModelInferRequest
const received = (message: ModelInferResponse): ModelInferResponse =>
  ModelInfer.responseDeserialize(ModelInfer.responseSerialize(message)) as ModelInferResponse
const one = (datatype: string, contents: object, rest: object = {}): object => ({
  inputs: [{ name: 'x', datatype, shape: [1, 2], contents }],
  ...rest,
})
const dataOf = (message: object): unknown => (requestDocument(sent(message))['inputs'] as unknown as { data: unknown }[])[0]?.data

describe('a ModelInfer request', () => {
  it.each([
    ['BOOL', { bool_contents: [true, false] }, [true, false]],
    ['UINT8', { uint_contents: [0, 255] }, [0, 255]],
    ['INT32', { int_contents: [-1, 7] }, [-1, 7]],
    ['INT64', { int64_contents: ['-9223372036854775808', 7] }, [null, 7]],
    ['UINT64', { uint64_contents: [1, 2] }, [1, 2]],
    ['FP32', { fp32_contents: [0.5, Number.NaN] }, [0.5, null]],
    ['FP64', { fp64_contents: [0.1, -2] }, [0.1, -2]],
    ['BYTES', { bytes_contents: [Buffer.from('é'), Buffer.from('')] }, ['é', '']],
  ])('carries %s as typed contents', (datatype, contents, data) => {
    expect(dataOf(one(datatype, contents))).toEqual(data)
  })

  it('carries names, shapes, parameters and the outputs that are wanted', () => {
    const document = requestDocument(
      sent({
        ...one('INT64', { int64_contents: [1, 2] }),
        id: 'call-1',
        parameters: { subject: { string_param: 'jane' }, a: { bool_param: true }, b: { int64_param: 7 }, c: { double_param: 0.5 } },
        outputs: [{ name: 'y' }],
      }),
    )
    expect(document).toMatchObject({
      id: 'call-1',
      parameters: { subject: 'jane', a: true, b: 7, c: 0.5 },
      inputs: [{ name: 'x', datatype: 'INT64', shape: [1, 2], parameters: {} }],
      outputs: [{ name: 'y', parameters: {} }],
    })
  })

  it.each([
    ['values in the wrong member', one('INT64', { int_contents: [1, 2] })],
    ['values in two members', one('INT64', { int64_contents: [1, 2], fp64_contents: [1] })],
    ['a datatype of its own', one('FP16', { fp32_contents: [1] })],
    ['text that is not UTF-8', one('BYTES', { bytes_contents: [Buffer.from([0xff])] })],
    ['contents twice', one('INT64', { int64_contents: [1] }, { raw_input_contents: [Buffer.alloc(8)] })],
    [
      'too few raw contents',
      {
        inputs: [
          { name: 'x', datatype: 'INT64' },
          { name: 'y', datatype: 'INT64' },
        ],
        raw_input_contents: [Buffer.alloc(8)],
      },
    ],
    ['raw contents that break off', { inputs: [{ name: 'x', datatype: 'INT64' }], raw_input_contents: [Buffer.alloc(7)] }],
    ['raw texts that break off', { inputs: [{ name: 'x', datatype: 'BYTES' }], raw_input_contents: [Buffer.from([9, 0, 0, 0, 65])] }],
    ['a raw length that breaks off', { inputs: [{ name: 'x', datatype: 'BYTES' }], raw_input_contents: [Buffer.from([1, 0])] }],
    ['a parameter without a value', one('INT64', { int64_contents: [1] }, { parameters: { a: {} } })],
  ])('is refused for %s, without its values in the message', (_, message) => {
    expect(() => requestDocument(sent(message))).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }))
  })

  it('withstands any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          requestDocument(ModelInfer.requestDeserialize(Buffer.from(bytes)) as ModelInferRequest)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(Error)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('raw contents', () => {
  const values: Readonly<Record<TensorDatatype, fc.Arbitrary<unknown>>> = {
    BOOL: fc.boolean(),
    UINT8: fc.integer({ min: 0, max: 2 ** 8 - 1 }),
    UINT16: fc.integer({ min: 0, max: 2 ** 16 - 1 }),
    UINT32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    UINT64: fc.maxSafeNat(),
    INT8: fc.integer({ min: -(2 ** 7), max: 2 ** 7 - 1 }),
    INT16: fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 }),
    INT32: fc.integer(),
    INT64: fc.maxSafeInteger(),
    FP32: fc.float({ noNaN: true }),
    FP64: fc.double({ noNaN: true }),
    BYTES: fc.string({ unit: 'grapheme' }),
  }

  it.each(Object.keys(values) as TensorDatatype[])('carry %s there and back', (datatype) => {
    fc.assert(
      fc.property(fc.array(values[datatype], { maxLength: 8 }), (data) => {
        const tensor = { name: 'x', datatype, shape: [data.length], data } as InferTensor
        expect(readRaw(writeRaw(tensor), datatype, 'x')).toEqual(data)
      }),
      { numRuns: 50 },
    )
  })
})

describe('a ModelInfer response', () => {
  const outputs: readonly InferTensor[] = [
    { name: 'label', datatype: 'INT64', shape: [1], data: new BigInt64Array([2n ** 60n + 1n]) },
    { name: 'score', datatype: 'FP32', shape: [1], data: new Float32Array([0.5]) },
    { name: 'word', datatype: 'BYTES', shape: [1], data: ['é'] },
  ]
  const head = { modelName: 'm', modelVersion: 3, id: null, outputs }

  it('carries typed contents with all their digits', () => {
    const message = received(responseMessage({ ...head, requested: null, raw: false }))
    expect(message).toMatchObject({ model_name: 'm', model_version: '3', id: '', raw_output_contents: [] })
    expect(message.outputs.map(({ contents }) => contents?.int64_contents ?? [])).toEqual([[String(2n ** 60n + 1n)], [], []])
    expect(message.outputs[1]?.contents?.fp32_contents).toEqual([0.5])
    expect(message.outputs[2]?.contents?.bytes_contents).toEqual([Buffer.from('é')])
  })

  it('carries raw contents when the request did, of the outputs that were asked for, in that order', () => {
    const message = received(responseMessage({ ...head, requested: ['score', 'label'], raw: true }))
    expect(message.outputs.map(({ name }) => name)).toEqual(['score', 'label'])
    expect(message.raw_output_contents.map((raw) => Buffer.from(raw).toString('hex'))).toEqual(['0000003f', '0100000000000010'])
  })
})

describe('the status of a refusal', () => {
  it('is a word of its own for every entry of the error table, and never OK or UNKNOWN', () => {
    for (const [code, { status: http }] of Object.entries(ERROR_TABLE)) {
      const found = grpcStatus(http)
      expect(`${code} ${status[found]}`).not.toMatch(/ (?:OK|UNKNOWN|undefined)$/)
      // What is nobody's fault here is not told as an internal one.
      if (http !== 500) expect(`${code} ${http} ${status[found]}`).not.toMatch(/ INTERNAL$/)
    }
    const of = (code: ErrorCode): string => status[grpcStatus(ERROR_TABLE[code].status)] ?? ''
    expect([of('ERR_TOKEN_MISSING'), of('ERR_POLICY_DENIED'), of('ERR_LIMIT_ROWS'), of('ERR_AUDIT_UNAVAILABLE')]).toEqual([
      'UNAUTHENTICATED',
      'PERMISSION_DENIED',
      'RESOURCE_EXHAUSTED',
      'UNAVAILABLE',
    ])
  })
})
