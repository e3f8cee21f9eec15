import { writeField, writeVarintField } from './protobuf-reader.ts'
import { all, printable, refuse, type OnnxModel, type OnnxNode } from './read-onnx-model.ts'

const FP32_ELEMENT = 1
const MAX_CLASSES = 100_000

/**
 * Exporters of classical models end a classifier in `ZipMap`, whose output is a list of maps that no tensor protocol can carry.
 * The bypass removes the node and makes the tensor it read the output: a matrix of probabilities, one column a class in the order
 * of the class labels. Every other part of the file is kept bit for bit.
 * @returns the derived file, or null when there is no ZipMap.
 * @throws {RedoubtError} `ERR_MODEL_FORMAT` when a ZipMap cannot be bypassed without changing what the model means.
 */
export function bypassZipMap(model: OnnxModel): Uint8Array | null {
  const zipMaps = model.nodes.filter(isZipMap)
  if (zipMaps.length === 0) return null
  const dropped = new Set(zipMaps.map(({ field }) => field))
  const renamed = new Map<string, Uint8Array | null>()
  const sources = new Set<string>()
  for (const node of zipMaps) {
    const [source, ...otherSources] = node.inputs
    const [map, ...otherMaps] = node.outputs
    if (source === undefined || map === undefined || otherSources.length > 0 || otherMaps.length > 0)
      throw refuse('a ZipMap does not have one input and one output')
    const readers = model.nodes.some((other) => other.inputs.includes(map)) || model.innerInputs.has(map)
    if (readers) throw refuse(`the ZipMap output \`${printable(map)}\` is read inside the model and cannot be bypassed`)
    if (!model.outputs.some(({ name }) => name === map)) throw refuse('a ZipMap does not lead to an output of the model')
    if (!model.nodes.some((other) => other.outputs.includes(source))) throw refuse('a ZipMap does not read the result of another node')
    // Two ZipMaps of one tensor, or one of a tensor that leaves the model anyway: it becomes an output once.
    const leavesAlready = model.outputs.some(({ name }) => name === source) || sources.has(source)
    sources.add(source)
    renamed.set(map, leavesAlready ? null : tensorOutput(source, classCount(node)))
  }
  const outputNames = new Map(model.outputs.map(({ name, field }) => [field, name]))
  const graph: Uint8Array[] = []
  for (const field of model.graphFields) {
    if (dropped.has(field)) continue
    const name = outputNames.get(field)
    const replacement = name === undefined ? undefined : renamed.get(name)
    if (replacement === undefined) graph.push(field.raw)
    else if (replacement !== null) graph.push(writeField(12, replacement))
  }
  return Buffer.concat(model.fields.map((field) => (field.number === 7 ? writeField(7, Buffer.concat(graph)) : field.raw)))
}

function isZipMap(node: OnnxNode): boolean {
  return node.opType === 'ZipMap' && node.domain === 'ai.onnx.ml'
}

function classCount(node: OnnxNode): number {
  const labels = node.attributes.get('classlabels_strings') ?? node.attributes.get('classlabels_int64s')
  if (!labels) throw refuse('a ZipMap does not name its classes')
  const texts = all(labels, 9).length
  // Integers may lie packed in one field or one by one.
  const integers = all(labels, 8).reduce(
    (sum, field) => sum + (field.wire === 2 ? field.content.filter((byte) => byte < 0x80).length : 1),
    0,
  )
  const count = texts > 0 ? texts : integers
  if (count < 1 || count > MAX_CLASSES) throw refuse('a ZipMap does not name its classes')
  return count
}

/** ValueInfoProto of a float tensor [any, classes]. */
function tensorOutput(name: string, classes: number): Uint8Array {
  const rows = writeField(1, writeField(2, Buffer.from('N')))
  const columns = writeField(1, writeVarintField(1, classes))
  const tensorType = Buffer.concat([writeVarintField(1, FP32_ELEMENT), writeField(2, Buffer.concat([rows, columns]))])
  return Buffer.concat([writeField(1, Buffer.from(name)), writeField(2, writeField(1, tensorType))])
}
