import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import type { TensorSpec } from '#gateway/serving'
import {
  parseInferRequest,
  renderInferenceError,
  renderInferResponse,
  renderLive,
  renderModelMetadata,
  renderModelReady,
  renderReady,
  renderServerMetadata,
} from './index.ts'

const model: { inputs: readonly TensorSpec[]; outputs: readonly TensorSpec[] } = {
  inputs: [
    { name: 'age', datatype: 'INT64', shape: [-1, 1], nullable: true },
    { name: 'job', datatype: 'BYTES', shape: [-1, 1] },
    { name: 'pair', datatype: 'FP32', shape: [-1, 2], nullable: true },
  ],
  outputs: [
    { name: 'label', datatype: 'INT64', shape: [-1, 1] },
    { name: 'probability', datatype: 'FP32', shape: [-1, 1] },
  ],
}
const bounds = { maxBodyBytes: 1_000_000, maxRows: 4 }

type Input = Record<string, unknown>
const age: Input = { name: 'age', shape: [2, 1], datatype: 'INT64', data: [1, null] }
const job: Input = { name: 'job', shape: [2, 1], datatype: 'BYTES', data: [['clerk'], ['baker']] }
const pair: Input = {
  name: 'pair',
  shape: [2, 2],
  datatype: 'FP32',
  data: [
    [0.5, 1],
    [null, -1e3],
  ],
}
const parse = (request: unknown) =>
  parseInferRequest(Buffer.from(typeof request === 'string' ? request : JSON.stringify(request)), model, bounds)
const withInput = (change: Input, rest: Input = {}) => ({ inputs: [{ ...age, ...change }, job, pair], ...rest })

function refusal(request: unknown): string {
  try {
    parse(request)
  } catch (thrown) {
    if (thrown instanceof RedoubtError) return `${thrown.code} ${thrown.message}`
    throw thrown
  }
  return 'accepted'
}

