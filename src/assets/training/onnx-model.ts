import { canonicalJson } from '#foundation/core'
import type { Encoding, NumericEncoding, TextEncoding } from './encoding.ts'
import type { Network } from './network.ts'
import { METADATA_KEY, type ModelMetadata, type TensorSpec } from './null-encoding.ts'
import { type ElementType, GraphWriter } from './onnx-graph.ts'

export interface FeatureSpec {
  readonly name: string
  readonly type: 'integer' | 'real' | 'text'
}

const MISSING_INTEGER = -(2n ** 63n)
const ELEMENT_OF: Readonly<Record<FeatureSpec['type'], ElementType>> = { text: 'string', integer: 'int64', real: 'float' }
const DATATYPE_OF: Readonly<Record<FeatureSpec['type'], TensorSpec['datatype']>> = { text: 'BYTES', integer: 'INT64', real: 'FP32' }

export function inputSpecs(features: readonly FeatureSpec[]): readonly TensorSpec[] {
  return features.map(({ name, type }) => ({ name, datatype: DATATYPE_OF[type], shape: [-1, 1], nullable: true }))
}

/**
 * Writes encoding and network as one ONNX model that takes raw columns, one tensor [N, 1] each, a missing value encoded by
 * `NULL_ENCODING`. Few nodes on purpose: at one row the runtime's cost is per node, not per multiplication. All text
 * columns go through one dictionary (the key is the column's number and the text) and one Gather of first-layer rows.
 * @param features all raw columns in order; those without an entry in the encoding are inputs that nothing reads.
 */
export function writeModel(features: readonly FeatureSpec[], encoding: Encoding, network: Network, metadata: ModelMetadata): Uint8Array {
  const graph = new GraphWriter([...features.map((feature) => feature.name), 'label', 'probability'])
  const first = network.layers[0]!
  const width = first.outputs
  const weightsOf = (feature: number): Float32Array =>
    network.parameters.subarray(first.weights + feature * width, first.weights + (feature + 1) * width)
  const bias = network.parameters.slice(first.bias, first.bias + width)

  const text = encoding.columns.filter((column) => column.kind === 'text')
  const numeric = encoding.columns.filter((column) => column.kind === 'numeric')
  // The bias rides on the rows of the first text column, of which every row of data picks exactly one.
  const fromText = text.length > 0 ? writeText(graph, features, text, weightsOf, width, bias) : null
  const start = fromText ?? graph.constant([width], bias)
  const inputs = features.map(({ name, type }) => ({ name, type: ELEMENT_OF[type] }))
  let hidden = numeric.length > 0 ? writeNumeric(graph, features, numeric, weightsOf, width, start) : fromText
  if (hidden === null) hidden = writeConstant(graph, inputs[0]!, start, width)

  network.layers.slice(1).forEach((layer) => {
    const weights = graph.constant([layer.inputs, layer.outputs], network.parameters.slice(layer.weights, layer.bias))
    const offset = graph.constant([layer.outputs], network.parameters.slice(layer.bias, layer.bias + layer.outputs))
    hidden = graph.node('Gemm', [graph.node('Relu', [hidden!]), weights, offset])
  })
  graph.node('Sigmoid', [hidden], { output: 'probability' })
  const positive = graph.node('GreaterOrEqual', ['probability', graph.constant([], Float32Array.of(0.5))])
  graph.node('Cast', [positive], { attributes: { to: { cast: 'int64' } }, output: 'label' })
  return graph.finish({
    name: 'redoubt',
    inputs,
    outputs: [
      { name: 'label', type: 'int64' },
      { name: 'probability', type: 'float' },
    ],
    metadata: { [METADATA_KEY]: canonicalJson(metadata) },
  })
}

type WeightsOf = (feature: number) => Float32Array

/** @returns [N, width]: the sum over text columns of the first-layer row of their category. */
function writeText(
  graph: GraphWriter,
  features: readonly FeatureSpec[],
  columns: readonly TextEncoding[],
  weightsOf: WeightsOf,
  width: number,
  bias: Float32Array,
): string {
  const keys: string[] = []
  const positions: number[] = []
  const unknown: bigint[] = []
  const table: Float32Array[] = []
  columns.forEach((column, c) => {
    const add = (feature: number): number => table.push(c === 0 ? weightsOf(feature).map((w, j) => w + bias[j]!) : weightsOf(feature)) - 1
    // INVARIANT: the row of unknown text comes first in its column's block, so that Max() with it leaves known rows alone.
    unknown.push(BigInt(add(column.offset)))
    column.categories.forEach((category, i) => {
      keys.push(`${c}:${category}`)
      positions.push(add(column.offset + 1 + i))
    })
    if (column.missing !== column.offset) {
      keys.push(`${c}:`)
      positions.push(add(column.missing))
    }
  })
  const named = columns.map((column) => features[column.column]!.name)
  const raw = graph.node('Concat', named, { attributes: { axis: 1 } })
  const prefixes = graph.constant(
    [columns.length],
    columns.map((_, c) => `${c}:`),
  )
  const keyed = graph.node('StringConcat', [prefixes, raw])
  const found = graph.node('LabelEncoder', [keyed], {
    domain: 'ai.onnx.ml',
    attributes: { keys_strings: { strings: keys }, values_int64s: { ints: positions }, default_int64: -1 },
  })
  const row = graph.node('Max', [found, graph.constant([columns.length], BigInt64Array.from(unknown))])
  const rows = graph.node('Gather', [graph.constant([table.length, width], concatenate(table)), row])
  return graph.node('ReduceSum', [rows, graph.constant([1], BigInt64Array.of(1n))], { attributes: { keepdims: 0 } })
}

