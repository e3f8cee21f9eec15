import { TILE_WIDTH } from './tile-paths.ts'

/** C2SP tlog-tiles: an entry is prefixed by its length in two bytes. */
export const MAX_ENTRY_BYTES = 65_535
/** Sealed personal fields of one entry. Large facts are recorded by digest, so this is generous. */
export const MAX_BODY_BYTES = 262_144

/** Reads big-endian length-prefixed items. @returns null unless the bytes hold exactly `count` of them, or more when `prefix` is set. */
function parseItems(bytes: Uint8Array, count: number, lengthBytes: 2 | 4, largest: number, prefix: boolean): Uint8Array[] | null {
  if (count < 1 || count > TILE_WIDTH) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const items: Uint8Array[] = []
  let position = 0
  while (items.length < count) {
    if (position + lengthBytes > bytes.byteLength) return null
    const length = lengthBytes === 2 ? view.getUint16(position) : view.getUint32(position)
    position += lengthBytes
    if (length > largest || position + length > bytes.byteLength) return null
    items.push(bytes.subarray(position, position + length))
    position += length
  }
  return prefix || position === bytes.byteLength ? items : null
}

/** Parses an entry bundle of exactly `count` entries. @returns null when it is anything else. */
export function parseEntryBundle(bytes: Uint8Array, count: number): Uint8Array[] | null {
  return parseItems(bytes, count, 2, MAX_ENTRY_BYTES, false)
}

/** The first `count` entries of a bundle that may hold more. */
export function parseEntryPrefix(bytes: Uint8Array, count: number): Uint8Array[] | null {
  return parseItems(bytes, count, 2, MAX_ENTRY_BYTES, true)
}

/** Parses a body file: one four-byte length and ciphertext per entry, length 0 where the entry has none. */
export function parseBodyBundle(bytes: Uint8Array, count: number): Uint8Array[] | null {
  return parseItems(bytes, count, 4, MAX_BODY_BYTES, false)
}

/** The bytes of the first `count` entries of a bundle, length prefixes included. */
export function bundlePrefix(bytes: Uint8Array, count: number): Uint8Array | null {
  const entries = parseEntryPrefix(bytes, count)
  return (
    entries &&
    bytes.subarray(
      0,
      entries.reduce((sum, entry) => sum + 2 + entry.byteLength, 0),
    )
  )
}