describe('an inference request', () => {
  it('is read with flat and nested data, in the order of the model', () => {
    const request = parse({ id: '42', parameters: { subject: 'patient-7' }, inputs: [pair, job, age], outputs: [{ name: 'probability' }] })
    expect(request).toEqual({
      id: '42',
      subject: 'patient-7',
      rows: 2,
      outputs: ['probability'],
      inputs: [
        { name: 'age', datatype: 'INT64', shape: [2, 1], data: [1, null] },
        { name: 'job', datatype: 'BYTES', shape: [2, 1], data: ['clerk', 'baker'] },
        { name: 'pair', datatype: 'FP32', shape: [2, 2], data: [0.5, 1, null, -1000] },
      ],
    })
  })

  it('needs neither id nor outputs, and an empty list of outputs means all', () => {
    expect(parse({ inputs: [age, job, pair], outputs: [] })).toMatchObject({ id: null, subject: null, outputs: null })
    expect(parse({ inputs: [{ ...age, parameters: { content_type: 'np' } }, job, pair] }).rows).toBe(2)
    const outputs = [{ name: 'label', parameters: { binary_data: false } }]
    expect(parse({ inputs: [age, job, pair], parameters: { binary_data_output: false }, outputs }).outputs).toEqual(['label'])
  })

  it.each([
    ['no JSON', '{"inputs":', 'ERR_INPUT_MALFORMED'],
    ['a list', [], 'ERR_INPUT_INVALID the body is not an object'],
    ['a doubled member', '{"inputs":[],"inputs":[]}', 'ERR_INPUT_DUPLICATE_KEY'],
    ['deep nesting', `{"inputs":${'['.repeat(40)}${']'.repeat(40)}}`, 'ERR_INPUT_TOO_DEEP'],
    ['no inputs', {}, 'ERR_INPUT_INVALID `inputs` is not a list'],
    ['an unknown member', { inputs: [age, job, pair], model_name: 'x' }, 'unknown member `model_name`'],
    ['a numeric id', { id: 1, inputs: [age, job, pair] }, '`id` is not a text'],
    ['an endless id', { id: 'x'.repeat(300), inputs: [age, job, pair] }, '`id` is not a text'],
    ['a missing input', { inputs: [age, job] }, 'the input `pair` is missing'],
    ['an unknown input', { inputs: [age, job, { ...pair, name: 'peer' }] }, 'the model has no input `peer`'],
    ['an inherited name', { inputs: [age, job, { ...pair, name: 'constructor' }] }, 'the model has no input `constructor`'],
    ['a doubled input', { inputs: [age, age, pair] }, 'the input `age` is sent twice'],
    ['too many inputs', { inputs: [age, job, pair, age] }, 'the model has 3 inputs and the request 4'],
    ['a nameless input', { inputs: [{ ...age, name: 7 }, job, pair] }, 'an input has no `name`'],
    ['an unknown member of an input', withInput({ raw: 'x' }), 'the input `age` has an unknown member `raw`'],
    ['another datatype', withInput({ datatype: 'FP32' }), 'the input `age` wants the datatype INT64'],
    ['a flat shape', withInput({ shape: [2] }), 'the input `age` wants the shape [N, 1]'],
    ['a wide shape', withInput({ shape: [2, 2] }), 'the input `age` wants the shape [N, 1]'],
    ['no rows', withInput({ shape: [0, 1], data: [] }), 'the input `age` wants the shape [N, 1]'],
    ['half a row', withInput({ shape: [1.5, 1] }), 'the input `age` wants the shape [N, 1]'],
    ['a huge shape', withInput({ shape: [1e15, 1] }), 'ERR_LIMIT_CALL_SIZE a call may carry 4 rows'],
    ['more rows than allowed', withInput({ shape: [5, 1], data: [1, 2, 3, 4, 5] }), 'ERR_LIMIT_CALL_SIZE a call may carry 4 rows'],
    ['rows that differ', withInput({ shape: [1, 1], data: [1] }), 'the input `job` has 2 rows and the inputs before it 1'],
    ['too few values', withInput({ data: [1] }), 'the input `age` has 1 values and its shape says 2'],
    ['too many values', withInput({ data: [1, 2, 3] }), 'the input `age` has 3 values and its shape says 2'],
    ['no data', withInput({ data: undefined }), 'the input `age` has no list `data`'],
    ['empty data', withInput({ data: [] }), 'not nested as its shape says'],
    ['ragged data', { inputs: [age, job, { ...pair, data: [[1, 2], [3]] }] }, 'the input `pair` is not nested as its shape says'],
    ['data nested too deeply', withInput({ data: [[[1]], [[2]]] }), 'value 0 of the input `age` is not INT64'],
    ['data flat after nested', withInput({ data: [[1], 2] }), 'the input `age` is not nested as its shape says'],
    ['a fraction for an integer', withInput({ data: [1, 2.5] }), 'value 1 of the input `age` is not INT64'],
    ['an integer that JSON rounded', withInput({ data: [1, 9007199254740993] }), 'value 1 of the input `age` is not INT64'],
    ['a text for a number', withInput({ data: [1, '2'] }), 'value 1 of the input `age` is not INT64'],
    ['a boolean for a number', withInput({ data: [1, true] }), 'value 1 of the input `age` is not INT64'],
    ['an object for a number', withInput({ data: [1, {}] }), 'value 1 of the input `age` is not INT64'],
    ['a number for a text', { inputs: [age, { ...job, data: [1, 'x'] }, pair] }, 'value 0 of the input `job` is not BYTES'],
    ['null where it may not be', { inputs: [age, { ...job, data: ['x', null] }, pair] }, 'value 1 of the input `job` may not be null'],
    ['half a character', { inputs: [age, { ...job, data: ['x', '\ud800'] }, pair] }, 'value 1 of the input `job` is not BYTES'],
    [
      'a float beyond single precision',
      { inputs: [age, job, { ...pair, data: [1, 2, 3, 1e39] }] },
      'value 3 of the input `pair` is not FP32',
    ],
    ['an infinite float', JSON.stringify({ inputs: [age, job, pair] }).replace('0.5', '1e999'), 'value 0 of the input `pair` is not FP32'],
    ['binary data', withInput({ parameters: { binary_data_size: 8 } }), 'the binary data extension (`binary_data_size`) is not supported'],
    ['binary output', { inputs: [age, job, pair], parameters: { binary_data_output: true } }, 'the binary data extension'],
    [
      'shared memory',
      withInput({ parameters: { shared_memory_region: 'r' } }),
      'the parameter `shared_memory_region` of the input `age` is not supported',
    ],
    ['an object as parameter', withInput({ parameters: { content_type: {} } }), 'is not a text, number or boolean'],
    ['an empty subject', { inputs: [age, job, pair], parameters: { subject: '' } }, 'the parameter `subject`'],
    ['a numeric subject', { inputs: [age, job, pair], parameters: { subject: 5 } }, 'the parameter `subject`'],
    ['an unknown output', { inputs: [age, job, pair], outputs: [{ name: 'logits' }] }, 'the model has no output `logits`'],
    ['a doubled output', { inputs: [age, job, pair], outputs: [{ name: 'label' }, { name: 'label' }] }, 'asked for twice'],
    [
      'a classification request',
      { inputs: [age, job, pair], outputs: [{ name: 'label', parameters: { classification: 2 } }] },
      '`classification`',
    ],
  ])('with %s is refused precisely', (_, request, expected) => {
    expect(refusal(request)).toContain(expected)
  })

  it('never finds its values in the refusal', () => {
    expect(refusal(withInput({ data: [1, 'SSN 078-05-1120'] }))).not.toContain('078')
  })

  it('beyond the body bound is refused before it is parsed', () => {
    expect(() => parseInferRequest(Buffer.alloc(1_000_001, 91), model, bounds)).toThrow(
      expect.objectContaining({ code: 'ERR_INPUT_TOO_LARGE' }),
    )
  })

  it('of any form is answered with a request or a 4xx code', () => {
    const scalar = fc.oneof(fc.constant(null), fc.boolean(), fc.integer(), fc.double(), fc.string())
    const input = fc.record(
      {
        name: fc.constantFrom('age', 'job', 'pair', 'x'),
        shape: fc.array(fc.oneof(fc.integer({ min: -1, max: 5 }), scalar), { maxLength: 3 }),
        datatype: fc.constantFrom('INT64', 'BYTES', 'FP32', 'BOOL'),
        data: fc.oneof(fc.array(scalar, { maxLength: 4 }), fc.array(fc.array(scalar, { maxLength: 3 }), { maxLength: 3 }), scalar),
        parameters: fc.dictionary(fc.string(), scalar, { maxKeys: 2 }),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.record(
            { inputs: fc.array(input, { maxLength: 4 }), outputs: fc.array(fc.record({ name: fc.string() })) },
            { requiredKeys: [] },
          ),
          fc.json(),
        ),
        (request) => {
          const answer = refusal(request)
          return answer === 'accepted' || /^ERR_(INPUT|LIMIT)_/.test(answer)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('round-trips: what is valid is read back value by value', () => {
    const row = fc.record({
      age: fc.option(fc.maxSafeInteger()),
      job: fc.string({ unit: 'grapheme' }),
      pair: fc.tuple(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.integer()),
    })
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 4 }), fc.boolean(), (rows, nested) => {
        const data = (values: unknown[][]): unknown => (nested ? values : values.flat())
        const request = parse({
          inputs: [
            { name: 'age', shape: [rows.length, 1], datatype: 'INT64', data: data(rows.map(({ age }) => [age])) },
            { name: 'job', shape: [rows.length, 1], datatype: 'BYTES', data: data(rows.map(({ job }) => [job])) },
            { name: 'pair', shape: [rows.length, 2], datatype: 'FP32', data: data(rows.map(({ pair }) => pair)) },
          ],
        })
        expect(request.inputs.map(({ data }) => data)).toEqual([
          rows.map(({ age }) => (age === 0 ? 0 : age)),
          rows.map(({ job }) => job),
          rows.flatMap(({ pair }) => pair.map((value) => (value === 0 ? 0 : value))),
        ])
      }),
      { numRuns: 300 },
    )
  })
})

