import { RedoubtError } from '#foundation/core'
import { sha256, sha256Into } from '#foundation/crypto'
import type { DurableFile, DurableFolder } from '#foundation/storage'
import { MAX_BODY_BYTES, MAX_ENTRY_BYTES } from './entry-bundle.ts'
import { HASH_BYTES } from './merkle-hash.ts'

/**
 * The write-ahead log: preallocated segments `wal/<number>`, one writer, one fdatasync per batch.
 *
 * A segment is a sequence of batches. A batch is a header and records; a header is
 *   "RWAL" | version u32 | segment number u64 | first index u64 | records u32 | payload bytes u32 | SHA-256 of all other bytes
 * and a record is
 *   entry bytes u32 | body bytes u32 | 0x00 | entry | body
 * all little-endian. The zero byte is the RFC 6962 leaf prefix, so that the leaf hash is taken in place. The checksum covers
 * the segment number, so the batches that an earlier life left in a reused file end the segment as a torn batch does.
 */
export const WAL_FOLDER = 'wal'
export const RECORD_OVERHEAD_BYTES = 9
export const BATCH_HEADER_BYTES = 64
const MAGIC = 0x4c_41_57_52
const VERSION = 1
const CHECKSUM_AT = 32
const NAME_DIGITS = 16

export interface WalRecord {
  readonly index: number
  /** The leaf prefix and the entry. */
  readonly prefixedEntry: Uint8Array
  readonly body: Uint8Array | null
}

export function segmentPath(number: number): string {
  return `${WAL_FOLDER}/${String(number).padStart(NAME_DIGITS, '0')}`
}

