import type { onnx as Onnx } from 'onnx-proto'
import onnxProto from 'onnx-proto'

// The package is CommonJS whose names Node cannot see.
const { onnx } = onnxProto

/**
 * Versions are pinned: opset 20 is the first with StringConcat, and IR 9 the version that came with it (ONNX 1.15).
 * Only operators of ai.onnx and ai.onnx.ml are written.
 */
const OPSET = 20
const ML_OPSET = 3
const IR_VERSION = 9

export type ElementType = 'float' | 'double' | 'int64' | 'string'

const ELEMENT: Readonly<Record<ElementType, number>> = {
  float: onnx.TensorProto.DataType.FLOAT,
  double: onnx.TensorProto.DataType.DOUBLE,
  int64: onnx.TensorProto.DataType.INT64,
  string: onnx.TensorProto.DataType.STRING,
}

type AttributeValue =
  | number
  | { readonly cast: ElementType }
  | { readonly strings: readonly string[] }
  | { readonly ints: readonly number[] }

export interface Port {
  readonly name: string
  readonly type: ElementType
}

/** Writes an ONNX graph node by node; values are named by position under a prefix no feature bears. */
export class GraphWriter {
  readonly #prefix: string
  readonly #nodes: Onnx.INodeProto[] = []
  readonly #constants: Onnx.ITensorProto[] = []
  #names = 0

  /** @param taken names of inputs and outputs, that values inside the graph must not bear. */
  constructor(taken: readonly string[]) {
    let prefix = 'v'
    while (taken.some((name) => name.startsWith(prefix))) prefix += '_'
    this.#prefix = prefix
  }

  constant(dims: readonly number[], values: Float32Array | Float64Array | BigInt64Array | readonly string[]): string {
    const name = this.#name()
    if (values instanceof Float32Array || values instanceof Float64Array || values instanceof BigInt64Array) {
      const type = values instanceof Float32Array ? 'float' : values instanceof Float64Array ? 'double' : 'int64'
      // Raw tensor data are little-endian, as is every platform that this runs on.
      const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
      this.#constants.push({ name, dims: [...dims], dataType: ELEMENT[type], rawData })
    } else {
      this.#constants.push({ name, dims: [...dims], dataType: ELEMENT.string, stringData: values.map((text) => Buffer.from(text, 'utf8')) })
    }
    return name
  }

  node(
    opType: string,
    input: readonly string[],
    options: {
      readonly attributes?: Readonly<Record<string, AttributeValue>>
      readonly domain?: 'ai.onnx.ml'
      readonly output?: string
    } = {},
  ): string {
    const output = options.output ?? this.#name()
    const attribute = Object.entries(options.attributes ?? {}).map(([name, value]) => toAttribute(name, value))
    this.#nodes.push({
      opType,
      input: [...input],
      output: [output],
      attribute,
      domain: options.domain ?? '',
      name: `${opType}_${this.#nodes.length}`,
    })
    return output
  }

  /** @returns the model file. Every port has shape [N, 1]. */
  finish(ports: {
    readonly inputs: readonly Port[]
    readonly outputs: readonly Port[]
    readonly name: string
    readonly metadata: Readonly<Record<string, string>>
  }): Uint8Array {
    const model = onnx.ModelProto.create({
      irVersion: IR_VERSION,
      producerName: 'redoubt',
      opsetImport: [
        { domain: '', version: OPSET },
        { domain: 'ai.onnx.ml', version: ML_OPSET },
      ],
      metadataProps: Object.entries(ports.metadata).map(([key, value]) => ({ key, value })),
      graph: {
        name: ports.name,
        node: this.#nodes,
        initializer: this.#constants,
        input: ports.inputs.map(toValueInfo),
        output: ports.outputs.map(toValueInfo),
      },
    })
    return onnx.ModelProto.encode(model).finish()
  }

  #name(): string {
    return `${this.#prefix}${this.#names++}`
  }
}

function toValueInfo({ name, type }: Port): Onnx.IValueInfoProto {
  return { name, type: { tensorType: { elemType: ELEMENT[type], shape: { dim: [{ dimParam: 'N' }, { dimValue: 1 }] } } } }
}

function toAttribute(name: string, value: AttributeValue): Onnx.IAttributeProto {
  const { AttributeType } = onnx.AttributeProto
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: value }
  if ('cast' in value) return { name, type: AttributeType.INT, i: ELEMENT[value.cast] }
  if ('ints' in value) return { name, type: AttributeType.INTS, ints: [...value.ints] }
  return { name, type: AttributeType.STRINGS, strings: value.strings.map((text) => Buffer.from(text, 'utf8')) }
}