describe('an answer', () => {
  it('has the shape of the protocol', () => {
    const text = renderInferResponse({
      modelName: 'adult',
      modelVersion: 3,
      id: 'a"b',
      requested: null,
      outputs: [
        { name: 'label', datatype: 'INT64', shape: [2, 1], data: BigInt64Array.from([1n, 9007199254740993n]) },
        { name: 'probability', datatype: 'FP32', shape: [2, 1], data: Float32Array.from([0.5, Number.NaN]) },
        { name: 'text', datatype: 'BYTES', shape: [1], data: ['a\nb'] },
        { name: 'flag', datatype: 'BOOL', shape: [2], data: Uint8Array.from([1, 0]) },
      ],
    })
    expect(text).toContain('9007199254740993')
    expect(JSON.parse(text)).toMatchObject({
      model_name: 'adult',
      model_version: '3',
      id: 'a"b',
      outputs: [
        { name: 'label', datatype: 'INT64', shape: [2, 1] },
        { name: 'probability', datatype: 'FP32', shape: [2, 1], data: [0.5, null] },
        { name: 'text', datatype: 'BYTES', shape: [1], data: ['a\nb'] },
        { name: 'flag', datatype: 'BOOL', shape: [2], data: [true, false] },
      ],
    })
  })

  it('holds only the outputs that were asked for, in that order', () => {
    const output = (name: string) => ({ name, datatype: 'FP32', shape: [1], data: [1] }) as const
    const text = renderInferResponse({
      modelName: 'm',
      modelVersion: 1,
      id: null,
      requested: ['c', 'a'],
      outputs: [output('a'), output('b'), output('c')],
    })
    expect((JSON.parse(text) as { outputs: { name: string }[] }).outputs.map(({ name }) => name)).toEqual(['c', 'a'])
    expect(text).not.toContain('"id"')
  })

  it('describes server and model', () => {
    expect(JSON.parse(renderServerMetadata({ name: 'redoubt', version: '1' }))).toEqual({ name: 'redoubt', version: '1', extensions: [] })
    expect(JSON.parse(renderLive(true))).toEqual({ live: true })
    expect(JSON.parse(renderReady(false))).toEqual({ live: false, ready: false })
    expect(JSON.parse(renderModelReady('m', true))).toEqual({ name: 'm', ready: true })
    expect(JSON.parse(renderModelMetadata({ name: 'm', versions: [1, 2], ...model }))).toEqual({
      name: 'm',
      versions: ['1', '2'],
      platform: 'onnxruntime_onnx',
      inputs: model.inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
      outputs: model.outputs,
    })
  })

  it('to a refusal is one text that begins with the code', () => {
    expect(renderInferenceError(new RedoubtError('ERR_MODEL_UNKNOWN'))).toBe(
      '{"error":"ERR_MODEL_UNKNOWN: there is no such model or version"}',
    )
  })
})
