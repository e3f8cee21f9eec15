import { RedoubtError } from '#foundation/core'

/** One field of a protobuf message as it lies in the file; views are made when asked for, since a file may have millions of fields. */
export class Field {
  readonly number: number
  readonly wire: 0 | 1 | 2 | 5
  readonly #message: Uint8Array
  readonly #start: number
  readonly #contentStart: number
  readonly #end: number

  constructor(number: number, wire: 0 | 1 | 2 | 5, message: Uint8Array, start: number, contentStart: number, end: number) {
    this.number = number
    this.wire = wire
    this.#message = message
    this.#start = start
    this.#contentStart = contentStart
    this.#end = end
  }

  /** The content after tag and length. A view, never a copy. */
  get content(): Uint8Array {
    return this.#message.subarray(this.#contentStart, this.#end)
  }

  /** Tag, length and content together: what a writer copies to keep the field bit for bit. */
  get raw(): Uint8Array {
    return this.#message.subarray(this.#start, this.#end)
  }

  /** The value of a varint field, unsigned; 0 for the other wire types. */
  get varint(): bigint {
    let value = 0n
    if (this.wire !== 0) return value
    let shift = 0n
    for (const byte of this.content) {
      value |= BigInt(byte & 0x7f) << shift
      shift += 7n
    }
    return value
  }
}

/** Parts of a file that a hostile author can multiply; counted over the whole file. */
export interface ReaderBudget {
  fields: number
}

const MAX_VARINT_BYTES = 10
const MAX_FIELD_NUMBER = 2 ** 29 - 1

const malformed = (reason: string): RedoubtError => new RedoubtError('ERR_MODEL_FORMAT', `the file is not an ONNX model: ${reason}`)

/**
 * Reads the fields of one protobuf message, strictly: groups, overlong varints, field number 0, lengths beyond the end and
 * truncation are refused, because two parsers that disagree about a file are how a checked file becomes another one when loaded.
 * @throws {RedoubtError} `ERR_MODEL_FORMAT`
 * @see protobuf.dev, "Encoding"
 */
export function* readFields(message: Uint8Array, budget: ReaderBudget): Generator<Field> {
  let at = 0
  const end = message.byteLength
  // Tags and lengths fit a number; only values of varint fields need 64 bits.
  const small = (): number => {
    let value = 0
    for (let i = 0; i < 5; i++) {
      if (at >= end) throw malformed('it ends inside a field')
      const byte = message[at++] ?? 0
      value += (byte & 0x7f) * 2 ** (7 * i)
      if (byte < 0x80) {
        if (byte === 0 && i > 0) throw malformed('a varint is overlong')
        if (value > 0xffffffff) break
        return value
      }
    }
    throw malformed('a tag or length is out of range')
  }
  const skipVarint = (): void => {
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      if (at >= end) throw malformed('it ends inside a field')
      const byte = message[at++] ?? 0
      if (byte < 0x80) {
        if (i === MAX_VARINT_BYTES - 1 && byte > 1) throw malformed('a varint exceeds 64 bits')
        return
      }
    }
    throw malformed('a varint is overlong')
  }
  while (at < end) {
    if (--budget.fields < 0) throw malformed('it has too many parts')
    const start = at
    const tag = small()
    const number = Math.floor(tag / 8)
    const wire = tag % 8
    if (number < 1 || number > MAX_FIELD_NUMBER) throw malformed('a field number is out of range')
    if (wire !== 0 && wire !== 1 && wire !== 2 && wire !== 5) throw malformed('it uses a wire type that ONNX does not')
    const length = wire === 2 ? small() : wire === 1 ? 8 : wire === 5 ? 4 : 0
    const contentStart = at
    if (wire === 0) skipVarint()
    if (length > end - at) throw malformed('it ends inside a field')
    at += length
    yield new Field(number, wire, message, start, contentStart, at)
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @throws {RedoubtError} `ERR_MODEL_FORMAT` */
export function readText(content: Uint8Array): string {
  try {
    return utf8.decode(content)
  } catch {
    throw malformed('a text is not UTF-8')
  }
}

/** Writes one length-delimited field. */
export function writeField(number: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([varintBytes(number * 8 + 2), varintBytes(content.byteLength), content])
}

/** Writes one varint field. */
export function writeVarintField(number: number, value: number): Uint8Array {
  return Buffer.concat([varintBytes(number * 8), varintBytes(value)])
}

function varintBytes(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80)
    rest = Math.floor(rest / 0x80)
  }
  return Uint8Array.from([...bytes, rest])
}