/** Numbers of the segments there are, ascending. */
export function listSegments(folder: DurableFolder): number[] {
  return folder
    .list(WAL_FOLDER)
    .filter((name) => /^\d{16}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
}

/** Writes the header of the batch that lies in `batch`, records behind the header space. */
export function sealBatch(batch: Buffer, segment: number, firstIndex: number, records: number): void {
  batch.writeUInt32LE(MAGIC, 0)
  batch.writeUInt32LE(VERSION, 4)
  writeSafeInteger(batch, segment, 8)
  writeSafeInteger(batch, firstIndex, 16)
  batch.writeUInt32LE(records, 24)
  batch.writeUInt32LE(batch.byteLength - BATCH_HEADER_BYTES, 28)
  batch.fill(0, CHECKSUM_AT, BATCH_HEADER_BYTES)
  sha256Into(batch, CHECKSUM_AT, batch)
}

/** Reads the whole batches of a segment; whatever follows the last whole one is a torn tail or of an earlier life. */
export function* readSegment(bytes: Uint8Array, segment: number): Generator<readonly WalRecord[]> {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let position = 0
  while (position + BATCH_HEADER_BYTES <= all.byteLength) {
    const payload = all.readUInt32LE(position + 28)
    const end = position + BATCH_HEADER_BYTES + payload
    if (all.readUInt32LE(position) !== MAGIC || all.readUInt32LE(position + 4) !== VERSION || end > all.byteLength) return
    const batch = Buffer.from(all.subarray(position, end))
    const checksum = Buffer.from(batch.subarray(CHECKSUM_AT, CHECKSUM_AT + HASH_BYTES))
    batch.fill(0, CHECKSUM_AT, BATCH_HEADER_BYTES)
    if (!sha256(batch).equals(checksum) || readSafeInteger(batch, 8) !== segment) return
    const records = readRecords(batch)
    if (records === null) return
    yield records
    position = end
  }
}

function readRecords(batch: Buffer): WalRecord[] | null {
  const first = readSafeInteger(batch, 16)
  const count = batch.readUInt32LE(24)
  const records: WalRecord[] = []
  let position = BATCH_HEADER_BYTES
  while (records.length < count) {
    if (position + RECORD_OVERHEAD_BYTES > batch.byteLength) return null
    const entryBytes = batch.readUInt32LE(position)
    const bodyBytes = batch.readUInt32LE(position + 4)
    const bodyAt = position + RECORD_OVERHEAD_BYTES + entryBytes
    if (entryBytes > MAX_ENTRY_BYTES || bodyBytes > MAX_BODY_BYTES || bodyAt + bodyBytes > batch.byteLength) return null
    records.push({
      index: first + records.length,
      prefixedEntry: batch.subarray(position + RECORD_OVERHEAD_BYTES - 1, bodyAt),
      body: bodyBytes === 0 ? null : batch.subarray(bodyAt, bodyAt + bodyBytes),
    })
    position = bodyAt + bodyBytes
  }
  return position === batch.byteLength ? records : null
}

interface Retired {
  readonly number: number
  /** One past the last index in it. */
  readonly end: number
}

/** The writing side. Any failure leaves it unusable: the owner then recovers from what is on disk. */
export class WalWriter {
  readonly #folder: DurableFolder
  readonly #segmentBytes: number
  readonly #spareSegments: number
  #number: number
  #file: DurableFile
  #position = 0
  #full: Retired[] = []
  #spare: number[] = []

  /** Begins a new segment, durable in name and length, and removes all earlier ones: everything in them must be in tiles. */
  constructor(folder: DurableFolder, options: { readonly segmentBytes: number; readonly spareSegments: number; readonly number: number }) {
    this.#folder = folder
    this.#segmentBytes = options.segmentBytes
    this.#spareSegments = options.spareSegments
    this.#number = options.number
    this.#file = this.#create(options.number)
    try {
      for (const number of listSegments(folder)) if (number !== options.number) folder.remove(segmentPath(number))
      folder.syncFolder(WAL_FOLDER)
    } catch (cause) {
      this.#file.close()
      throw cause
    }
  }

  /** Segments that still hold entries which no published checkpoint covers. */
  get unretired(): number {
    return this.#full.length
  }

  get capacity(): number {
    return this.#segmentBytes
  }

  /**
   * Makes a batch durable. When it returns the batch survives a power cut; when it throws, it may or may not.
   * @param batch Header space and records.
   */
  write(batch: Buffer, firstIndex: number, records: number): void {
    if (this.#position + batch.byteLength > this.#segmentBytes) this.#rotate(firstIndex)
    sealBatch(batch, this.#number, firstIndex, records)
    this.#file.writeAt(batch, this.#position)
    this.#file.datasync()
    // A removed folder still takes writes through the open file; acknowledging them would lose them.
    if (!this.#folder.exists(segmentPath(this.#number))) throw new RedoubtError('ERR_STORAGE_IO', 'the folder of the audit log is gone')
    this.#position += batch.byteLength
  }

  /** Lets go of segments whose entries are all below `published`, keeping some for reuse. */
  retire(published: number): void {
    const done = this.#full.filter(({ end }) => end <= published)
    this.#full = this.#full.filter(({ end }) => end > published)
    for (const { number } of done) {
      if (this.#spare.length < this.#spareSegments) this.#spare.push(number)
      else this.#folder.remove(segmentPath(number))
    }
  }

  close(): void {
    this.#file.close()
  }

  #rotate(firstIndex: number): void {
    this.#file.close()
    this.#full.push({ number: this.#number, end: firstIndex })
    const next = this.#number + 1
    const spare = this.#spare.shift()
    if (spare === undefined) {
      this.#file = this.#create(next)
    } else {
      this.#folder.rename(segmentPath(spare), segmentPath(next))
      this.#folder.syncFolder(WAL_FOLDER)
      const file = this.#folder.open(segmentPath(next))
      if (file === null) throw new RedoubtError('ERR_STORAGE_IO', 'a segment of the audit log is gone')
      this.#file = file
    }
    this.#number = next
    this.#position = 0
  }

  /** Preallocates by writing zeros: then an append changes no metadata and fdatasync costs a third less. */
  #create(number: number): DurableFile {
    this.#folder.makeFolder(WAL_FOLDER)
    this.#folder.syncFolder('')
    const file = this.#folder.open(segmentPath(number), { create: true })
    if (file === null) throw new RedoubtError('ERR_STORAGE_IO', 'a segment of the audit log cannot be created')
    try {
      file.truncate(0)
      file.writeAt(new Uint8Array(this.#segmentBytes), 0)
      file.datasync()
      this.#folder.syncFolder(WAL_FOLDER)
      return file
    } catch (cause) {
      file.close()
      throw cause
    }
  }
}

function writeSafeInteger(buffer: Buffer, value: number, position: number): void {
  buffer.writeUInt32LE(value % 2 ** 32, position)
  buffer.writeUInt32LE(Math.floor(value / 2 ** 32), position + 4)
}

function readSafeInteger(buffer: Buffer, position: number): number {
  return buffer.readUInt32LE(position) + buffer.readUInt32LE(position + 4) * 2 ** 32
}
