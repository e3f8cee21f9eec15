import { RedoubtError } from '#foundation/core'
import { datatypeOfElement, type TensorSpec } from './element-types.ts'
import {
  ATTRIBUTE,
  DIMENSION,
  ENTRY,
  GRAPH,
  MODEL,
  NODE,
  OPERATOR_SET,
  SHAPE,
  SPARSE_TENSOR,
  TENSOR,
  TENSOR_TYPE,
  TYPE,
  VALUE_INFO,
  type MessageRules,
} from './onnx-fields.ts'
import { readFields, readText, type Field, type ReaderBudget } from './protobuf-reader.ts'

/** 256 MiB: what one file may weigh. It is held in memory while it is checked, sealed and loaded. */
export const MAX_MODEL_BYTES = 256 * 1024 * 1024
/** Fields in the whole file: a forest of a million nodes has some ten million. */
const MAX_FIELDS = 16_000_000
/** Numbers of one list that are kept while it is looked at; they matter only as the class labels of a ZipMap. */
const MAX_KEPT_SCALARS = 100_001
/** Graphs inside `If`, `Loop` and `Scan`. */
const MAX_SUBGRAPH_DEPTH = 8
const MAX_RANK = 8
const MAX_NAME_LENGTH = 256
const MAX_METADATA_BYTES = 1024 * 1024

/** Operators come from the two standard sets; anything else is code that this server does not know. */
const ALLOWED_DOMAINS: ReadonlySet<string> = new Set(['', 'ai.onnx', 'ai.onnx.ml'])

/** A value that enters or leaves a graph. `spec` is null when it is not a tensor. */
export interface OnnxValue {
  readonly name: string
  readonly spec: TensorSpec | null
  readonly field: Field
}

export interface OnnxNode {
  readonly opType: string
  readonly domain: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Kept for ZipMap alone: those of a forest are large. */
  readonly attributes: ReadonlyMap<string, readonly Field[]>
  readonly field: Field
}

/** A model of which every part was looked at. */
export interface OnnxModel {
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  readonly nodes: readonly OnnxNode[]
  /** Names that inner graphs read from the outer one. */
  readonly innerInputs: ReadonlySet<string>
  readonly metadata: ReadonlyMap<string, string>
  readonly fields: readonly Field[]
  readonly graphFields: readonly Field[]
}

export const refuse = (reason: string): RedoubtError => new RedoubtError('ERR_MODEL_FORMAT', reason)

interface Walk {
  readonly budget: ReaderBudget
  readonly innerInputs: Set<string>
  readonly imported: Set<string>
}

/**
 * Reads an ONNX file from attacker-controlled bytes and refuses, by name, what this server does not serve: data in other files,
 * operators outside the two standard sets, local functions, training graphs, deep nesting, unknown or doubled fields.
 * Nothing is executed and no weight is copied.
 * @throws {RedoubtError} `ERR_MODEL_FORMAT`, `ERR_INPUT_TOO_LARGE`
 */
export function readOnnxModel(file: Uint8Array): OnnxModel {
  if (file.byteLength > MAX_MODEL_BYTES) throw new RedoubtError('ERR_INPUT_TOO_LARGE', `the model exceeds ${MAX_MODEL_BYTES} bytes`)
  const walk: Walk = { budget: { fields: MAX_FIELDS }, innerInputs: new Set(), imported: new Set() }
  const fields = message(file, MODEL, walk)
  if (all(fields, 25).length > 0) throw refuse('the model defines functions of its own')
  if (all(fields, 20).length > 0) throw refuse('the model carries a training graph')
  const imports = all(fields, 8).map((field) => textOf(message(field.content, OPERATOR_SET, walk), 1))
  if (imports.length === 0) throw refuse('the model imports no operator set')
  for (const domain of imports) {
    checkDomain(domain)
    walk.imported.add(canonicalDomain(domain))
  }
  const metadata = new Map<string, string>()
  for (const field of all(fields, 14)) {
    if (field.content.byteLength > MAX_METADATA_BYTES) throw refuse('a metadata entry is too large')
    const entry = message(field.content, ENTRY, walk)
    const key = textOf(entry, 1)
    if (metadata.has(key)) throw refuse('a metadata key appears twice')
    metadata.set(key, textOf(entry, 2))
  }
  const graph = all(fields, 7)[0]
  if (!graph) throw refuse('the model has no graph')
  const graphFields = message(graph.content, GRAPH, walk)
  const nodes = checkGraph(graphFields, walk, 0)
  // Up to IR version 3 each initialiser is listed as an input as well.
  const initialisers = new Set(all(graphFields, 5).map((field) => textOf(message(field.content, TENSOR, walk), 8)))
  const inputs = all(graphFields, 11)
    .map((field) => readValue(field, walk))
    .filter(({ name }) => !initialisers.has(name))
  const outputs = all(graphFields, 12).map((field) => readValue(field, walk))
  return { inputs, outputs, nodes, innerInputs: walk.innerInputs, metadata, fields, graphFields }
}

function checkGraph(fields: readonly Field[], walk: Walk, depth: number): readonly OnnxNode[] {
  if (depth > MAX_SUBGRAPH_DEPTH) throw refuse(`graphs are nested deeper than ${MAX_SUBGRAPH_DEPTH}`)
  for (const field of all(fields, 5)) checkTensor(field.content, walk)
  for (const field of all(fields, 15)) checkSparseTensor(field.content, walk)
  const nodes = all(fields, 1).map((field) => readNode(field, walk, depth))
  if (depth > 0) for (const node of nodes) for (const name of node.inputs) walk.innerInputs.add(name)
  // An inner graph may hand an outer value straight to its output.
  if (depth > 0) for (const field of all(fields, 12)) walk.innerInputs.add(textOf(message(field.content, VALUE_INFO, walk), 1))
  return nodes
}

