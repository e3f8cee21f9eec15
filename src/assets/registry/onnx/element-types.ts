/** The tensor element types that both ONNX and the Open Inference Protocol name; all others are refused. */
export const TENSOR_DATATYPES = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP32',
  'FP64',
  'BYTES',
] as const
export type TensorDatatype = (typeof TENSOR_DATATYPES)[number]

/** @see onnx.proto, TensorProto.DataType */
const DATATYPE_OF_ELEMENT: Readonly<Record<number, TensorDatatype>> = {
  1: 'FP32',
  2: 'UINT8',
  3: 'INT8',
  4: 'UINT16',
  5: 'INT16',
  6: 'INT32',
  7: 'INT64',
  8: 'BYTES',
  9: 'BOOL',
  11: 'FP64',
  12: 'UINT32',
  13: 'UINT64',
}

export function datatypeOfElement(element: bigint): TensorDatatype | null {
  return element <= 13n ? (DATATYPE_OF_ELEMENT[Number(element)] ?? null) : null
}

/** One input or output of a model, in the words of the Open Inference Protocol. */
export interface TensorSpec {
  readonly name: string
  readonly datatype: TensorDatatype
  /** -1 stands for the number of rows in first place, and for any size elsewhere. */
  readonly shape: readonly number[]
  /** Whether a row may leave this input out by sending null. */
  readonly nullable?: boolean
}
