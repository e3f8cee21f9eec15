import { RedoubtError } from '#foundation/core'
import type { InferTensor, TensorDatatype } from '#gateway/serving'

type Value = string | number | boolean | null

interface Codec {
  /** Bytes of one value. */
  readonly size: number
  read(bytes: Buffer, at: number): Value
  write(bytes: Buffer, value: number | bigint | boolean, at: number): void
}

/** What a model's missing integer and an integer too large for a number are read as; the latter is refused like any value that does not fit. */
const LEAST_INT64 = -(2n ** 63n)
const exact = (value: bigint): number | null => (value === LEAST_INT64 ? null : Number(value))

/** Row-major values without padding, little-endian. A real that is no number stands for a missing one. */
const CODECS: Readonly<Record<Exclude<TensorDatatype, 'BYTES'>, Codec>> = {
  BOOL: {
    size: 1,
    // Any other byte stays a number, which is refused as no BOOL.
    read: (bytes, at) => (bytes[at] === 0 ? false : bytes[at] === 1 ? true : (bytes[at] ?? 0)),
    write: (bytes, value, at) => void (bytes[at] = value ? 1 : 0),
  },
  UINT8: { size: 1, read: (bytes, at) => bytes.readUInt8(at), write: (bytes, value, at) => void bytes.writeUInt8(Number(value), at) },
  UINT16: {
    size: 2,
    read: (bytes, at) => bytes.readUInt16LE(at),
    write: (bytes, value, at) => void bytes.writeUInt16LE(Number(value), at),
  },
  UINT32: {
    size: 4,
    read: (bytes, at) => bytes.readUInt32LE(at),
    write: (bytes, value, at) => void bytes.writeUInt32LE(Number(value), at),
  },
  UINT64: {
    size: 8,
    read: (bytes, at) => Number(bytes.readBigUInt64LE(at)),
    write: (bytes, value, at) => void bytes.writeBigUInt64LE(BigInt(value), at),
  },
  INT8: { size: 1, read: (bytes, at) => bytes.readInt8(at), write: (bytes, value, at) => void bytes.writeInt8(Number(value), at) },
  INT16: { size: 2, read: (bytes, at) => bytes.readInt16LE(at), write: (bytes, value, at) => void bytes.writeInt16LE(Number(value), at) },
  INT32: { size: 4, read: (bytes, at) => bytes.readInt32LE(at), write: (bytes, value, at) => void bytes.writeInt32LE(Number(value), at) },
  INT64: {
    size: 8,
    read: (bytes, at) => exact(bytes.readBigInt64LE(at)),
    write: (bytes, value, at) => void bytes.writeBigInt64LE(BigInt(value), at),
  },
  FP32: {
    size: 4,
    read: (bytes, at) => real(bytes.readFloatLE(at)),
    write: (bytes, value, at) => void bytes.writeFloatLE(Number(value), at),
  },
  FP64: {
    size: 8,
    read: (bytes, at) => real(bytes.readDoubleLE(at)),
    write: (bytes, value, at) => void bytes.writeDoubleLE(Number(value), at),
  },
}

const LENGTH_BYTES = 4
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A missing real. */
export const real = (value: number): number | null => (Number.isNaN(value) ? null : value)
/** A missing integer, or an integer as far as a number holds it. @param value decimal digits. */
export const integer = (value: string | number): number | null => (String(value) === String(LEAST_INT64) ? null : Number(value))

/** @throws {RedoubtError} `ERR_INPUT_INVALID` for what is not UTF-8. */
export function textOf(bytes: Uint8Array, input: string): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw invalid(`a value of the input \`${input}\` is not UTF-8`)
  }
}

/**
 * Reads one entry of `raw_input_contents`. Values are not judged here: what does not fit the model is refused where JSON's values are.
 * @throws {RedoubtError} `ERR_INPUT_INVALID` when the bytes are no whole values of the datatype.
 */
export function readRaw(raw: Uint8Array, datatype: string, input: string): readonly Value[] {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength)
  if (datatype === 'BYTES') return readTexts(bytes, input)
  const codec = Object.hasOwn(CODECS, datatype) ? CODECS[datatype as keyof typeof CODECS] : undefined
  if (codec === undefined) throw invalid(`the datatype of the input \`${input}\` is not supported`)
  if (bytes.byteLength % codec.size !== 0) throw invalid(`the raw contents of the input \`${input}\` are no whole number of values`)
  const values: Value[] = []
  for (let at = 0; at < bytes.byteLength; at += codec.size) values.push(codec.read(bytes, at))
  return values
}

/** Each text stands behind its length: four bytes, little-endian. */
function readTexts(bytes: Buffer, input: string): readonly string[] {
  const texts: string[] = []
  for (let at = 0; at < bytes.byteLength;) {
    const begin = at + LENGTH_BYTES
    const end = begin <= bytes.byteLength ? begin + bytes.readUInt32LE(at) : Number.POSITIVE_INFINITY
    if (end > bytes.byteLength) throw invalid(`the raw contents of the input \`${input}\` break off`)
    texts.push(textOf(bytes.subarray(begin, end), input))
    at = end
  }
  return texts
}

/** One entry of `raw_output_contents`. */
export function writeRaw({ datatype, data }: InferTensor): Uint8Array {
  if (datatype === 'BYTES') {
    const texts = Array.from(data as ArrayLike<unknown>, (value) => Buffer.from(typeof value === 'string' ? value : ''))
    return Buffer.concat(texts.flatMap((text) => [lengthOf(text), text]))
  }
  const codec = CODECS[datatype]
  const bytes = Buffer.alloc(data.length * codec.size)
  for (let i = 0; i < data.length; i++) codec.write(bytes, (data[i] ?? 0) as number | bigint | boolean, i * codec.size)
  return bytes
}

function lengthOf(text: Uint8Array): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32LE(text.byteLength)
  return length
}

const invalid = (reason: string): RedoubtError => new RedoubtError('ERR_INPUT_INVALID', reason)
