import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import {
  adultLike,
  adultLikeGraph,
  attribute,
  classifierGraph,
  decodeModel,
  encodeModel,
  mlp,
  mlpGraph,
  node,
  sklearnClassifier,
  value,
} from '../../../../test/fixtures/onnx-models.ts'
import { admitOnnx } from './admit-onnx.ts'
import { readOnnxModel } from './read-onnx-model.ts'

const FLOAT = 1

function refusal(file: Uint8Array, foreign = true): string {
  try {
    admitOnnx(file, foreign)
  } catch (thrown) {
    if (thrown instanceof RedoubtError && thrown.code === 'ERR_MODEL_FORMAT') return thrown.message
    throw thrown
  }
  return 'admitted'
}

describe('an ONNX file that may be served', () => {
  it('is admitted as it is, with its inputs and outputs in the words of the inference protocol', () => {
    const file = mlp()
    const admitted = admitOnnx(file, true)
    expect(admitted.file).toBe(file)
    expect(admitted.derivation).toBeNull()
    expect(admitted.inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [-1, 4], nullable: true }])
    expect(admitted.outputs).toEqual([{ name: 'probability', datatype: 'FP32', shape: [-1, 1] }])
  })

  it('may take null for text and integers only when it was trained here', () => {
    const nullable = (foreign: boolean): Record<string, boolean> =>
      Object.fromEntries(admitOnnx(adultLike(), foreign).inputs.map(({ datatype, nullable }) => [datatype, nullable ?? false]))
    expect(nullable(false)).toEqual({ INT64: true, BYTES: true })
    expect(nullable(true)).toEqual({ INT64: false, BYTES: false })
  })

  it('says itself which datatypes carry a missing value, and is refused when it does so in another way', () => {
    const described = (text: string): Uint8Array => encodeModel(adultLikeGraph(), { metadataProps: [{ key: 'redoubt', value: text }] })
    const { inputs } = admitOnnx(described('{"format":1,"nullEncoding":{"INT64":"-9223372036854775808"}}'), false)
    expect(inputs.filter(({ nullable }) => nullable).map(({ datatype }) => datatype)).toEqual(Array.from({ length: 6 }, () => 'INT64'))
    expect(refusal(described('{"nullEncoding":{"INT64":"-1"}}'), false)).toContain('missing values in another way')
    expect(refusal(described('{"nullEncoding":'), false)).toContain('describes itself')
  })
})

describe('a ZipMap', () => {
  it('is bypassed: the tensor it read becomes the output and all else is kept', () => {
    const original = sklearnClassifier()
    const admitted = admitOnnx(original, true)
    expect(admitted.derivation).toBe('zipmap-bypass')
    expect(admitted.outputs).toEqual([
      { name: 'label', datatype: 'INT64', shape: [-1] },
      { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] },
    ])
    const before = decodeModel(original)
    const after = decodeModel(admitted.file)
    expect(after.graph?.node?.map(({ opType }) => opType)).toEqual(['LinearClassifier', 'Normalizer'])
    expect(after.graph?.node).toEqual(before.graph?.node?.slice(0, 2))
    expect(after.opsetImport).toEqual(before.opsetImport)
    expect(readOnnxModel(admitted.file).outputs.map(({ name }) => name)).toEqual(['label', 'probabilities'])
    expect(admitOnnx(admitted.file, true).derivation).toBeNull()
  })

  it('is derived to the same bytes each time, so that its digest is stable', () => {
    expect(admitOnnx(sklearnClassifier(), true).file).toEqual(admitOnnx(sklearnClassifier(), true).file)
  })

  it('is dropped when its tensor is an output already', () => {
    const graph = classifierGraph()
    const admitted = admitOnnx(encodeModel({ ...graph, output: [...(graph.output ?? []), value('probabilities', FLOAT, ['N', 2])] }), true)
    expect(admitted.outputs.map(({ name }) => name)).toEqual(['label', 'probabilities'])
  })

  it('is refused when the model reads it or does not name its classes', () => {
    const graph = classifierGraph()
    const [linear, normalizer, zipMap] = graph.node ?? []
    const read = node('SequenceLength', ['output_probability'], ['length'])
    expect(refusal(encodeModel({ ...graph, node: [...(graph.node ?? []), read] }))).toContain('cannot be bypassed')
    const nameless = { ...zipMap, attribute: [] }
    expect(refusal(encodeModel({ ...graph, node: [linear ?? {}, normalizer ?? {}, nameless] }))).toContain('does not name its classes')
  })

  it('is told from other sequences, which are refused by name', () => {
    const graph = mlpGraph()
    const sequence = { name: 'boxes', type: { sequenceType: { elemType: { tensorType: { elemType: FLOAT } } } } }
    expect(refusal(encodeModel({ ...graph, output: [sequence] }))).toBe('the output `boxes` is not a tensor (a sequence or a map)')
  })
})

