import { type JsonObject, type JsonValue, parseStrictJson, RedoubtError } from '#foundation/core'
import type { InferTensor, TensorSpec } from '#gateway/serving'
import { readTensorData } from './open-inference-data.ts'

/**
 * The Open Inference Protocol (KServe V2) over REST: what is read from a request and written into an answer. No I/O.
 * @see kserve/open-inference-protocol, specification/protocol/inference_rest.md
 */

export interface InferBounds {
  readonly maxBodyBytes: number
  /** Rows of one call. */
  readonly maxRows: number
}

export interface InferRequest {
  readonly id: string | null
  /** The person whom the rows are about, from the parameter `subject`. */
  readonly subject: string | null
  /** In the order of the model's inputs. */
  readonly inputs: readonly InferTensor[]
  /** Names of the outputs that were asked for; null means all. */
  readonly outputs: readonly string[] | null
  readonly rows: number
}

/** Body, `inputs`, one input, `data`, and up to eight dimensions of nested data. */
const MAX_DEPTH = 12
const MAX_ID_LENGTH = 256
const MAX_SUBJECT_LENGTH = 512
const MAX_PARAMETER_LENGTH = 1024

const REQUEST_MEMBERS: ReadonlySet<string> = new Set(['id', 'parameters', 'inputs', 'outputs'])
const INPUT_MEMBERS: ReadonlySet<string> = new Set(['name', 'shape', 'datatype', 'data', 'parameters'])
const OUTPUT_MEMBERS: ReadonlySet<string> = new Set(['name', 'parameters'])
/** `content_type` is a hint that clients' codecs add and this server does not need. */
const KNOWN_PARAMETERS: ReadonlySet<string> = new Set(['content_type'])
const BINARY_SWITCHES: ReadonlySet<string> = new Set(['binary_data', 'binary_data_output'])
const REQUEST_PARAMETERS: ReadonlySet<string> = new Set([...KNOWN_PARAMETERS, 'subject'])

/**
 * Reads an inference request strictly against the tensors of the model.
 * @throws {RedoubtError} `ERR_INPUT_INVALID` and the other `ERR_INPUT_…` codes with the input named; `ERR_LIMIT_CALL_SIZE` for more rows than allowed.
 */
export function parseInferRequest(
  body: Uint8Array,
  model: { readonly inputs: readonly TensorSpec[]; readonly outputs: readonly TensorSpec[] },
  bounds: InferBounds,
): InferRequest {
  return readInferRequest(parseStrictJson(body, { maxBytes: bounds.maxBodyBytes, maxDepth: MAX_DEPTH }), model, bounds)
}

/** As `parseInferRequest`, for a document that was read already. */
export function readInferRequest(
  document: JsonValue,
  model: { readonly inputs: readonly TensorSpec[]; readonly outputs: readonly TensorSpec[] },
  bounds: InferBounds,
): InferRequest {
  if (!isObject(document)) throw invalid('the body is not an object')
  onlyMembers(document, REQUEST_MEMBERS, 'the request')
  const { id, inputs } = document
  if (id !== undefined && (typeof id !== 'string' || id.length > MAX_ID_LENGTH))
    throw invalid(`\`id\` is not a text of at most ${MAX_ID_LENGTH} characters`)
  const parameters = readParameters(document['parameters'], REQUEST_PARAMETERS, 'the request')
  const subject = parameters['subject']
  if (subject !== undefined && (typeof subject !== 'string' || subject.length === 0 || subject.length > MAX_SUBJECT_LENGTH))
    throw invalid(`the parameter \`subject\` is not a text of 1 to ${MAX_SUBJECT_LENGTH} characters`)
  if (!Array.isArray(inputs)) throw invalid('`inputs` is not a list')
  const tensors = readInputs(inputs as readonly JsonValue[], model.inputs, bounds)
  return {
    id: id === undefined ? null : id,
    subject: subject === undefined ? null : subject,
    inputs: tensors,
    outputs: readOutputs(document['outputs'], model.outputs),
    rows: tensors[0]?.shape[0] ?? 0,
  }
}

