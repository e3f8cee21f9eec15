import { RedoubtError } from '#foundation/core'

/**
 * Which rows are about whom: records of 36 bytes, sorted, so that a subject's rows are found by halving. The pseudonym is the
 * keyed one of the whole installation; the index is sealed nevertheless, since equal pseudonyms link rows.
 *
 *     32 bytes pseudonym (HMAC-SHA-256)   u32 row, big-endian, from 0
 */
const PSEUDONYM_BYTES = 32
const RECORD_BYTES = PSEUDONYM_BYTES + 4

export class SubjectIndexBuilder {
  readonly #records: Buffer[] = []

  add(pseudonym: string, row: number): void {
    const record = Buffer.allocUnsafe(RECORD_BYTES)
    decodePseudonym(pseudonym).copy(record)
    record.writeUInt32BE(row, PSEUDONYM_BYTES)
    this.#records.push(record)
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#records.sort((a, b) => Buffer.compare(a, b)))
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

function decodePseudonym(pseudonym: string): Buffer {
  const bytes = Buffer.from(pseudonym, 'base64url')
  if (bytes.byteLength !== PSEUDONYM_BYTES) throw new RedoubtError('ERR_INTERNAL', 'a pseudonym is not 32 bytes long')
  return bytes
}
