import { sha256 } from '#foundation/crypto'

/** RFC 6962 §2.1: domain separation between leaves and interior nodes. */
const LEAF_PREFIX = 0x00
const NODE_PREFIX = 0x01
export const HASH_BYTES = 32

/** MTH({}): the root of the empty tree. */
export function emptyRoot(): Uint8Array {
  return sha256(new Uint8Array())
}

export function leafHash(entry: Uint8Array): Buffer {
  const input = Buffer.allocUnsafe(1 + entry.byteLength)
  input[0] = LEAF_PREFIX
  input.set(entry, 1)
  return sha256(input)
}

/** Takes bytes that already begin with the leaf prefix, so that a hot path need not copy them. */
export function prefixedLeafHash(prefixed: Uint8Array): Buffer {
  return sha256(prefixed)
}

/** Hashes interior nodes through one buffer of its own; not shared, so that no state outlives its owner. */
export class NodeHasher {
  readonly #input = Buffer.alloc(1 + 2 * HASH_BYTES, NODE_PREFIX)

  node(left: Uint8Array, right: Uint8Array): Buffer {
    this.#input.set(left, 1)
    this.#input.set(right, 1 + HASH_BYTES)
    return sha256(this.#input)
  }
}

export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && Buffer.compare(a, b) === 0
}
