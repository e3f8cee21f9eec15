import type { KeyObject } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import type { DurableFile, DurableFolder } from '#foundation/storage'
import {
  decodeHeaders,
  encodeSlot,
  HEADERS_BYTES,
  type ObjectHeader,
  requireCommitment,
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

/**
 * Opens an RDBT1 file. The key commitment is checked before any segment. Nothing stays open between calls.
 * @param unwrap gives the data key for one of the header's wrapped keys; the keys are tried in order while it throws `ERR_KEYS_UNKNOWN`.
 * @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_CRYPTO_FORMAT`, `ERR_CRYPTO_AUTHENTICATION`; its methods throw the last, too.
 */
export async function openObject(
  folder: DurableFolder,
  path: string,
  unwrap: (wrapped: WrappedKey) => Promise<KeyObject>,
  options: OpenObjectOptions = {},
): Promise<OpenedObject> {
  const { header } = withFile(folder, path, (file) => decodeHeaders(readExactly(file, 0, HEADERS_BYTES)))
  if (options.resource !== undefined && header.binding.resource !== options.resource)
    throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the file belongs to another resource')
  const key = await unwrapFirst(header.keys, unwrap)
  requireCommitment(key, header)
  const reader = withFile(folder, path, (file) => new BodyReader(file, header, key))
  return {
    header,
    async *read({ transient = false } = {}) {
      const file = openFile(folder, path)
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
    readAll: async () => withFile(folder, path, (file) => reader.range(file, 0, reader.size(file))),
    readRange: async (offset, length) => withFile(folder, path, (file) => reader.range(file, offset, length)),
    size: () => withFile(folder, path, (file) => reader.size(file)),
  }
}

/** @returns the header alone, for listings and rewrapping; it is not authenticated without the key. */
export function readObjectHeader(folder: DurableFolder, path: string): ObjectHeader {
  return withFile(folder, path, (file) => decodeHeaders(readExactly(file, 0, HEADERS_BYTES)).header)
}

/**
 * Stores other wrapped keys for the same data key: writes the slot not in use and makes it durable. A power cut leaves the old
 * header or the new; the body is not touched. The old wrapped key stays readable in the other slot until the next rewrap.
 * @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` when `change` changes anything but `keys`, and as `openObject`.
 */
export function rewrapObject(folder: DurableFolder, path: string, change: (header: ObjectHeader) => ObjectHeader): void {
  withFile(folder, path, (file) => {
    const current = decodeHeaders(readExactly(file, 0, HEADERS_BYTES))
    const header = change(current.header)
    if (!sameObject(header, current.header))
      throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'only the wrapped keys of a header can be changed')
    const slot = current.slot === 0 ? 1 : 0
    file.writeAt(encodeSlot(header, current.sequence + 1), slot * SLOT_BYTES)
    file.datasync()
  })
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
