import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CompactRange } from './compact-range.ts'
import { emptyRoot, leafHash, NodeHasher } from './merkle-hash.ts'
import { consistencyProof, inclusionProof, type NodeReader, remembering, treeRoot } from './prove-merkle.ts'
import { verifyConsistency, verifyInclusion, verifySubtreeConsistency, verifySubtreeInclusion } from './verify-merkle.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const hasher = new NodeHasher()

/** RFC 6962 §2.1 as it is written, to check the fast code against. */
function slowRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return emptyRoot()
  if (leaves.length === 1) return leaves[0]!
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return hasher.node(slowRoot(leaves.slice(0, k)), slowRoot(leaves.slice(k)))
}

function tree(size: number): { readonly leaves: Uint8Array[]; readonly read: NodeReader; readonly root: Uint8Array } {
  const leaves = Array.from({ length: size }, (_, i) => leafHash(Buffer.from(`leaf ${i}`)))
  const read: NodeReader = (height, index) => slowRoot(leaves.slice(index * 2 ** height, (index + 1) * 2 ** height))
  return { leaves, read, root: slowRoot(leaves) }
}

describe('Merkle tree (RFC 6962)', () => {
  it('gives the published hashes of the empty tree and of the empty leaf (RFC 6962 §2.1)', () => {
    expect(hex(emptyRoot())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    expect(hex(leafHash(new Uint8Array()))).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d')
  })

  it('keeps the same root in a compact range as the recursive definition gives, for every size', () => {
    const range = new CompactRange()
    const leaves: Uint8Array[] = []
    for (let size = 0; size <= 130; size++) {
      expect(hex(range.root())).toBe(hex(slowRoot(leaves)))
      const leaf = leafHash(Buffer.from(`leaf ${size}`))
      leaves.push(leaf)
      range.append(leaf, () => undefined)
    }
  })

  it('restores a compact range from its peaks and goes on as if it had never stopped', () => {
    for (const size of [0, 1, 2, 3, 7, 8, 100]) {
      const { read, leaves } = tree(size + 3)
      const range = CompactRange.restore(size, (height) => read(height, Math.floor(size / 2 ** height) - 1))
      for (const leaf of leaves.slice(size)) range.append(leaf, () => undefined)
      expect(hex(range.root())).toBe(hex(slowRoot(leaves)))
    }
  })
})

describe('proofs (RFC 9162 §2.1)', () => {
  it('are the same by nodes that are remembered', () => {
    for (const size of [1, 7, 255, 256, 257, 700]) {
      const { read } = tree(size)
      const nodes = remembering(read)
      for (let index = 0; index < size; index += 1 + Math.floor(size / 9))
        expect(inclusionProof(index, size, nodes).map(hex)).toEqual(inclusionProof(index, size, read).map(hex))
    }
  })

  it('proves inclusion of every leaf and consistency of every pair of sizes up to 33', () => {
    for (let size = 1; size <= 33; size++) {
      const { leaves, read, root } = tree(size)
      expect(hex(treeRoot(size, read))).toBe(hex(root))
      for (let index = 0; index < size; index++) {
        const proof = inclusionProof(index, size, read)
        expect(verifyInclusion({ index, size, leafHash: leaves[index]!, root, proof })).toBe(true)
        const root1 = slowRoot(leaves.slice(0, index + 1))
        const consistency = consistencyProof(index + 1, size, read)
        expect(verifyConsistency({ size1: index + 1, size2: size, root1, root2: root, proof: consistency })).toBe(true)
      }
    }
  })

  it('detects a change of any one byte of leaf hash, root or proof (property)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 70 }), fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), (size, pick, byte, flip) => {
        const { leaves, read, root } = tree(size)
        const index = pick % size
        const parts = [leaves[index]!, root, ...inclusionProof(index, size, read)].map((part) => Buffer.from(part))
        const at = byte % (parts.length * 32)
        parts[Math.floor(at / 32)]![at % 32]! ^= flip
        const [leaf, tampered, ...proof] = parts
        return !verifyInclusion({ index, size, leafHash: leaf!, root: tampered!, proof })
      }),
      { numRuns: 300 },
    )
  })

  it('detects a change of any one byte of either root or of the proof of consistency (property)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 70 }), fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), (size, pick, byte, flip) => {
        const { leaves, read, root } = tree(size)
        const size1 = 1 + (pick % (size - 1))
        const parts = [slowRoot(leaves.slice(0, size1)), root, ...consistencyProof(size1, size, read)].map((part) => Buffer.from(part))
        const at = byte % (parts.length * 32)
        parts[Math.floor(at / 32)]![at % 32]! ^= flip
        const [root1, root2, ...proof] = parts
        return !verifyConsistency({ size1, size2: size, root1: root1!, root2: root2!, proof })
      }),
      { numRuns: 300 },
    )
  })

  it('refuses sizes of 0, empty hashes, indices beyond the tree and numbers beyond 2^64 − 1', () => {
    const { leaves, read, root } = tree(5)
    const proof = inclusionProof(2, 5, read)
    const claim = { index: 2, size: 5, leafHash: leaves[2]!, root, proof }
    const none = new Uint8Array()
    expect(verifyInclusion(claim)).toBe(true)
    expect(verifyInclusion({ ...claim, index: 5 })).toBe(false)
    expect(verifyInclusion({ ...claim, index: 2n + 2n ** 64n })).toBe(false)
    expect(verifyInclusion({ ...claim, index: -1 })).toBe(false)
    expect(verifyInclusion({ ...claim, size: 0 })).toBe(false)
    expect(verifyInclusion({ ...claim, size: 2 ** 53 })).toBe(false)
    expect(verifyInclusion({ ...claim, root: none })).toBe(false)
    expect(verifyInclusion({ ...claim, leafHash: none })).toBe(false)
    expect(verifyInclusion({ ...claim, proof: [...proof, root] })).toBe(false)
    expect(verifyInclusion({ ...claim, proof: proof.slice(1) })).toBe(false)
    expect(verifyConsistency({ size1: 0, size2: 5, root1: emptyRoot(), root2: root, proof: [] })).toBe(false)
    expect(verifyConsistency({ size1: 0, size2: 0, root1: none, root2: none, proof: [] })).toBe(false)
    expect(verifyConsistency({ size1: 5, size2: 5, root1: root, root2: root, proof: [] })).toBe(true)
    expect(verifyConsistency({ size1: 5, size2: 4, root1: root, root2: root, proof: [] })).toBe(false)
  })

  it('verifies proofs about subtrees and refuses ranges that are none (Merkle Tree Certificates §4)', () => {
    const { leaves, read, root } = tree(14)
    const sub = slowRoot(leaves.slice(8, 12))
    const proof = inclusionProof(1, 4, (height, index) => read(height, index + 8 / 2 ** height))
    expect(verifySubtreeInclusion({ index: 9, start: 8, end: 12, leafHash: leaves[9]!, root: sub, proof })).toBe(true)
    expect(verifySubtreeInclusion({ index: 9, start: 7, end: 11, leafHash: leaves[9]!, root: sub, proof })).toBe(false)
    expect(verifySubtreeInclusion({ index: 7, start: 8, end: 12, leafHash: leaves[9]!, root: sub, proof })).toBe(false)
    const up = [slowRoot(leaves.slice(12, 14)), slowRoot(leaves.slice(0, 8))]
    expect(verifySubtreeConsistency({ start: 8, end: 12, size: 14, root1: sub, root2: root, proof: up })).toBe(true)
    expect(verifySubtreeConsistency({ start: 8, end: 12, size: 14, root1: sub, root2: sub, proof: up })).toBe(false)
  })
})
