import { RedoubtError } from '#foundation/core'
import { HASH_BYTES, NodeHasher } from './merkle-hash.ts'
import type { NodeReader } from './prove-merkle.ts'
import { TILE_WIDTH, tilePath, widthAt } from './tile-paths.ts'

/** Height of one tile: 256 hashes are 8 levels of the tree. */
const TILE_HEIGHT = 8

/**
 * Reads nodes of the tree of `size` leaves out of its hash tiles. The tiles are taken as they are: who does not trust
 * them checks the proof that comes out, or uses `verifyLog`.
 * @param read Gives the bytes of a tile by its path, or null.
 */
export function tileNodes(size: number, read: (path: string) => Uint8Array | null): NodeReader {
  const hasher = new NodeHasher()
  const tiles = new Map<string, Uint8Array>()
  const tile = (level: number, index: number): Uint8Array => {
    const path = tilePath({ kind: level, index, width: widthAt(level, index, size) })
    let bytes = tiles.get(path)
    if (bytes === undefined) {
      const found = read(path)
      if (found === null || found.byteLength !== widthAt(level, index, size) * HASH_BYTES)
        throw new RedoubtError('ERR_AUDIT_CORRUPT', `the tile \`${path}\` is missing or has the wrong size`)
      bytes = found
      tiles.set(path, bytes)
    }
    return bytes
  }
  const subtree = (rows: Uint8Array, first: number, height: number): Uint8Array =>
    height === 0
      ? rows.subarray(first * HASH_BYTES, (first + 1) * HASH_BYTES)
      : hasher.node(subtree(rows, first, height - 1), subtree(rows, first + 2 ** (height - 1), height - 1))
  return (height, index) => {
    const level = Math.floor(height / TILE_HEIGHT)
    const inner = height % TILE_HEIGHT
    const firstRow = index * 2 ** inner
    const tileIndex = Math.floor(firstRow / TILE_WIDTH)
    return subtree(tile(level, tileIndex), firstRow - tileIndex * TILE_WIDTH, inner)
  }
}

/** Reads nodes of the tree under the latest checkpoint of a log. */
export function publishedNodes(log: { readonly published: number; resource(path: string): Uint8Array | null }): NodeReader {
  return tileNodes(log.published, (path) => log.resource(path))
}
