import { type JsonObject, type JsonValue, RedoubtError } from '#foundation/core'
import type { InferTensor, TensorDatatype } from '#gateway/serving'
import { integer, readRaw, real, textOf, writeRaw } from './raw-contents.ts'
import type { InferParameter, ModelInferRequest, ModelInferResponse, TensorContents, WireTensor } from './wire.ts'

/** Most of anything that a message repeats, but for values: a model has no more inputs than this. */
const MAX_ENTRIES = 10_000

/** Where the values of a datatype stand, and what one of them is in JSON. */
const CONTENTS: Readonly<Record<TensorDatatype, { readonly member: keyof TensorContents; read(value: never, input: string): JsonValue }>> =
  {
    BOOL: { member: 'bool_contents', read: (value: boolean) => value },
    UINT8: { member: 'uint_contents', read: (value: number) => value },
    UINT16: { member: 'uint_contents', read: (value: number) => value },
    UINT32: { member: 'uint_contents', read: (value: number) => value },
    UINT64: { member: 'uint64_contents', read: (value: string) => Number(value) },
    INT8: { member: 'int_contents', read: (value: number) => value },
    INT16: { member: 'int_contents', read: (value: number) => value },
    INT32: { member: 'int_contents', read: (value: number) => value },
    INT64: { member: 'int64_contents', read: integer },
    FP32: { member: 'fp32_contents', read: real },
    FP64: { member: 'fp64_contents', read: real },
    BYTES: { member: 'bytes_contents', read: textOf },
  }

/**
 * A request as the document that the REST twin of the protocol would have carried, so that one reader judges both. What a client cannot
 * say in it, a missing value, is said by a real that is no number and by the least 64-bit integer.
 * @throws {RedoubtError} `ERR_INPUT_INVALID` for contents that are no values of their datatype.
 */
export function requestDocument(message: ModelInferRequest): JsonObject {
  const { id, parameters, inputs, outputs, raw_input_contents: raw } = message
  if (inputs.length > MAX_ENTRIES || outputs.length > MAX_ENTRIES) throw invalid(`more than ${MAX_ENTRIES} tensors`)
  if (raw.length > 0 && raw.length !== inputs.length) throw invalid('`raw_input_contents` does not have one entry for each input')
  return {
    ...(id === '' ? {} : { id }),
    parameters: parametersDocument(parameters),
    inputs: inputs.map((tensor, i): JsonObject => ({
      name: tensor.name,
      datatype: tensor.datatype,
      shape: tensor.shape.map(Number),
      parameters: parametersDocument(tensor.parameters),
      data: dataOf(tensor, raw.length > 0 ? raw[i] : undefined),
    })),
    outputs: outputs.map((output): JsonObject => ({ name: output.name, parameters: parametersDocument(output.parameters) })),
  }
}

function dataOf({ name, datatype, contents }: WireTensor, raw: Uint8Array | undefined): readonly JsonValue[] {
  const label = name.slice(0, 64).replace(/[^\x20-\x5f\x61-\x7e]/g, '?')
  const filled = Object.entries(contents ?? {}).filter(([, values]) => Array.isArray(values) && values.length > 0)
  if (raw !== undefined) {
    if (filled.length > 0) throw invalid(`the input \`${label}\` has contents twice`)
    return readRaw(raw, datatype, label)
  }
  const known = Object.hasOwn(CONTENTS, datatype) ? CONTENTS[datatype as TensorDatatype] : undefined
  if (known === undefined) throw invalid(`the datatype of the input \`${label}\` is not supported`)
  if (filled.some(([member]) => member !== known.member)) throw invalid(`the input \`${label}\` wants its values in \`${known.member}\``)
  return ((contents?.[known.member] ?? []) as readonly never[]).map((value) => known.read(value, label))
}

function parametersDocument(parameters: Readonly<Record<string, InferParameter>> = {}): JsonObject {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, { parameter_choice: choice, ...values }]): [string, JsonValue] => {
      const value = choice === undefined ? undefined : values[choice]
      if (value === undefined) throw invalid('a parameter has no value')
      return [name, choice === 'int64_param' || choice === 'uint64_param' ? Number(value) : value]
    }),
  )
}

/**
 * @param requested Names of the outputs that were asked for, in that order; null means all.
 * @param raw Whether the values go into `raw_output_contents`.
 */
export function responseMessage(response: {
  readonly modelName: string
  readonly modelVersion: number
  readonly id: string | null
  readonly outputs: readonly InferTensor[]
  readonly requested: readonly string[] | null
  readonly raw: boolean
}): ModelInferResponse {
  const { requested, raw } = response
  const chosen =
    requested === null ? response.outputs : requested.flatMap((name) => response.outputs.filter((output) => output.name === name))
  return {
    model_name: response.modelName,
    model_version: String(response.modelVersion),
    id: response.id ?? '',
    outputs: chosen.map((tensor): WireTensor => ({
      name: tensor.name,
      datatype: tensor.datatype,
      shape: tensor.shape,
      ...(raw ? {} : { contents: { [CONTENTS[tensor.datatype].member]: valuesOf(tensor) } }),
    })),
    raw_output_contents: raw ? chosen.map(writeRaw) : [],
  }
}

function valuesOf({ datatype, data }: InferTensor): readonly unknown[] {
  const values = Array.from(data as ArrayLike<unknown>)
  switch (datatype) {
    case 'BYTES':
      return values.map((value) => Buffer.from(typeof value === 'string' ? value : ''))
    case 'BOOL':
      return values.map(Boolean)
    case 'INT64':
    case 'UINT64':
      return values.map(String)
    default:
      return values.map((value) => (value === null ? Number.NaN : Number(value)))
  }
}

const invalid = (reason: string): RedoubtError => new RedoubtError('ERR_INPUT_INVALID', reason)
