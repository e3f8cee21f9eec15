import type { KeyObject } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import type { WrappedKey } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { KeyOwner } from '#trust/keys'
import { decodeHeader, FRAME_HEADER_BYTES, HEADER_BYTES, KINDS, nextFrameAt, openFrame, type OpenedFrame } from './segment-codec.ts'

/** Where the segments of all collections lie. Flat, as all sealed objects. */
export const FOLDER = 'collections'
const DIGITS = 10
/** `col_` and 22 characters; whatever else lies here is not ours to touch. */
const SEGMENT = /^(col_[A-Za-z0-9_-]{22})-(\d{10})\.rcl$/

export const segmentPath = (collection: string, segment: number): string =>
  `${FOLDER}/${collection}-${String(segment).padStart(DIGITS, '0')}.rcl`

/** What the key of a segment is bound to. */
export const segmentResource = (collection: string, segment: number): string => `collection/${collection}/segment-${segment}`

/** The segments of a collection lie under key-encryption keys of its own, which end with it. */
export const ownerOf = (collection: string): KeyOwner => ({ keyClass: 'dataset', name: `collection/${collection}` })

export interface SegmentName {
  readonly collection: string
  readonly segment: number
}

/** Segments there are, by number. */
export function listSegments(objects: DurableFolder): readonly SegmentName[] {
  return objects
    .list(FOLDER)
    .flatMap((name): SegmentName[] => {
      const [, collection, digits] = SEGMENT.exec(name) ?? []
      return collection === undefined || digits === undefined ? [] : [{ collection, segment: Number(digits) }]
    })
    .sort((one, other) => one.segment - other.segment)
}

export function removeSegments(objects: DurableFolder, segments: readonly SegmentName[]): void {
  for (const { collection, segment } of segments) {
    const path = segmentPath(collection, segment)
    if (objects.exists(path)) objects.remove(path)
  }
  if (segments.length > 0) objects.syncFolder(FOLDER)
}

/** The wrapped keys of all segments. They are not moved to new versions: a segment ends when a version is made of it. */
export function* wrappedKeys(objects: DurableFolder): Generator<WrappedKey> {
  for (const { collection, segment } of listSegments(objects)) {
    const bytes = objects.read(segmentPath(collection, segment))
    const header = bytes === null ? null : decodeHeader(bytes)
    if (header !== null) yield header.key
  }
}

export interface ReadSegment {
  readonly frames: readonly OpenedFrame[]
  /** The number of the last frame, of whatever kind; that of before when there is none. */
  readonly last: number
}

/**
 * Reads what was acknowledged in a segment. A torn tail is what a power cut leaves of the one commit that was under way, and was never
 * acknowledged: it is passed over. Anything else that does not open is damage.
 * @param previous number of the last frame before this segment.
 * @throws {RedoubtError} `ERR_STORAGE_CORRUPT` when a frame is missing or damaged; what `unwrap` throws.
 */
export async function readSegment(
  objects: Pick<DurableFolder, 'read'>,
  name: SegmentName,
  previous: number,
  unwrap: (key: WrappedKey) => Promise<KeyObject>,
): Promise<ReadSegment> {
  const bytes = objects.read(segmentPath(name.collection, name.segment))
  if (bytes === null) throw corrupt('is gone')
  const header = decodeHeader(bytes)
  if (header === null) {
    // The header is durable before anything is behind it.
    if (bytes.byteLength <= HEADER_BYTES) return { frames: [], last: previous }
    throw corrupt('has no header')
  }
  if (header.collection !== name.collection || header.segment !== name.segment) throw corrupt('is another one')
  if (bytes.byteLength === HEADER_BYTES) return { frames: [], last: previous }
  const key = await unwrap(header.key)
  const frames: OpenedFrame[] = []
  let last = previous
  let at = HEADER_BYTES
  while (at < bytes.byteLength) {
    const opened = openFrame(key, name, bytes, at)
    if (opened === null) {
      demandTornTail(key, name, bytes, at)
      break
    }
    if (opened.frame !== last + 1) throw corrupt('lacks a frame')
    last = opened.frame
    at = opened.end
    if (opened.kind === KINDS.end) {
      if (at !== bytes.byteLength) throw corrupt('goes on behind its end')
      break
    }
    frames.push(opened)
  }
  return { frames, last }
}

/** A commit is synced before the next begins: behind one that was torn there is none that opens. */
function demandTornTail(key: KeyObject, name: SegmentName, bytes: Uint8Array, from: number): void {
  for (let at = nextFrameAt(bytes, from + 1); at !== -1 && at + FRAME_HEADER_BYTES <= bytes.byteLength; at = nextFrameAt(bytes, at + 1))
    if (openFrame(key, name, bytes, at) !== null) throw corrupt('has a damaged frame')
}

const corrupt = (what: string): RedoubtError => new RedoubtError('ERR_STORAGE_CORRUPT', `a segment of a collection ${what}`)
