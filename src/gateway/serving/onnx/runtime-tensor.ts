import type { TensorDatatype } from '#assets/registry'

// INVARIANT: no imports but types here and in the files beside it that the child process loads; it may read nothing else.

export type TensorNumbers =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array
/** A tensor as the runtime takes and gives it: numbers in a typed array, texts in a list. */
export interface RuntimeTensor {
  readonly name: string
  readonly datatype: TensorDatatype
  readonly shape: readonly number[]
  readonly data: TensorNumbers | readonly string[]
}

type NumberArray = new (length: number) => TensorNumbers

/** Runtime array of each datatype; texts are the one exception. */
export const ARRAY_OF: Readonly<Record<Exclude<TensorDatatype, 'BYTES'>, NumberArray>> = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP32: Float32Array,
  FP64: Float64Array,
}
