import type { KeyObject } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import type { DurableFile, DurableFolder } from '#foundation/storage'
import {
  decodeHeaders,
  decodeSlot,
  encodeSlot,
  HEADERS_BYTES,
  type HeaderSlot,
  type ObjectHeader,
  requireCommitment,
  sameKeys,
  sameObject,
  SLOT_BYTES,
  streamAad,
} from './object-header.ts'
import { PIECE_BYTES, release, segmentCipher, type SegmentCipher } from './segment-cipher.ts'
import { layoutOfCiphertext, plaintextStart, segmentOf, STREAM_HEADER_BYTES, type StreamLayout, TAG_BYTES } from './segment-layout.ts'
import type { StreamOptions } from './stream.ts'
import type { WrappedKey } from './wrapped-key.ts'

export interface OpenedObject {
  readonly header: ObjectHeader
  /**
   * The plaintext in order. No byte of a segment before its tag was verified; a cut is found at the latest at the end, so what
   * came is all only when the generator ends without an error.
   */
  read(options?: StreamOptions): AsyncGenerator<Uint8Array>
  /** The whole plaintext, all of it verified. */
  readAll(): Promise<Uint8Array>
  /**
   * `length` plaintext bytes from `offset`. The last segment is verified first: else a cut at a segment's end would pass.
   * @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` when the range is not inside the plaintext.
   */
  readRange(offset: number, length: number): Promise<Uint8Array>
  /** Plaintext bytes, authenticated. */
  size(): number
}

export interface OpenObjectOptions {
  /** The resource this file must be bound to; another whole and valid object in its place is refused. */
  readonly resource?: string
}

/** An object that is sealed anew under another key while it is being opened is opened anew; more often than this is a fault. */
const MAX_OPENINGS = 8

/**
 * Opens an RDBT1 file. The key commitment is checked before any segment. Nothing stays open between calls; an object that was sealed
 * anew under another data key since (the same content, see `sealObject`) is opened again by the next call.
 * @param unwrap gives the data key for one of the header's wrapped keys; the keys are tried in order while it throws `ERR_KEYS_UNKNOWN`.
 * @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_CRYPTO_FORMAT`, `ERR_CRYPTO_AUTHENTICATION`; its methods throw the last, too.
 */
export async function openObject(
  folder: DurableFolder,
  path: string,
  unwrap: (wrapped: WrappedKey) => Promise<KeyObject>,
  options: OpenObjectOptions = {},
): Promise<OpenedObject> {
  const openBody = async (): Promise<OpenedBody> => {
    for (let opening = 0; opening < MAX_OPENINGS; opening++) {
      const header = withFile(folder, path, headerOf)
      if (options.resource !== undefined && header.binding.resource !== options.resource)
        throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the file belongs to another resource')
      let key: KeyObject
      try {
        key = await unwrapFirst(header.keys, unwrap)
      } catch (error) {
        // A key that ended counts only when the object still names it.
        if (sameKeys(withFile(folder, path, headerOf), header)) throw error
        continue
      }
      requireCommitment(key, header)
      const reader = withFile(folder, path, (file) => (sameObject(headerOf(file), header) ? new BodyReader(file, header, key) : null))
      if (reader !== null) return { header, reader }
    }
    throw new RedoubtError('ERR_CONFLICT', 'the object is being sealed anew over and over')
  }
  const first = await openBody()
  let body = first
  /** The file and the key that opens what is in it now. */
  const current = async (): Promise<OpenedBody & { readonly file: DurableFile }> => {
    for (let opening = 0; opening < MAX_OPENINGS; opening++) {
      const file = openFile(folder, path)
      try {
        if (sameObject(headerOf(file), body.header)) return { ...body, file }
      } catch (error) {
        file.close()
        throw error
      }
      file.close()
      body = await openBody()
    }
    throw new RedoubtError('ERR_CONFLICT', 'the object is being sealed anew over and over')
  }
  const withCurrent = async <T>(use: (reader: BodyReader, file: DurableFile) => T): Promise<T> => {
    const { reader, file } = await current()
    try {
      return use(reader, file)
    } finally {
      file.close()
    }
  }
  return {
    header: first.header,
    async *read({ transient = false } = {}) {
      const { reader, file } = await current()
      try {
        for (let index = 0; index < reader.layout.segments; index++)
          for (const piece of reader.segment(file, index)) {
            yield piece
            if (transient) release(piece)
          }
      } finally {
        file.close()
      }
    },
    readAll: () => withCurrent((reader, file) => reader.range(file, 0, reader.size(file))),
    readRange: (offset, length) => withCurrent((reader, file) => reader.range(file, offset, length)),
    size: () => withFile(folder, path, (file) => body.reader.size(file)),
  }
}