describe('a file that is refused by name', () => {
  const subgraph = (depth: number): ReturnType<typeof mlpGraph> =>
    depth === 0
      ? mlpGraph()
      : {
          name: `g${depth}`,
          node: [node('If', ['c'], ['y'], [attribute('then_branch', 'g', subgraph(depth - 1))])],
          output: [value('y', FLOAT, ['N', 1])],
        }
  const withNode = (extra: ReturnType<typeof node>): Uint8Array => encodeModel({ ...mlpGraph(), node: [...(mlpGraph().node ?? []), extra] })
  const external = {
    name: 'w',
    dims: [1],
    dataType: FLOAT,
    dataLocation: 1,
    externalData: [{ key: 'location', value: '../../etc/passwd' }],
  }

  it.each([
    ['weights in another file', encodeModel({ ...mlpGraph(), initializer: [external] }), 'external data'],
    ['weights in another file inside a node', withNode(node('Constant', [], ['k'], [attribute('value', 't', external)])), 'external data'],
    [
      'weights in another file inside a sparse tensor',
      encodeModel({
        ...mlpGraph(),
        sparseInitializer: [{ values: external, indices: { dims: [1], dataType: 7, int64Data: [0] }, dims: [2] }],
      }),
      'external data',
    ],
    [
      'weights in another file inside a subgraph',
      withNode(node('If', ['c'], ['y'], [attribute('then_branch', 'g', { ...mlpGraph(), initializer: [external] })])),
      'external data',
    ],
    ['an operator of a custom domain', withNode(node('PyOp', ['x'], ['z'], [], 'ai.onnx.contrib')), 'the domain `ai.onnx.contrib`'],
    [
      'an operator of a custom domain inside a subgraph',
      withNode(node('If', ['c'], ['y'], [attribute('then_branch', 'g', { ...mlpGraph(), node: [node('PyOp', [], ['z'], [], 'evil')] })])),
      'the domain `evil`',
    ],
    [
      'an operator set of a custom domain',
      encodeModel(mlpGraph(), { opsetImport: [{ domain: 'com.microsoft', version: 1 }] }),
      'the domain `com.microsoft`',
    ],
    ['no operator set', encodeModel(mlpGraph(), { opsetImport: [] }), 'no operator set'],
    ['functions of its own', encodeModel(mlpGraph(), { functions: [{ name: 'f', domain: '' }] }), 'functions of its own'],
    ['a training graph', encodeModel(mlpGraph(), { trainingInfo: [{ initialization: mlpGraph() }] }), 'a training graph'],
    [
      'deep nesting',
      encodeModel({ ...mlpGraph(), node: [node('If', ['c'], ['probability'], [attribute('then_branch', 'g', subgraph(12))])] }),
      'nested deeper',
    ],
    ['no inputs', encodeModel({ ...mlpGraph(), input: [] }), 'no inputs'],
    ['no outputs', encodeModel({ ...mlpGraph(), output: [] }), 'no outputs'],
    ['an input without rows', encodeModel({ ...mlpGraph(), input: [value('x', FLOAT, [])] }), 'no dimension for rows'],
    ['a half-precision input', encodeModel({ ...mlpGraph(), input: [value('x', 10, ['N', 4])] }), 'an element type that is not served'],
    ['an empty file', new Uint8Array(), 'no operator set'],
    ['text', Buffer.from('#!/bin/sh\necho hello'), ''],
    ['a zip archive', Buffer.from('UEsDBBQAAAAIAA==', 'base64'), ''],
    ['a pickle', Buffer.from('gASVHAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAJscJSFlFKULg==', 'base64'), ''],
  ])('%s', (_, file, reason) => {
    const refused = refusal(file)
    expect(refused).not.toBe('admitted')
    expect(refused).toContain(reason)
  })

  it('a doubled graph, which a lenient parser would merge with the first', () => {
    const file = mlp()
    const second = encodeModel({ ...mlpGraph(), initializer: [external] }, { opsetImport: [] })
    expect(refusal(Buffer.concat([file, second]))).toContain('appears twice')
  })

  it('any cut of a model', () => {
    const file = sklearnClassifier()
    for (let length = 0; length < file.byteLength; length++) expect(refusal(file.subarray(0, length))).not.toBe('admitted')
  })
})

describe('the reader', () => {
  it('answers any bytes with a model or ERR_MODEL_FORMAT, never with another error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (file) => {
        refusal(file)
      }),
      { numRuns: 2000 },
    )
  })

  it('answers any damaged model with a model or ERR_MODEL_FORMAT', () => {
    const whole = [sklearnClassifier(), mlp(), adultLike()]
    fc.assert(
      fc.property(
        fc.constantFrom(...whole),
        fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 8,
        }),
        (file, changes) => {
          const damaged = file.slice()
          for (const [at, byte] of changes) damaged[Math.floor(at * damaged.byteLength)] = byte
          refusal(damaged)
        },
      ),
      { numRuns: 1500 },
    )
  })
})
