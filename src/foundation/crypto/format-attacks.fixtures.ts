import { createSecretKey, randomBytes } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import { type DurableFile, type DurableFolder, MemoryFolder } from '#foundation/storage'
import { HEADERS_BYTES } from './object-header.ts'
import { openObject, type OpenedObject } from './open-object.ts'
import { sealObject } from './seal-object.ts'
import { segmentCapacity, type SegmentSize, STREAM_HEADER_BYTES, TAG_BYTES } from './segment-layout.ts'
import type { DataKey, KeyBinding } from './wrapped-key.ts'

export const BINDING: KeyBinding = { tenant: 'default', resource: 'dataset/adult/1', purpose: 'dataset' }

/** A data key for an object; two may hold the same key under different bindings. */
export function dataKey(binding: KeyBinding = BINDING, key = createSecretKey(randomBytes(32))): DataKey {
  return { key, wrapped: { keyId: 'kek_1', version: 1, wrapped: 'AAAA', binding } }
}

/** The bytes of an object of this plaintext. */
export async function sealedBytes(key: DataKey, plaintext: Uint8Array, segmentSize: SegmentSize): Promise<Buffer> {
  const folder = new MemoryFolder()
  await sealObject(folder, 'object', key, plaintext, { segmentSize })
  return Buffer.from(folder.read('object')!)
}

/** A folder with this one object and nothing else: an attacker's copy. */
export function folderWith(bytes: Uint8Array): MemoryFolder {
  const folder = new MemoryFolder()
  folder.open('object', { create: true })!.writeAt(bytes, 0)
  return folder
}

/** How an object of these bytes reads: whole with the plaintext, or the code it is refused with and how much came out before. */
export interface Reading {
  readonly code: string
  readonly plaintext: Buffer
}

export async function reading(bytes: Uint8Array, key: DataKey): Promise<Reading> {
  const parts: Uint8Array[] = []
  try {
    for await (const part of (await open(folderWith(bytes), key)).read()) parts.push(part)
    return { code: 'read', plaintext: Buffer.concat(parts) }
  } catch (error) {
    return { code: codeOf(error), plaintext: Buffer.concat(parts) }
  }
}

/** What a range of the first bytes comes to. */
export async function firstBytes(bytes: Uint8Array, key: DataKey, length: number): Promise<string> {
  try {
    await (await open(folderWith(bytes), key)).readRange(0, length)
    return 'read'
  } catch (error) {
    return codeOf(error)
  }
}

const open = (folder: DurableFolder, key: DataKey): Promise<OpenedObject> =>
  openObject(folder, 'object', async () => key.key, { resource: key.wrapped.binding.resource })
const codeOf = (error: unknown): string => (error instanceof RedoubtError ? error.code : String(error))

export const flipped = (bytes: Uint8Array, bit: number): Buffer => {
  const changed = Buffer.from(bytes)
  changed[bit >> 3]! ^= 1 << (bit & 7)
  return changed
}

/** Headers and stream header, and each segment with its tag. */
export function cut(bytes: Buffer, segmentSize: SegmentSize): { readonly front: Buffer; readonly segments: readonly Buffer[] } {
  const at = HEADERS_BYTES + STREAM_HEADER_BYTES
  const segments = [bytes.subarray(at, HEADERS_BYTES + segmentSize)]
  for (let from = HEADERS_BYTES + segmentSize; from < bytes.byteLength; from += segmentSize)
    segments.push(bytes.subarray(from, from + segmentSize))
  return { front: bytes.subarray(0, at), segments }
}

/** Where something begins or ends in an object of `segments` segments: a byte before, there, a byte after. */
export function boundaries(length: number, segmentSize: SegmentSize): readonly number[] {
  const edges = [0, 8, 16, 20, 52, HEADERS_BYTES / 2, HEADERS_BYTES, HEADERS_BYTES + 1, HEADERS_BYTES + STREAM_HEADER_BYTES]
  for (let end = HEADERS_BYTES + segmentSize; end - segmentSize < length; end += segmentSize) edges.push(end - TAG_BYTES, end)
  edges.push(length - TAG_BYTES, length - 1)
  return [...new Set(edges.flatMap((edge) => [edge - 1, edge, edge + 1]))]
    .filter((edge) => edge >= 0 && edge < length)
    .sort((a, b) => a - b)
}

/** Every order of `n` things but the right one. */
export function wrongOrders(n: number): readonly (readonly number[])[] {
  const orders = (left: readonly number[]): number[][] =>
    left.length === 0 ? [[]] : left.flatMap((first) => orders(left.filter((i) => i !== first)).map((rest) => [first, ...rest]))
  return orders([...Array(n).keys()]).filter((order) => order.some((i, at) => i !== at))
}

/** Plaintext bytes of the segments before this one. */
export const before = (segment: number, segmentSize: SegmentSize): number =>
  [...Array(segment).keys()].reduce((sum, index) => sum + segmentCapacity(index, segmentSize), 0)

/** Counts what is read of the files of a folder, and notes where. */
export function countingReads(folder: DurableFolder): { readonly folder: DurableFolder; readonly reads: { at: number; bytes: number }[] } {
  const reads: { at: number; bytes: number }[] = []
  const counted = (file: DurableFile): DurableFile => ({
    ...file,
    readAt(into, position) {
      reads.push({ at: position, bytes: into.byteLength })
      return file.readAt(into, position)
    },
    readBeside(into, position) {
      reads.push({ at: position, bytes: into.byteLength })
      return file.readBeside(into, position)
    },
  })
  const wrapped: DurableFolder = {
    open: (path, options) => {
      const file = folder.open(path, options)
      return file === null ? null : counted(bound(file))
    },
    read: (path) => folder.read(path),
    list: (path) => folder.list(path),
    exists: (path) => folder.exists(path),
    makeFolder: (path) => folder.makeFolder(path),
    rename: (from, to) => folder.rename(from, to),
    remove: (path) => folder.remove(path),
    syncFolder: (path) => folder.syncFolder(path),
  }
  return { folder: wrapped, reads }
}

const bound = (file: DurableFile): DurableFile => ({
  size: () => file.size(),
  readAt: (into, position) => file.readAt(into, position),
  writeAt: (bytes, position) => file.writeAt(bytes, position),
  writeBeside: (bytes, position) => file.writeBeside(bytes, position),
  readBeside: (into, position) => file.readBeside(into, position),
  truncate: (size) => file.truncate(size),
  datasync: () => file.datasync(),
  datasyncBeside: () => file.datasyncBeside(),
  close: () => file.close(),
})
