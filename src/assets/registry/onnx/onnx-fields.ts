/**
 * Which fields a message of onnx.proto may have, by message: the reader refuses what is not here, so that a file cannot carry
 * what this server did not look at. `one` may appear once, `many` may repeat; the value is the wire type, `packed` both.
 * @see onnx.proto (IR version 11)
 */
type Wire = 'varint' | 'bytes' | 'fixed' | 'packed'
interface FieldRule {
  readonly name: string
  readonly wire: Wire
  readonly many?: true
}
export type MessageRules = Readonly<Record<number, FieldRule>>

const one = (name: string, wire: Wire): FieldRule => ({ name, wire })
const many = (name: string, wire: Wire): FieldRule => ({ name, wire, many: true })

export const MODEL: MessageRules = {
  1: one('ir_version', 'varint'),
  2: one('producer_name', 'bytes'),
  3: one('producer_version', 'bytes'),
  4: one('domain', 'bytes'),
  5: one('model_version', 'varint'),
  6: one('doc_string', 'bytes'),
  7: one('graph', 'bytes'),
  8: many('opset_import', 'bytes'),
  14: many('metadata_props', 'bytes'),
  20: many('training_info', 'bytes'),
  25: many('functions', 'bytes'),
}

export const GRAPH: MessageRules = {
  1: many('node', 'bytes'),
  2: one('name', 'bytes'),
  5: many('initializer', 'bytes'),
  10: one('doc_string', 'bytes'),
  11: many('input', 'bytes'),
  12: many('output', 'bytes'),
  13: many('value_info', 'bytes'),
  14: many('quantization_annotation', 'bytes'),
  15: many('sparse_initializer', 'bytes'),
  16: many('metadata_props', 'bytes'),
}

export const NODE: MessageRules = {
  1: many('input', 'bytes'),
  2: many('output', 'bytes'),
  3: one('name', 'bytes'),
  4: one('op_type', 'bytes'),
  5: many('attribute', 'bytes'),
  6: one('doc_string', 'bytes'),
  7: one('domain', 'bytes'),
  8: one('overload', 'bytes'),
  9: many('metadata_props', 'bytes'),
}

export const ATTRIBUTE: MessageRules = {
  1: one('name', 'bytes'),
  2: one('f', 'fixed'),
  3: one('i', 'varint'),
  4: one('s', 'bytes'),
  5: one('t', 'bytes'),
  6: one('g', 'bytes'),
  7: many('floats', 'packed'),
  8: many('ints', 'packed'),
  9: many('strings', 'bytes'),
  10: many('tensors', 'bytes'),
  11: many('graphs', 'bytes'),
  13: one('doc_string', 'bytes'),
  14: one('tp', 'bytes'),
  15: many('type_protos', 'bytes'),
  20: one('type', 'varint'),
  21: one('ref_attr_name', 'bytes'),
  22: one('sparse_tensor', 'bytes'),
  23: many('sparse_tensors', 'bytes'),
}

export const TENSOR: MessageRules = {
  1: many('dims', 'packed'),
  2: one('data_type', 'varint'),
  4: many('float_data', 'packed'),
  5: many('int32_data', 'packed'),
  6: many('string_data', 'bytes'),
  7: many('int64_data', 'packed'),
  8: one('name', 'bytes'),
  9: one('raw_data', 'bytes'),
  10: many('double_data', 'packed'),
  11: many('uint64_data', 'packed'),
  12: one('doc_string', 'bytes'),
  13: many('external_data', 'bytes'),
  14: one('data_location', 'varint'),
  16: many('metadata_props', 'bytes'),
}

export const SPARSE_TENSOR: MessageRules = { 1: one('values', 'bytes'), 2: one('indices', 'bytes'), 3: many('dims', 'packed') }
export const OPERATOR_SET: MessageRules = { 1: one('domain', 'bytes'), 2: one('version', 'varint') }
export const ENTRY: MessageRules = { 1: one('key', 'bytes'), 2: one('value', 'bytes') }
export const VALUE_INFO: MessageRules = {
  1: one('name', 'bytes'),
  2: one('type', 'bytes'),
  3: one('doc_string', 'bytes'),
  4: many('metadata_props', 'bytes'),
}
export const TYPE: MessageRules = {
  1: one('tensor_type', 'bytes'),
  4: one('sequence_type', 'bytes'),
  5: one('map_type', 'bytes'),
  6: one('denotation', 'bytes'),
  8: one('sparse_tensor_type', 'bytes'),
  9: one('optional_type', 'bytes'),
}
export const TENSOR_TYPE: MessageRules = { 1: one('elem_type', 'varint'), 2: one('shape', 'bytes') }
export const SHAPE: MessageRules = { 1: many('dim', 'bytes') }
export const DIMENSION: MessageRules = { 1: one('dim_value', 'varint'), 2: one('dim_param', 'bytes'), 3: one('denotation', 'bytes') }
