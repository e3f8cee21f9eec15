import { type JsonValue, RedoubtError } from '#foundation/core'
import { MAX_CALL_ELEMENTS, type TensorSpec } from '#gateway/serving'

type Scalar = string | number | boolean | null

const MAX_FP32 = 3.4028234663852886e38

/** Which JSON scalar a datatype takes. Integers beyond 2^53 are refused: JSON readers have rounded them by then. */
const ACCEPTS: Readonly<Record<TensorSpec['datatype'], (value: JsonValue) => boolean>> = {
  BOOL: (value) => typeof value === 'boolean',
  UINT8: integer(0, 2 ** 8 - 1),
  UINT16: integer(0, 2 ** 16 - 1),
  UINT32: integer(0, 2 ** 32 - 1),
  UINT64: integer(0, Number.MAX_SAFE_INTEGER),
  INT8: integer(-(2 ** 7), 2 ** 7 - 1),
  INT16: integer(-(2 ** 15), 2 ** 15 - 1),
  INT32: integer(-(2 ** 31), 2 ** 31 - 1),
  INT64: integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  FP32: (value) => typeof value === 'number' && Math.abs(value) <= MAX_FP32,
  FP64: (value) => typeof value === 'number' && Number.isFinite(value),
  BYTES: (value) => typeof value === 'string' && value.isWellFormed(),
}

function integer(min: number, max: number): (value: JsonValue) => boolean {
  return (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
}

/**
 * Reads `data` of one input, flat or nested exactly as its shape says, each value checked against the datatype.
 * Messages name the position, never the value: it may be personal.
 * @throws {RedoubtError} `ERR_INPUT_INVALID`, `ERR_LIMIT_CALL_SIZE`
 */
export function readTensorData(data: JsonValue | undefined, spec: TensorSpec, shape: readonly number[]): readonly Scalar[] {
  const count = shape.reduce((product, size) => product * size, 1)
  if (count > MAX_CALL_ELEMENTS) throw new RedoubtError('ERR_LIMIT_CALL_SIZE', `an input may carry ${MAX_CALL_ELEMENTS} values`)
  if (!Array.isArray(data)) throw invalid(`the input \`${spec.name}\` has no list \`data\``)
  const values = data as readonly JsonValue[]
  const flat = values.length > 0 && !Array.isArray(values[0])
  if (flat) {
    if (values.length !== count) throw invalid(`the input \`${spec.name}\` has ${values.length} values and its shape says ${count}`)
    for (let i = 0; i < values.length; i++) check(values[i], spec, i)
    return values as readonly Scalar[]
  }
  const collected: Scalar[] = []
  collect(values, 0)
  return collected

  function collect(list: readonly JsonValue[], depth: number): void {
    if (list.length !== shape[depth]) throw invalid(`the input \`${spec.name}\` is not nested as its shape says`)
    const last = depth === shape.length - 1
    for (const item of list) {
      if (last) {
        check(item, spec, collected.length)
        collected.push(item as Scalar)
      } else if (Array.isArray(item)) collect(item as readonly JsonValue[], depth + 1)
      else throw invalid(`the input \`${spec.name}\` is not nested as its shape says`)
    }
  }
}

function check(value: JsonValue | undefined, spec: TensorSpec, position: number): void {
  if (value === null) {
    if (!spec.nullable) throw invalid(`value ${position} of the input \`${spec.name}\` may not be null`)
  } else if (value === undefined || !ACCEPTS[spec.datatype](value))
    throw invalid(`value ${position} of the input \`${spec.name}\` is not ${spec.datatype}`)
}

const invalid = (reason: string): RedoubtError => new RedoubtError('ERR_INPUT_INVALID', reason)
