import { createHash } from 'node:crypto'
import { BlockWriter } from '#foundation/blocks'
import { newId, RedoubtError } from '#foundation/core'
import type { DurableFile, DurableFolder } from '#foundation/storage'
import { type ByteSource, cutSegments } from './cut-segments.ts'
import { aadDigest, bindingOf, commitmentOf, encodeSlot, HEADERS_BYTES, OBJECT_FORMAT, OBJECT_SUITE, streamAad } from './object-header.ts'
import { newSegmentCipher, release } from './segment-cipher.ts'
import { layoutOfPlaintext, SEGMENT_1_MIB, segmentCapacity, type SegmentSize } from './segment-layout.ts'
import type { DataKey } from './wrapped-key.ts'

/** Ending of a file that is being sealed; one that is found at start was left by a crash. */
export const UNFINISHED_SUFFIX = '.sealing'

export interface SealObjectOptions {
  /** Default 1 MiB; 64 KiB for objects of which small ranges are read. */
  readonly segmentSize?: SegmentSize
  /** Also keeps the plaintext's SHA-256 in the header, readable without the key: only where the digest is public anyway. Default false. */
  readonly keepDigest?: boolean
  /** Replaces what is at the path and makes nothing anew: what was removed meanwhile stays removed. Default false. */
  readonly replacing?: boolean
  /** Called in the turn of the event loop in which the new file takes its name; what it throws leaves everything as it was. */
  readonly beforeNaming?: () => void
}

export interface SealedObject {
  /** Plaintext bytes. */
  readonly bytes: number
  /** SHA-256, hex. */
  readonly plaintextDigest: string
  /** SHA-256 of the body, hex; the two header slots, which may be rewritten, are not in it. */
  readonly ciphertextDigest: string
}

export type StoredObject = Pick<SealedObject, 'bytes'>

/**
 * Writes an encrypted RDBT1 file at `path`, replacing what is there: after a power cut there is the old file or the whole new
 * one. Resolves when the file is durable. The folder that holds it must exist. Memory is bounded by one segment.
 * @throws {RedoubtError} `ERR_STORAGE_FULL`, `ERR_STORAGE_IO`: nothing is left at `path` that was not there before, or the whole
 *   new file is; `ERR_CRYPTO_PARAMETER` for an unfit key. `ERR_NOT_FOUND` where `replacing` finds nothing to replace.
 *   What the source throws passes through.
 */
export async function sealObject(
  folder: DurableFolder,
  path: string,
  key: DataKey,
  source: ByteSource,
  options: SealObjectOptions = {},
): Promise<SealedObject> {
  const plaintext = createHash('sha256')
  const ciphertext = createHash('sha256')
  const digests = {
    plaintext: (part: Uint8Array) => void plaintext.update(part),
    ciphertext: (part: Uint8Array) => void ciphertext.update(part),
    finish: () => plaintext.digest('hex'),
  }
  const { bytes, plaintextDigest } = await write(folder, path, key, source, options, digests)
  return { bytes, plaintextDigest, ciphertextDigest: ciphertext.digest('hex') }
}

/** As `sealObject`, without digests: for bulk data that is digested elsewhere. Hashing twice costs more than the encryption. */
export async function sealObjectUndigested(
  folder: DurableFolder,
  path: string,
  key: DataKey,
  source: ByteSource,
  options: Omit<SealObjectOptions, 'keepDigest'> = {},
): Promise<StoredObject> {
  const nothing = (): void => undefined
  const { bytes } = await write(folder, path, key, source, options, { plaintext: nothing, ciphertext: nothing, finish: () => '' })
  return { bytes }
}

/** Removes what a crash left half sealed in a folder. Call it before anything is sealed there. @returns how many. */
export function removeUnfinished(folder: DurableFolder, path: string): number {
  const left = folder.list(path).filter((name) => name.endsWith(UNFINISHED_SUFFIX))
  for (const name of left) folder.remove(path === '' ? name : `${path}/${name}`)
  if (left.length > 0) folder.syncFolder(path)
  return left.length
}

