import { ARRAY_OF, type RuntimeTensor } from './runtime-tensor.ts'

/**
 * The wire between the server and the process of a stranger's model: `length u32be | header length u32be | header JSON | bytes`.
 * Not Node's own message channel: its reader has no bound, and its richer form deserialises objects that the process chose,
 * while a process that runs a hostile file must be taken for hostile itself.
 */
export interface Frame {
  readonly header: unknown
  readonly bytes: Uint8Array
}

const PREFIX_BYTES = 8

export function encodeFrame(header: unknown, parts: readonly Uint8Array[]): readonly Uint8Array[] {
  const json = Buffer.from(JSON.stringify(header))
  const size = parts.reduce((sum, part) => sum + part.byteLength, json.byteLength)
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(size, 0)
  prefix.writeUInt32BE(json.byteLength, 4)
  return [Buffer.concat([prefix, json]), ...parts]
}

/** Collects chunks into frames. `push` throws when a frame exceeds the bound or is not well-formed; the reader is then dead. */
export class FrameReader {
  readonly #maxBytes: number
  #chunks: Uint8Array[] = []
  #held = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  push(chunk: Uint8Array): readonly Frame[] {
    this.#chunks.push(chunk)
    this.#held += chunk.byteLength
    const frames: Frame[] = []
    for (;;) {
      if (this.#held < PREFIX_BYTES) return frames
      const prefix = this.#peek(PREFIX_BYTES)
      const size = prefix.readUInt32BE(0)
      const headerBytes = prefix.readUInt32BE(4)
      if (size > this.#maxBytes || headerBytes > size) throw new RangeError('a frame is out of bounds')
      if (this.#held < PREFIX_BYTES + size) return frames
      const whole = Buffer.concat(this.#chunks)
      const body = whole.subarray(PREFIX_BYTES, PREFIX_BYTES + size)
      const rest = whole.subarray(PREFIX_BYTES + size)
      this.#chunks = rest.byteLength > 0 ? [rest] : []
      this.#held = rest.byteLength
      // A copy, so that typed arrays over it are aligned and nobody else holds its memory.
      const bytes = new Uint8Array(body.subarray(headerBytes))
      frames.push({ header: JSON.parse(body.toString('utf8', 0, headerBytes)) as unknown, bytes })
    }
  }

  /** The chunks are joined at most once a frame for this, however small the other side cuts them. */
  #peek(length: number): Buffer {
    if ((this.#chunks[0]?.byteLength ?? 0) < length) this.#chunks = [Buffer.concat(this.#chunks)]
    const first = this.#chunks[0] ?? new Uint8Array()
    return Buffer.from(first.buffer, first.byteOffset, length)
  }
}

/** Numbers travel as bytes after the header, texts inside it. */
interface TensorHeader {
  readonly name: string
  readonly datatype: RuntimeTensor['datatype']
  readonly shape: readonly number[]
  readonly texts?: readonly string[]
  readonly count?: number
}

export function encodeTensors(tensors: readonly RuntimeTensor[]): {
  readonly headers: readonly TensorHeader[]
  readonly parts: readonly Uint8Array[]
} {
  const parts: Uint8Array[] = []
  const headers = tensors.map(({ name, datatype, shape, data }): TensorHeader => {
    if (ArrayBuffer.isView(data)) {
      parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
      return { name, datatype, shape, count: data.length }
    }
    return { name, datatype, shape, texts: data }
  })
  return { headers, parts }
}

/**
 * Reads tensors that the other side sent; nothing about them is trusted.
 * @throws {TypeError | RangeError} when header and bytes do not fit each other.
 */
export function decodeTensors(value: unknown, bytes: Uint8Array): readonly RuntimeTensor[] {
  if (!Array.isArray(value)) throw new TypeError('a frame carries no tensors')
  let at = 0
  const tensors = (value as readonly unknown[]).map((entry): RuntimeTensor => {
    const { name, datatype, shape, texts, count } = (entry ?? {}) as Partial<TensorHeader>
    if (typeof name !== 'string' || typeof datatype !== 'string' || !Array.isArray(shape))
      throw new TypeError('a tensor has no name, type or shape')
    const sizes = shape as readonly unknown[]
    const size = sizes.reduce<number>((product, dimension) => (isSize(dimension) ? product * dimension : Number.NaN), 1)
    if (!Number.isSafeInteger(size)) throw new TypeError('a tensor has no usable shape')
    if (datatype === 'BYTES') {
      if (!Array.isArray(texts) || texts.length !== size || !(texts as readonly unknown[]).every((text) => typeof text === 'string'))
        throw new TypeError('a tensor does not hold its texts')
      return { name, datatype, shape, data: texts }
    }
    const NumberArray = Object.hasOwn(ARRAY_OF, datatype) ? ARRAY_OF[datatype] : undefined
    if (!NumberArray || count !== size) throw new TypeError('a tensor does not hold its numbers')
    const elementBytes = (NumberArray as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT
    if (size * elementBytes > bytes.byteLength - at) throw new RangeError('a tensor is cut off')
    const data = new NumberArray(size)
    new Uint8Array(data.buffer).set(bytes.subarray(at, at + size * elementBytes))
    at += size * elementBytes
    return { name, datatype, shape, data }
  })
  if (at !== bytes.byteLength) throw new RangeError('a frame has bytes that belong to no tensor')
  return tensors
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
