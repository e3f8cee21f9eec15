import { RedoubtError } from '#foundation/core'
import type { ColumnDescription, RowGroup } from './dataset-version.ts'

/**
 * A row group in bytes, by column, little-endian:
 *
 *     "RDG1"  u32 rows  u32 columns
 *     integer, real:  u8 1 | 2   rows × f64                      NaN is missing
 *     text:           u8 3       u32 entries  entries × (u32 bytes, UTF-8)   rows × u16   0 is missing, else entry + 1
 *
 * Names are in the manifest. The decoder trusts nothing: it is bounded by what the manifest says and by the bytes there are.
 */
const MAGIC = 0x31474452
const HEADER_BYTES = 12
const TAGS = { integer: 1, real: 2, text: 3 } as const

/** Text codes are 16 bits, so a group cannot hold more rows than there are codes. */
export const MAX_GROUP_ROWS = 8192

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function encodeRowGroup(group: RowGroup): Uint8Array[] {
  const header = new DataView(new ArrayBuffer(HEADER_BYTES))
  header.setUint32(0, MAGIC, true)
  header.setUint32(4, group.rows, true)
  header.setUint32(8, group.columns.length, true)
  const parts: Uint8Array[] = [new Uint8Array(header.buffer)]
  for (const column of group.columns) {
    parts.push(Uint8Array.of(TAGS[column.type]))
    if (column.type === 'text') parts.push(...encodeTexts(column.values))
    else parts.push(new Uint8Array(column.values.buffer, column.values.byteOffset, column.values.byteLength))
  }
  return parts
}

function encodeTexts(values: readonly (string | null)[]): Uint8Array[] {
  const codes = new Uint16Array(values.length)
  const entries = new Map<string, number>()
  const parts: Uint8Array[] = []
  values.forEach((value, i) => {
    if (value === null) return
    let code = entries.get(value)
    if (code === undefined) {
      code = entries.size + 1
      entries.set(value, code)
      const bytes = encoder.encode(value)
      parts.push(u32(bytes.byteLength), bytes)
    }
    codes[i] = code
  })
  return [u32(entries.size), ...parts, new Uint8Array(codes.buffer)]
}

function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer)
}

/**
 * @param columns names and types that the group must have, in order.
 * @throws {RedoubtError} `ERR_STORAGE_CORRUPT` for anything but the exact encoding of such a group.
 */
export function decodeRowGroup(bytes: Uint8Array, rows: number, columns: readonly ColumnDescription[]): RowGroup {
  const reader = new Reader(bytes)
  if (reader.u32() !== MAGIC) throw corrupt('is no row group')
  if (reader.u32() !== rows || rows > MAX_GROUP_ROWS) throw corrupt('has another number of rows')
  if (reader.u32() !== columns.length) throw corrupt('has another number of columns')
  const decoded = columns.map(({ name, type }) => {
    if (reader.u8() !== TAGS[type]) throw corrupt('has a column of another type')
    return type === 'text' ? { name, type, values: readTexts(reader, rows) } : { name, type, values: readNumbers(reader, rows, type) }
  })
  reader.finish()
  return { rows, columns: decoded }
}

function readNumbers(reader: Reader, rows: number, type: 'integer' | 'real'): Float64Array {
  // The copy is aligned; a view into the file is not.
  const values = new Float64Array(reader.take(rows * 8).slice().buffer)
  for (const value of values) {
    if (Number.isNaN(value)) continue
    if (type === 'integer' ? !Number.isSafeInteger(value) : !Number.isFinite(value)) throw corrupt('has a number out of range')
  }
  return values
}

function readTexts(reader: Reader, rows: number): (string | null)[] {
  const count = reader.u32()
  if (count > rows) throw corrupt('has more texts than rows')
  const entries: string[] = []
  for (let i = 0; i < count; i++) {
    const bytes = reader.take(reader.u32())
    try {
      entries.push(decoder.decode(bytes))
    } catch {
      throw corrupt('has text that is not UTF-8')
    }
  }
  const codes = new Uint16Array(reader.take(rows * 2).slice().buffer)
  const values: (string | null)[] = []
  for (const code of codes) {
    if (code > count) throw corrupt('names a text that is not there')
    values.push(code === 0 ? null : entries[code - 1]!)
  }
  return values
}

class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  u8(): number {
    this.#need(1)
    return this.#view.getUint8(this.#at++)
  }

  u32(): number {
    this.#need(4)
    this.#at += 4
    return this.#view.getUint32(this.#at - 4, true)
  }

  take(length: number): Uint8Array {
    this.#need(length)
    this.#at += length
    // `subarray` of a Buffer is a Buffer, whose `slice` would not copy.
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + this.#at - length, length)
  }

  finish(): void {
    if (this.#at !== this.#bytes.byteLength) throw corrupt('is longer than its content')
  }

  #need(length: number): void {
    if (this.#at + length > this.#bytes.byteLength) throw corrupt('ends too early')
  }
}

function corrupt(what: string): RedoubtError {
  return new RedoubtError('ERR_STORAGE_CORRUPT', `a row group ${what}`)
}
