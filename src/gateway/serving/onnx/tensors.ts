import { RedoubtError } from '#foundation/core'
import type { TensorDatatype, TensorSpec } from '#assets/registry'
import { ARRAY_OF, type RuntimeTensor, type TensorNumbers } from './runtime-tensor.ts'

export type TensorData = readonly (string | number | boolean | null)[] | TensorNumbers

/** One tensor of a call or an answer, row-major. Booleans of an answer are bytes 0 and 1. */
export interface InferTensor {
  readonly name: string
  readonly datatype: TensorDatatype
  readonly shape: readonly number[]
  readonly data: TensorData
}

/** How a model trained here is told that a number is missing; its graph fills it as in training. */
export const NULL_INTEGER = -(2n ** 63n)
const NULL_TEXT = ''

/** Elements one call may carry over all its tensors: 1,000 rows of 1,000 columns. */
export const MAX_CALL_ELEMENTS = 4_000_000

/**
 * Turns the tensors of a call into what the runtime takes, in the order of the specs, with null encoded as the model expects it.
 * @throws {RedoubtError} `ERR_INPUT_INVALID` when a tensor is missing, unknown, mistyped, misshaped, or null where it may not be.
 */
export function encodeInputs(specs: readonly TensorSpec[], inputs: readonly InferTensor[], rows: number): readonly RuntimeTensor[] {
  if (!Number.isSafeInteger(rows) || rows < 1) throw invalid('a call has at least one row')
  if (inputs.length !== specs.length) throw invalid('the call does not have one tensor for each input of the model')
  let elements = 0
  return specs.map((spec, index) => {
    // Callers send the inputs in the order of the specs, as a rule.
    const inOrder = inputs[index]
    const tensor = inOrder?.name === spec.name ? inOrder : inputs.find(({ name }) => name === spec.name)
    if (!tensor) throw invalid(`the input \`${spec.name}\` is missing`)
    if (tensor.datatype !== spec.datatype) throw invalid(`the input \`${spec.name}\` wants ${spec.datatype}`)
    const count = checkShape(spec, tensor, rows)
    elements += count
    if (elements > MAX_CALL_ELEMENTS) throw new RedoubtError('ERR_LIMIT_CALL_SIZE', `a call carries at most ${MAX_CALL_ELEMENTS} values`)
    if (tensor.data.length !== count) throw invalid(`the input \`${spec.name}\` does not have the number of values that its shape says`)
    return { name: spec.name, datatype: spec.datatype, shape: tensor.shape, data: encodeData(spec, tensor.data) }
  })
}

function checkShape(spec: TensorSpec, tensor: InferTensor, rows: number): number {
  const { shape } = tensor
  if (shape.length !== spec.shape.length || shape[0] !== rows) throw invalid(`the input \`${spec.name}\` has another shape`)
  let count = 1
  for (const [i, size] of shape.entries()) {
    const wanted = spec.shape[i]
    if (!Number.isSafeInteger(size) || size < 1 || (wanted !== -1 && wanted !== size))
      throw invalid(`the input \`${spec.name}\` has another shape`)
    count *= size
  }
  return count
}

function encodeData(spec: TensorSpec, data: TensorData): TensorNumbers | readonly string[] {
  const { datatype } = spec
  if (datatype === 'BYTES') {
    if (!Array.isArray(data)) throw mistyped(spec)
    return (data as readonly unknown[]).map((value) => {
      if (typeof value === 'string') return value
      if (value === null && spec.nullable) return NULL_TEXT
      throw value === null ? missing(spec) : mistyped(spec)
    })
  }
  if (!Array.isArray(data)) {
    if (!(data instanceof ARRAY_OF[datatype])) throw mistyped(spec)
    return data
  }
  const values = data as readonly (string | number | boolean | null)[]
  switch (datatype) {
    case 'FP32':
    case 'FP64': {
      const typed = datatype === 'FP32' ? new Float32Array(values.length) : new Float64Array(values.length)
      for (let i = 0; i < values.length; i++) {
        const value = values[i]
        if (typeof value === 'number') typed[i] = value
        else if (value === null && spec.nullable) typed[i] = Number.NaN
        else throw value === null ? missing(spec) : mistyped(spec)
      }
      return typed
    }
    case 'INT64':
    case 'UINT64': {
      const typed = datatype === 'INT64' ? new BigInt64Array(values.length) : new BigUint64Array(values.length)
      for (let i = 0; i < values.length; i++) {
        const value = values[i]
        if (typeof value === 'number' && Number.isSafeInteger(value)) typed[i] = BigInt(value)
        else if (value === null && spec.nullable && datatype === 'INT64') typed[i] = NULL_INTEGER
        else throw value === null ? missing(spec) : mistyped(spec)
      }
      return typed
    }
    default: {
      const typed = new ARRAY_OF[datatype](values.length) as Int32Array
      for (let i = 0; i < values.length; i++) {
        const value = values[i]
        if (value === null || value === undefined) throw missing(spec)
        if (typeof value === 'string' || (typeof value === 'boolean') !== (datatype === 'BOOL')) throw mistyped(spec)
        typed[i] = Number(value)
        if (typed[i] !== Number(value)) throw mistyped(spec)
      }
      return typed
    }
  }
}

const invalid = (reason: string): RedoubtError => new RedoubtError('ERR_INPUT_INVALID', reason)
const missing = (spec: TensorSpec): RedoubtError => invalid(`the input \`${spec.name}\` may not be null`)
const mistyped = (spec: TensorSpec): RedoubtError => invalid(`the input \`${spec.name}\` has a value that is not ${spec.datatype}`)
