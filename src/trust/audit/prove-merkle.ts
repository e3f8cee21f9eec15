import { NodeHasher } from './merkle-hash.ts'

/** Gives the hash of the complete subtree of 2^height leaves with this index at its height. */
export type NodeReader = (height: number, index: number) => Uint8Array

/** RFC 6962 §2.1: MTH(D[start:end]), where the range is a node of a tree or its left-complete part. */
function rangeRoot(start: number, end: number, read: NodeReader, hasher: NodeHasher): Uint8Array {
  const width = end - start
  const height = Math.round(Math.log2(width))
  if (2 ** height === width) return read(height, start / width)
  const k = splitOf(width)
  return hasher.node(rangeRoot(start, start + k, read, hasher), rangeRoot(start + k, end, read, hasher))
}

export function treeRoot(size: number, read: NodeReader): Uint8Array {
  return rangeRoot(0, size, read, new NodeHasher())
}

/** RFC 6962 §2.1.1: PATH(index, D[size]), from the leaf's sibling up. */
export function inclusionProof(index: number, size: number, read: NodeReader): Uint8Array[] {
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) throw new RangeError('the index is not in the tree')
  const hasher = new NodeHasher()
  const path: Uint8Array[] = []
  let start = 0
  let end = size
  while (end - start > 1) {
    const middle = start + splitOf(end - start)
    if (index < middle) {
      path.push(rangeRoot(middle, end, read, hasher))
      end = middle
    } else {
      path.push(rangeRoot(start, middle, read, hasher))
      start = middle
    }
  }
  return path.reverse()
}

/** RFC 6962 §2.1.2: PROOF(size1, D[size2]); empty for size1 = 0 and for equal sizes. */
export function consistencyProof(size1: number, size2: number, read: NodeReader): Uint8Array[] {
  if (!Number.isSafeInteger(size1) || size1 < 0 || size1 > size2) throw new RangeError('the sizes are not in order')
  if (size1 === 0 || size1 === size2) return []
  const hasher = new NodeHasher()
  const proof: Uint8Array[] = []
  let start = 0
  let end = size2
  let whole = true
  while (end !== size1) {
    const middle = start + splitOf(end - start)
    if (size1 <= middle) {
      proof.push(rangeRoot(middle, end, read, hasher))
      end = middle
    } else {
      proof.push(rangeRoot(start, middle, read, hasher))
      start = middle
      whole = false
    }
  }
  if (!whole) proof.push(rangeRoot(start, end, read, hasher))
  return proof.reverse()
}

/** Height of a tile: nodes at its multiples are stored, those between are computed. */
const STORED_EVERY = 8

/** Computes each node once, for proofs of leaves that lie close together. Keeps all of them: to be let go after a few hundred proofs. */
export function remembering(read: NodeReader): NodeReader {
  const hasher = new NodeHasher()
  /** By height, then by index. */
  const known: Map<number, Uint8Array>[] = []
  const node: NodeReader = (height, index) => {
    if (height % STORED_EVERY === 0) return read(height, index)
    const row = (known[height] ??= new Map())
    let found = row.get(index)
    if (found === undefined) {
      found = hasher.node(node(height - 1, 2 * index), node(height - 1, 2 * index + 1))
      row.set(index, found)
    }
    return found
  }
  return node
}

/** A complete subtree of 2^height leaves and its index at that height. */
export interface Subtree {
  readonly height: number
  readonly index: number
}

/**
 * The fewest complete subtrees over leaves [start, end), from left to right: fewer than twice the height of the tree. Those of what lies left
 * and right of a range, with its leaves, give the root of the whole tree.
 */
export function coveringSubtrees(start: number, end: number): Subtree[] {
  const subtrees: Subtree[] = []
  for (let at = start; at < end;) {
    let height = 0
    while (at % 2 ** (height + 1) === 0 && at + 2 ** (height + 1) <= end) height++
    subtrees.push({ height, index: at / 2 ** height })
    at += 2 ** height
  }
  return subtrees
}

/** The largest power of two smaller than `width` (> 1). */
function splitOf(width: number): number {
  let k = 1
  while (k * 2 < width) k *= 2
  return k
}
