import { RedoubtError } from '#foundation/core'

/**
 * Which rows are about whom: records of 36 bytes, sorted, so that a subject's rows are found by halving. The pseudonym is the
 * keyed one of the whole installation; the index is sealed nevertheless, since equal pseudonyms link rows.
 *
 *     32 bytes pseudonym (HMAC-SHA-256)   u32 row, big-endian, from 0
 */
const PSEUDONYM_BYTES = 32
const RECORD_BYTES = PSEUDONYM_BYTES + 4

const FIRST_CAPACITY = 1024

export class SubjectIndexBuilder {
  #records = Buffer.alloc(FIRST_CAPACITY * RECORD_BYTES)
  #count = 0

  add(pseudonym: string, row: number): void {
    const at = this.#count * RECORD_BYTES
    if (at === this.#records.byteLength) this.#records = Buffer.concat([this.#records, Buffer.alloc(at)])
    decodePseudonym(pseudonym).copy(this.#records, at)
    this.#records.writeUInt32BE(row, at + PSEUDONYM_BYTES)
    this.#count++
  }

  finish(): Uint8Array {
    const record = (i: number): Buffer => this.#records.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES)
    // Pseudonyms are random bits: the first 48 decide nearly every comparison, and compare as one number.
    const heads = Float64Array.from({ length: this.#count }, (_, i) => this.#records.readUIntBE(i * RECORD_BYTES, 6))
    const order = Uint32Array.from({ length: this.#count }, (_, i) => i)
    order.sort((a, b) => heads[a]! - heads[b]! || Buffer.compare(record(a), record(b)))
    const sorted = Buffer.alloc(this.#count * RECORD_BYTES)
    order.forEach((from, to) => record(from).copy(sorted, to * RECORD_BYTES))
    return sorted
  }
}

/** @returns the subject's rows, ascending. @throws {RedoubtError} `ERR_STORAGE_CORRUPT` when the index is no whole number of records. */
export function findRows(index: Uint8Array, pseudonym: string): number[] {
  if (index.byteLength % RECORD_BYTES !== 0) throw new RedoubtError('ERR_STORAGE_CORRUPT', 'the subject index is cut off')
  const records = Buffer.from(index.buffer, index.byteOffset, index.byteLength)
  const wanted = decodePseudonym(pseudonym)
  const compareAt = (i: number): number => records.compare(wanted, 0, PSEUDONYM_BYTES, i * RECORD_BYTES, i * RECORD_BYTES + PSEUDONYM_BYTES)
  const count = records.byteLength / RECORD_BYTES
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareAt(middle) < 0) low = middle + 1
    else high = middle
  }
  const rows: number[] = []
  for (let i = low; i < count && compareAt(i) === 0; i++) rows.push(records.readUInt32BE(i * RECORD_BYTES + PSEUDONYM_BYTES))
  return rows
}

/** The index as it is once all rows about a subject are gone: the others' rows move up. @param rows the subject's, ascending. */
export function withoutSubject(index: Uint8Array, rows: readonly number[]): Uint8Array {
  const erased = Uint32Array.from(rows)
  const source = Buffer.from(index.buffer, index.byteOffset, index.byteLength)
  const left = Buffer.alloc(index.byteLength - rows.length * RECORD_BYTES)
  let to = 0
  for (let from = 0; from < source.byteLength; from += RECORD_BYTES) {
    const row = source.readUInt32BE(from + PSEUDONYM_BYTES)
    const before = countBelow(erased, row)
    if (erased[before] === row) continue
    source.copy(left, to, from, from + PSEUDONYM_BYTES)
    left.writeUInt32BE(row - before, to + PSEUDONYM_BYTES)
    to += RECORD_BYTES
  }
  if (to !== left.byteLength) throw new RedoubtError('ERR_STORAGE_CORRUPT', 'the subject index names a row twice')
  return left
}

/** How many of some ascending numbers are smaller than one. */
function countBelow(ascending: Uint32Array, bound: number): number {
  let low = 0
  let high = ascending.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ascending[middle]! < bound) low = middle + 1
    else high = middle
  }
  return low
}

function decodePseudonym(pseudonym: string): Buffer {
  const bytes = Buffer.from(pseudonym, 'base64url')
  if (bytes.byteLength !== PSEUDONYM_BYTES) throw new RedoubtError('ERR_INTERNAL', 'a pseudonym is not 32 bytes long')
  return bytes
}