interface OpenedBody {
  readonly header: ObjectHeader
  readonly reader: BodyReader
}

/** @returns the header alone, for listings and rewrapping; it is not authenticated without the key. */
export function readObjectHeader(folder: DurableFolder, path: string): ObjectHeader {
  return withFile(folder, path, headerOf)
}

const EMPTY_SLOT = Buffer.alloc(SLOT_BYTES)

export interface HeaderSlots {
  /** Whole slots, the newer first. */
  readonly headers: readonly ObjectHeader[]
  /** A slot holds something that is not whole: what was torn there may be an old wrapped key. */
  readonly torn: boolean
}

/** @returns what both slots hold, for finding old wrapped keys. @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_CRYPTO_FORMAT` when neither is whole. */
export function readHeaderSlots(folder: DurableFolder, path: string): HeaderSlots {
  const bytes = withFile(folder, path, (file) => readExactly(file, 0, HEADERS_BYTES))
  const slots = ([0, 1] as const).map((slot) => {
    const part = bytes.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES)
    const whole = decodeSlot(part, slot)
    return { whole, torn: whole === null && !EMPTY_SLOT.equals(part) }
  })
  const whole = slots.flatMap((slot) => slot.whole ?? []).toSorted((a, b) => b.sequence - a.sequence)
  if (whole.length === 0) throw new RedoubtError('ERR_CRYPTO_FORMAT', 'the file has no whole RDBT1 header')
  return { headers: whole.map(({ header }) => header), torn: slots.some(({ torn }) => torn) }
}

/**
 * Stores other wrapped keys for the same data key: writes the slot not in use and makes it durable. A power cut leaves the old
 * header or the new; the body is not touched. The old wrapped key stays readable in the other slot until the next rewrap.
 * @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` when `change` changes anything but `keys`, and as `openObject`.
 */
export function rewrapObject(folder: DurableFolder, path: string, change: (header: ObjectHeader) => ObjectHeader): void {
  withFile(folder, path, (file) => {
    writeSlot(file, decodeHeaders(readExactly(file, 0, HEADERS_BYTES)), change)
    file.datasync()
  })
}

export interface Rewrap {
  readonly path: string
  readonly change: (header: ObjectHeader) => ObjectHeader
}

/**
 * As `rewrapObject` for many files at once, and then their other slot too, when the first is durable: the wrapped keys from before are
 * nowhere in a file after it. A power cut leaves at least one whole slot of each at each step; repeated, it ends the same.
 * @returns for each null, or `ERR_NOT_FOUND` or `ERR_CRYPTO_FORMAT` for a file that is gone or has no header.
 * @throws {RedoubtError} what storage throws; then some are rewritten and some are not.
 */
export async function rewrapBothSlots(folder: DurableFolder, rewraps: readonly Rewrap[]): Promise<readonly (RedoubtError | null)[]> {
  const files: { readonly file: DurableFile; readonly current: HeaderSlot; readonly change: Rewrap['change'] }[] = []
  try {
    const results = rewraps.map(({ path, change }): RedoubtError | null => {
      try {
        const file = openFile(folder, path)
        try {
          files.push({ file, change, current: decodeHeaders(readExactly(file, 0, HEADERS_BYTES)) })
        } catch (error) {
          file.close()
          throw error
        }
        return null
      } catch (error) {
        if (error instanceof RedoubtError && (error.code === 'ERR_NOT_FOUND' || error.code === 'ERR_CRYPTO_FORMAT')) return error
        throw error
      }
    })
    const written = files.map(({ file, current, change }) => ({ file, newest: writeSlot(file, current, change) }))
    await allDurable(files)
    for (const { file, newest } of written) writeSlot(file, newest, (header) => header)
    await allDurable(files)
    return results
  } finally {
    for (const { file } of files) file.close()
  }
}

/** Waits for all, also when one fails: none may be closed while it is being synced. */
async function allDurable(files: readonly { readonly file: DurableFile }[]): Promise<void> {
  const done = await Promise.allSettled(files.map(({ file }) => file.datasyncBeside()))
  for (const result of done) if (result.status === 'rejected') throw result.reason
}

/** Writes the slot not in use. */
function writeSlot(file: DurableFile, current: HeaderSlot, change: (header: ObjectHeader) => ObjectHeader): HeaderSlot {
  const header = change(current.header)
  if (!sameObject(header, current.header))
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'only the wrapped keys of a header can be changed')
  const slot = current.slot === 0 ? 1 : 0
  const sequence = current.sequence + 1
  file.writeAt(encodeSlot(header, sequence), slot * SLOT_BYTES)
  return { slot, sequence, header }
}