function readNode(field: Field, walk: Walk, depth: number): OnnxNode {
  const fields = message(field.content, NODE, walk)
  const domain = textOf(fields, 7)
  checkDomain(domain)
  if (!walk.imported.has(canonicalDomain(domain))) throw refuse('a node uses an operator set that the model does not import')
  const opType = textOf(fields, 4)
  if (opType === '') throw refuse('a node has no operator')
  const attributes = new Map<string, readonly Field[]>()
  const names = new Set<string>()
  for (const attribute of all(fields, 5)) {
    const parts = message(attribute.content, ATTRIBUTE, walk)
    const name = textOf(parts, 1)
    if (names.has(name)) throw refuse('a node has an attribute twice')
    names.add(name)
    if (opType === 'ZipMap') attributes.set(name, parts)
    for (const part of parts) {
      if (part.number === 5 || part.number === 10) checkTensor(part.content, walk)
      else if (part.number === 22 || part.number === 23) checkSparseTensor(part.content, walk)
      else if (part.number === 6 || part.number === 11) checkGraph(message(part.content, GRAPH, walk), walk, depth + 1)
      else if (part.number === 21) throw refuse('a node refers to an attribute of a function')
    }
  }
  return { opType, domain, inputs: all(fields, 1).map(asText), outputs: all(fields, 2).map(asText), attributes, field }
}

/** External data name a path that the runtime would open on this host. */
function checkTensor(content: Uint8Array, walk: Walk): void {
  const fields = message(content, TENSOR, walk)
  const location = all(fields, 14)[0]?.varint ?? 0n
  if (all(fields, 13).length > 0 || location !== 0n) throw refuse('the model keeps weights in another file (external data)')
}

function checkSparseTensor(content: Uint8Array, walk: Walk): void {
  for (const field of message(content, SPARSE_TENSOR, walk)) if (field.number !== 3) checkTensor(field.content, walk)
}

function checkDomain(domain: string): void {
  if (!ALLOWED_DOMAINS.has(domain)) throw refuse(`the model uses operators of the domain \`${printable(domain)}\``)
}

/** The standard set has two names. */
const canonicalDomain = (domain: string): string => (domain === 'ai.onnx' ? '' : domain)

function readValue(field: Field, walk: Walk): OnnxValue {
  const fields = message(field.content, VALUE_INFO, walk)
  const name = textOf(fields, 1)
  if (name === '' || name.length > MAX_NAME_LENGTH) throw refuse('an input or output has no usable name')
  const type = all(fields, 2)[0]
  const tensor = type ? all(message(type.content, TYPE, walk), 1)[0] : undefined
  if (!tensor) return { name, spec: null, field }
  const parts = message(tensor.content, TENSOR_TYPE, walk)
  const datatype = datatypeOfElement(all(parts, 1)[0]?.varint ?? 0n)
  if (datatype === null) throw refuse(`\`${printable(name)}\` has an element type that is not served`)
  const shape = all(parts, 2)[0]
  return { name, field, spec: { name, datatype, shape: shape ? readShape(shape, walk) : [-1] } }
}

function readShape(field: Field, walk: Walk): readonly number[] {
  const dimensions = all(message(field.content, SHAPE, walk), 1)
  if (dimensions.length > MAX_RANK) throw refuse(`a tensor has more than ${MAX_RANK} dimensions`)
  return dimensions.map((dimension) => {
    const value = all(message(dimension.content, DIMENSION, walk), 1)[0]
    if (!value) return -1
    // Some exporters write 0 for a size that is not known.
    if (value.varint === 0n) return -1
    if (value.varint > 0x7fffffffn) throw refuse('a dimension is out of range')
    return Number(value.varint)
  })
}

const WIRES = { varint: [0], bytes: [2], fixed: [5], packed: [0, 1, 2, 5] } as const satisfies Record<string, readonly number[]>

/** The fields of one message, each known, of the right wire type, and not repeated where it may appear once. */
function message(content: Uint8Array, rules: MessageRules, walk: Walk): readonly Field[] {
  const fields: Field[] = []
  const seen = new Set<number>()
  let scalars = 0
  for (const field of readFields(content, walk.budget)) {
    const rule = rules[field.number]
    if (!rule) throw refuse(`the file has a part that is not understood (field ${field.number})`)
    if (!(WIRES[rule.wire] as readonly number[]).includes(field.wire)) throw refuse(`the part \`${rule.name}\` has the wrong form`)
    if (!rule.many && seen.has(field.number)) throw refuse(`the part \`${rule.name}\` appears twice`)
    seen.add(field.number)
    if (rule.wire === 'packed' && field.wire !== 2 && ++scalars > MAX_KEPT_SCALARS) continue
    fields.push(field)
  }
  return fields
}

export function all(fields: readonly Field[], number: number): readonly Field[] {
  return fields.filter((field) => field.number === number)
}

function asText(field: Field): string {
  return readText(field.content)
}

function textOf(fields: readonly Field[], number: number): string {
  const field = fields.find((candidate) => candidate.number === number)
  return field ? readText(field.content) : ''
}

/** Names come from a stranger's file and end in messages and logs. */
export function printable(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, '?').slice(0, 64)
}
