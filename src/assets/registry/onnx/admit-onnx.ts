import { parseStrictJsonText, type JsonObject, type JsonValue } from '#foundation/core'
import { bypassZipMap } from './bypass-zipmap.ts'
import type { TensorSpec } from './element-types.ts'
import { printable, readOnnxModel, refuse, type OnnxModel } from './read-onnx-model.ts'

/** Key of the `metadata_props` entry in which models trained here describe themselves. */
export const REDOUBT_METADATA = 'redoubt'
/** Inputs or outputs: as many as a table may have columns. */
const MAX_MODEL_TENSORS = 4096
const MAX_DESCRIPTION_LENGTH = 1024 * 1024

/** A file that may be stored and served. */
export interface AdmittedModel {
  readonly file: Uint8Array
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  /** How `file` was derived from what was handed in; null when it is the same file. */
  readonly derivation: 'zipmap-bypass' | null
}

/**
 * Decides whether an ONNX file may be registered, and as what.
 * @param foreign Whether it was made elsewhere. Models of our own may take null for text, integers and reals, which the graph
 *   handles as in training; a stranger's model only for reals, as NaN.
 * @throws {RedoubtError} `ERR_MODEL_FORMAT` with the reason, `ERR_INPUT_TOO_LARGE`
 */
export function admitOnnx(file: Uint8Array, foreign: boolean): AdmittedModel {
  const model = readOnnxModel(file)
  const derived = bypassZipMap(model)
  const served = derived === null ? model : readOnnxModel(derived)
  const nullable = foreign ? (datatype: string) => datatype === 'FP32' || datatype === 'FP64' : nullableInputs(served)
  return {
    file: derived ?? file,
    inputs: inputSpecs(served, nullable),
    outputs: outputSpecs(served),
    derivation: derived === null ? null : 'zipmap-bypass',
  }
}

function inputSpecs(model: OnnxModel, nullable: (datatype: string) => boolean): readonly TensorSpec[] {
  if (model.inputs.length === 0) throw refuse('the model has no inputs')
  if (model.inputs.length > MAX_MODEL_TENSORS) throw refuse(`the model has more than ${MAX_MODEL_TENSORS} inputs`)
  unique(model.inputs.map(({ name }) => name))
  return model.inputs.map(({ name, spec }) => {
    if (!spec) throw refuse(`the input \`${printable(name)}\` is not a tensor`)
    if (spec.shape.length === 0) throw refuse(`the input \`${printable(name)}\` has no dimension for rows`)
    return nullable(spec.datatype) ? { ...spec, nullable: true } : spec
  })
}

function outputSpecs(model: OnnxModel): readonly TensorSpec[] {
  if (model.outputs.length === 0) throw refuse('the model has no outputs')
  if (model.outputs.length > MAX_MODEL_TENSORS) throw refuse(`the model has more than ${MAX_MODEL_TENSORS} outputs`)
  unique(model.outputs.map(({ name }) => name))
  return model.outputs.map(({ name, spec }) => {
    if (!spec) throw refuse(`the output \`${printable(name)}\` is not a tensor (a sequence or a map)`)
    return spec
  })
}

function unique(names: readonly string[]): void {
  if (new Set(names).size !== names.length) throw refuse('two inputs or two outputs have the same name')
}

/** How each datatype carries a missing value to a graph that was trained here. INT64 as text: it exceeds a JSON number. */
const NULL_ENCODING: Readonly<Record<string, string>> = { BYTES: '', INT64: '-9223372036854775808', FP32: 'NaN', FP64: 'NaN' }

/** By default every input but a boolean may be null; a model that names its null encoding says which datatypes. */
function nullableInputs(model: OnnxModel): (datatype: string) => boolean {
  const text = model.metadata.get(REDOUBT_METADATA)
  if (text === undefined) return (datatype) => Object.hasOwn(NULL_ENCODING, datatype)
  const encoding = memberOf(parseDescription(text), 'nullEncoding')
  if (encoding === undefined) return (datatype) => Object.hasOwn(NULL_ENCODING, datatype)
  if (typeof encoding !== 'object' || encoding === null || Array.isArray(encoding)) throw refuse(UNREADABLE)
  // Another encoding would be served as if it were this one, and every missing value would be a wrong one.
  for (const [datatype, value] of Object.entries(encoding))
    if (NULL_ENCODING[datatype] !== value) throw refuse('the model encodes missing values in another way')
  return (datatype) => Object.hasOwn(encoding, datatype)
}

const UNREADABLE = 'the model describes itself in a form that is not understood'

function parseDescription(text: string): JsonValue {
  try {
    return parseStrictJsonText(text, { maxBytes: MAX_DESCRIPTION_LENGTH, maxDepth: 16 })
  } catch {
    throw refuse(UNREADABLE)
  }
}

function memberOf(value: JsonValue, name: string): JsonValue | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject)[name] : undefined
}