/** @returns [N, width]: the numeric columns' share of the first layer, added to `start`. Doubles until the encoding is done: long integers are exact. */
function writeNumeric(
  graph: GraphWriter,
  features: readonly FeatureSpec[],
  columns: readonly NumericEncoding[],
  weightsOf: WeightsOf,
  width: number,
  start: string,
): string {
  const integers = columns.filter((column) => features[column.column]!.type === 'integer')
  const reals = columns.filter((column) => features[column.column]!.type === 'real')
  const ordered = [...integers, ...reals]
  const join = (chosen: readonly NumericEncoding[]): string =>
    graph.node(
      'Concat',
      chosen.map((column) => features[column.column]!.name),
      { attributes: { axis: 1 } },
    )
  const toDouble = (value: string): string => graph.node('Cast', [value], { attributes: { to: { cast: 'double' } } })
  const values: string[] = []
  const missing: string[] = []
  if (integers.length > 0) {
    const raw = join(integers)
    missing.push(graph.node('Equal', [raw, graph.constant([1], BigInt64Array.of(MISSING_INTEGER))]))
    values.push(toDouble(raw))
  }
  if (reals.length > 0) {
    const raw = join(reals)
    missing.push(graph.node('IsNaN', [raw]))
    values.push(toDouble(raw))
  }
  const one = (parts: readonly string[]): string =>
    parts.length === 1 ? parts[0]! : graph.node('Concat', parts, { attributes: { axis: 1 } })
  const absent = one(missing)
  const filled = graph.node('Where', [
    absent,
    graph.constant(
      [ordered.length],
      Float64Array.from(ordered, (column) => column.fill),
    ),
    one(values),
  ])

  const parts: string[] = []
  const weights: Float32Array[] = []
  const pieces = ordered.flatMap((column, c) =>
    Array.from({ length: Math.max(0, column.knots.length - 1) }, (_, k) => ({
      c,
      feature: column.offset + k,
      low: column.knots[k]!,
      high: column.knots[k + 1]!,
    })),
  )
  if (pieces.length > 0) {
    const spread = graph.node(
      'Gather',
      [
        filled,
        graph.constant(
          [pieces.length],
          BigInt64Array.from(pieces, (piece) => BigInt(piece.c)),
        ),
      ],
      { attributes: { axis: 1 } },
    )
    const above = graph.node('Sub', [
      spread,
      graph.constant(
        [pieces.length],
        Float64Array.from(pieces, (piece) => piece.low),
      ),
    ])
    const rise = graph.node('Mul', [
      above,
      graph.constant(
        [pieces.length],
        Float64Array.from(pieces, (piece) => 1 / (piece.high - piece.low)),
      ),
    ])
    const clipped = graph.node('Clip', [rise, graph.constant([], Float64Array.of(0)), graph.constant([], Float64Array.of(1))])
    parts.push(graph.node('Cast', [clipped], { attributes: { to: { cast: 'float' } } }))
    for (const piece of pieces) weights.push(weightsOf(piece.feature))
  }
  const flagged = ordered.flatMap((column, c) => (column.missing >= 0 ? [{ c, feature: column.missing }] : []))
  if (flagged.length > 0) {
    const chosen = graph.node(
      'Gather',
      [
        absent,
        graph.constant(
          [flagged.length],
          BigInt64Array.from(flagged, (flag) => BigInt(flag.c)),
        ),
      ],
      { attributes: { axis: 1 } },
    )
    parts.push(graph.node('Cast', [chosen], { attributes: { to: { cast: 'float' } } }))
    for (const flag of flagged) weights.push(weightsOf(flag.feature))
  }
  return graph.node('Gemm', [one(parts), graph.constant([weights.length, width], concatenate(weights)), start])
}

/** No column says anything: the answer is the base rate, once per row of the first input. */
function writeConstant(graph: GraphWriter, input: { readonly name: string }, start: string, width: number): string {
  const shape = graph.node('Shape', [input.name])
  const rows = graph.node('Gather', [shape, graph.constant([1], BigInt64Array.of(0n))], { attributes: { axis: 0 } })
  const target = graph.node('Concat', [rows, graph.constant([1], BigInt64Array.of(BigInt(width)))], { attributes: { axis: 0 } })
  return graph.node('Expand', [start, target])
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}