interface Digests {
  plaintext(part: Uint8Array): void
  ciphertext(part: Uint8Array): void
  finish(): string
}

async function write(
  folder: DurableFolder,
  path: string,
  key: DataKey,
  source: ByteSource,
  options: SealObjectOptions,
  digests: Digests,
): Promise<{ bytes: number; plaintextDigest: string }> {
  const { segmentSize = SEGMENT_1_MIB, keepDigest = false } = options
  const binding = bindingOf(key.wrapped)
  const facts = {
    format: OBJECT_FORMAT,
    suite: OBJECT_SUITE,
    segmentSize,
    binding,
    aadDigest: aadDigest({ segmentSize, binding }),
  } as const
  const header = { ...facts, commitment: commitmentOf(key.key, facts), keys: [key.wrapped] }
  // A header that cannot be stored is refused before the source is touched.
  encodeSlot(header, 1)
  const temporary = `${path}${newId('')}${UNFINISHED_SUFFIX}`
  const file = folder.open(temporary, { create: true })
  if (file === null) throw new RedoubtError('ERR_STORAGE_IO', 'the file could not be made')
  try {
    let written: { bytes: number; plaintextDigest: string }
    try {
      const bytes = await writeBody(file, key, streamAad(facts), segmentSize, source, digests)
      written = { bytes, plaintextDigest: digests.finish() }
      const kept = keepDigest ? { ...facts, plaintextDigest: written.plaintextDigest } : facts
      const headers = new Uint8Array(HEADERS_BYTES)
      headers.set(encodeSlot({ ...kept, commitment: commitmentOf(key.key, kept), keys: [key.wrapped] }, 1))
      file.writeAt(headers, 0)
      // Of a large file the disk may have much to do still.
      if (written.bytes > segmentSize) await file.datasyncBeside()
      else file.datasync()
    } finally {
      file.close()
    }
    if (options.replacing === true && !folder.exists(path)) throw new RedoubtError('ERR_NOT_FOUND', 'the object was removed meanwhile')
    options.beforeNaming?.()
    folder.rename(temporary, path)
    folder.syncFolder(path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '')
    return written
  } catch (error) {
    discard(folder, temporary)
    throw error
  }
}

async function writeBody(
  file: DurableFile,
  key: DataKey,
  aad: Uint8Array,
  segmentSize: SegmentSize,
  source: ByteSource,
  digests: Digests,
): Promise<number> {
  const cipher = newSegmentCipher(key.key, aad)
  const blocks = new BlockWriter(file, HEADERS_BYTES)
  let bytes = 0
  const append = async (piece: Uint8Array): Promise<void> => {
    digests.ciphertext(piece)
    await blocks.append(piece)
  }
  try {
    for await (const { index, last, parts } of cutSegments(source, (index) => segmentCapacity(index, segmentSize))) {
      for (const part of parts) {
        digests.plaintext(part)
        bytes += part.byteLength
      }
      layoutOfPlaintext(bytes, segmentSize)
      if (index === 0 && last) {
        writeOnly(file, [cipher.header, ...cipher.sealSegment(index, last, parts)], digests)
        break
      }
      if (index === 0) await append(cipher.header)
      for (const piece of cipher.sealSegment(index, last, parts)) {
        await append(piece)
        release(piece)
      }
    }
    await blocks.end()
  } finally {
    await blocks.close()
  }
  return bytes
}

/** A single segment: one write, and no memory of blocks. */
function writeOnly(file: DurableFile, pieces: readonly Uint8Array[], digests: Digests): void {
  for (const piece of pieces) digests.ciphertext(piece)
  file.writeAt(pieces, HEADERS_BYTES)
  pieces.forEach(release)
}

/** The first error is the one to tell; what cannot be removed now is removed by `removeUnfinished`. */
function discard(folder: DurableFolder, temporary: string): void {
  try {
    if (folder.exists(temporary)) folder.remove(temporary)
  } catch {
    return
  }
}