function readInputs(entries: readonly JsonValue[], specs: readonly TensorSpec[], bounds: InferBounds): readonly InferTensor[] {
  if (entries.length > specs.length) throw invalid(`the model has ${specs.length} inputs and the request ${entries.length}`)
  const byName = new Map(specs.map((spec) => [spec.name, spec]))
  const found = new Map<string, InferTensor>()
  let rows: number | null = null
  for (const entry of entries) {
    if (!isObject(entry)) throw invalid('an input is not an object')
    const { name } = entry
    if (typeof name !== 'string') throw invalid('an input has no `name`')
    const spec = byName.get(name)
    if (!spec) throw invalid(`the model has no input ${quoted(name)}`)
    if (found.has(name)) throw invalid(`the input ${quoted(name)} is sent twice`)
    onlyMembers(entry, INPUT_MEMBERS, `the input ${quoted(name)}`)
    readParameters(entry['parameters'], KNOWN_PARAMETERS, `the input ${quoted(name)}`)
    if (entry['datatype'] !== spec.datatype) throw invalid(`the input ${quoted(name)} wants the datatype ${spec.datatype}`)
    const shape = readShape(entry['shape'], spec)
    const first = shape[0] ?? 0
    rows ??= first
    if (rows !== first) throw invalid(`the input ${quoted(name)} has ${first} rows and the inputs before it ${rows}`)
    if (rows > bounds.maxRows)
      throw new RedoubtError('ERR_LIMIT_CALL_SIZE', `a call may carry ${bounds.maxRows} rows`, {
        evidence: { rows, maxRows: bounds.maxRows },
      })
    found.set(name, { name, datatype: spec.datatype, shape, data: readTensorData(entry['data'], spec, shape) })
  }
  return specs.map(({ name }) => {
    const tensor = found.get(name)
    if (!tensor) throw invalid(`the input ${quoted(name)} is missing`)
    return tensor
  })
}

function readShape(value: JsonValue | undefined, spec: TensorSpec): readonly number[] {
  const wanted = `[${spec.shape.map((size) => (size === -1 ? 'N' : size)).join(', ')}]`
  if (!Array.isArray(value) || value.length !== spec.shape.length) throw invalid(`the input ${quoted(spec.name)} wants the shape ${wanted}`)
  for (const [i, size] of (value as readonly JsonValue[]).entries()) {
    const fixed = spec.shape[i]
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 1 || (fixed !== -1 && fixed !== size))
      throw invalid(`the input ${quoted(spec.name)} wants the shape ${wanted}`)
  }
  return value as readonly number[]
}

function readOutputs(value: JsonValue | undefined, specs: readonly TensorSpec[]): readonly string[] | null {
  if (value === undefined) return null
  if (!Array.isArray(value)) throw invalid('`outputs` is not a list')
  // Some clients send an empty list when they want everything.
  if (value.length === 0) return null
  const names: string[] = []
  for (const entry of value as readonly JsonValue[]) {
    if (!isObject(entry) || typeof entry['name'] !== 'string') throw invalid('an output has no `name`')
    const { name } = entry
    onlyMembers(entry, OUTPUT_MEMBERS, 'an output')
    readParameters(entry['parameters'], KNOWN_PARAMETERS, 'an output')
    if (!specs.some((spec) => spec.name === name)) throw invalid(`the model has no output ${quoted(name)}`)
    if (names.includes(name)) throw invalid(`the output ${quoted(name)} is asked for twice`)
    names.push(name)
  }
  return names
}

/** The binary and shared-memory extensions would carry values past every check above, so their parameters are refused by name. */
function readParameters(value: JsonValue | undefined, known: ReadonlySet<string>, owner: string): JsonObject {
  if (value === undefined) return {}
  if (!isObject(value)) throw invalid(`\`parameters\` of ${owner} is not an object`)
  for (const [name, parameter] of Object.entries(value)) {
    // Clients also say that they do not want it.
    if (BINARY_SWITCHES.has(name) && parameter === false) continue
    if (name.startsWith('binary_data')) throw invalid(`the binary data extension (${quoted(name)}) is not supported: send \`data\` as JSON`)
    if (!known.has(name)) throw invalid(`the parameter ${quoted(name)} of ${owner} is not supported`)
    if (typeof parameter === 'object' || (typeof parameter === 'string' && parameter.length > MAX_PARAMETER_LENGTH))
      throw invalid(`the parameter ${quoted(name)} of ${owner} is not a text, number or boolean`)
  }
  return value
}

function onlyMembers(value: JsonObject, known: ReadonlySet<string>, owner: string): void {
  for (const name of Object.keys(value)) if (!known.has(name)) throw invalid(`${owner} has an unknown member ${quoted(name)}`)
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const MAX_QUOTED = 64

/** A name that the caller sent, fit for a message. */
function quoted(name: string): string {
  return `\`${name.slice(0, MAX_QUOTED).replace(/[^\x20-\x5f\x61-\x7e]/g, '?')}\``
}

const invalid = (reason: string): RedoubtError => new RedoubtError('ERR_INPUT_INVALID', reason)