class BodyReader {
  readonly layout: StreamLayout
  readonly #segmentSize: ObjectHeader['segmentSize']
  readonly #cipher: SegmentCipher
  #lengthAuthentic = false

  constructor(file: DurableFile, header: ObjectHeader, key: KeyObject) {
    this.#segmentSize = header.segmentSize
    this.layout = layoutOfCiphertext(file.size() - HEADERS_BYTES, header.segmentSize)
    this.#cipher = segmentCipher(key, streamAad(header), readExactly(file, HEADERS_BYTES, STREAM_HEADER_BYTES))
  }

  /** The plaintext of one segment in pieces, verified. */
  segment(file: DurableFile, index: number): readonly Uint8Array[] {
    const { segments, ciphertextBytes } = this.layout
    const start = index === 0 ? STREAM_HEADER_BYTES : index * this.#segmentSize
    const end = Math.min((index + 1) * this.#segmentSize, ciphertextBytes)
    const last = index === segments - 1
    const tag = readExactly(file, HEADERS_BYTES + end - TAG_BYTES, TAG_BYTES)
    const plaintext = this.#cipher.openSegment(index, last, readParts(file, HEADERS_BYTES + start, HEADERS_BYTES + end - TAG_BYTES), tag)
    if (last) this.#lengthAuthentic = true
    return plaintext
  }

  /** The length is authentic once the last segment is: its number and flag are in its nonce. */
  size(file: DurableFile): number {
    if (!this.#lengthAuthentic) this.segment(file, this.layout.segments - 1)
    return this.layout.plaintextBytes
  }

  range(file: DurableFile, offset: number, length: number): Uint8Array {
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0)
      throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'a range is not made of positive integers')
    // Before memory is reserved for it, the length must be more than a claim of the file system.
    if (offset + length > this.size(file)) throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the range is not inside the plaintext')
    const range = new Uint8Array(length)
    if (length === 0) return range
    const lastIndex = segmentOf(offset + length - 1, this.#segmentSize)
    for (let index = segmentOf(offset, this.#segmentSize); index <= lastIndex; index++) {
      let at = plaintextStart(index, this.#segmentSize) - offset
      for (const piece of this.segment(file, index)) {
        const from = Math.max(0, -at)
        const to = Math.min(piece.byteLength, length - at)
        if (from < to) range.set(piece.subarray(from, to), at + from)
        at += piece.byteLength
        release(piece)
      }
    }
    return range
  }
}

async function unwrapFirst(keys: readonly WrappedKey[], unwrap: (wrapped: WrappedKey) => Promise<KeyObject>): Promise<KeyObject> {
  let failure: unknown = new RedoubtError('ERR_CRYPTO_FORMAT', 'the header has no key')
  for (const wrapped of keys) {
    try {
      return await unwrap(wrapped)
    } catch (error) {
      failure = error
      if (!(error instanceof RedoubtError) || error.code !== 'ERR_KEYS_UNKNOWN') break
    }
  }
  throw failure
}

function openFile(folder: DurableFolder, path: string): DurableFile {
  const file = folder.open(path)
  if (file === null) throw new RedoubtError('ERR_NOT_FOUND', 'there is no such object')
  return file
}

function withFile<T>(folder: DurableFolder, path: string, use: (file: DurableFile) => T): T {
  const file = openFile(folder, path)
  try {
    return use(file)
  } finally {
    file.close()
  }
}

/** Reads into the same memory again and again. */
function* readParts(file: DurableFile, from: number, to: number): Generator<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, to - from))
  for (let at = from; at < to; at += buffer.byteLength) {
    const part = buffer.subarray(0, Math.min(buffer.byteLength, to - at))
    fill(file, at, part)
    yield part
  }
  release(buffer)
}

function headerOf(file: DurableFile): ObjectHeader {
  return decodeHeaders(readExactly(file, 0, HEADERS_BYTES)).header
}

function readExactly(file: DurableFile, position: number, length: number): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(length)
  fill(file, position, bytes)
  return bytes
}

/** @throws {RedoubtError} `ERR_CRYPTO_FORMAT` when the file ends before. */
function fill(file: DurableFile, position: number, bytes: Uint8Array): void {
  if (file.readAt(bytes, position) !== bytes.byteLength)
    throw new RedoubtError('ERR_CRYPTO_FORMAT', 'the file is shorter than its header says')
}
