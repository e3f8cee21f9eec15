import { emptyRoot, HASH_BYTES, NodeHasher, sameHash } from './merkle-hash.ts'

/**
 * Verification of proofs that an attacker may have written. Numbers may reach 2^64 − 1, so they are bigint inside;
 * a `number` that is not a safe integer is refused. "Does not verify" is `false`, never an exception.
 */
export type TreeNumber = number | bigint

export interface InclusionClaim {
  readonly index: TreeNumber
  readonly size: TreeNumber
  readonly leafHash: Uint8Array
  readonly root: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** A tree of up to 2^64 leaves has paths of at most 64 hashes. */
const MAX_PATH = 64
const LARGEST = 2n ** 64n - 1n

/** RFC 9162 §2.1.3.2. A tree of size 0 includes nothing. */
export function verifyInclusion(claim: InclusionClaim): boolean {
  const index = treeNumber(claim.index)
  const size = treeNumber(claim.size)
  if (index === null || size === null || index >= size) return false
  if (!wellFormed([claim.leafHash, claim.root], claim.proof)) return false
  const hasher = new NodeHasher()
  let fn = index
  let sn = size - 1n
  let r = claim.leafHash
  for (const p of claim.proof) {
    if (sn === 0n) return false
    if ((fn & 1n) === 1n || fn === sn) {
      r = hasher.node(p, r)
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n
        sn >>= 1n
      }
    } else {
      r = hasher.node(r, p)
    }
    fn >>= 1n
    sn >>= 1n
  }
  return sn === 0n && sameHash(r, claim.root)
}

export interface ConsistencyClaim {
  readonly size1: TreeNumber
  readonly size2: TreeNumber
  readonly root1: Uint8Array
  readonly root2: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** RFC 9162 §2.1.4.2. The empty tree is consistent with every tree, which proves nothing: size 0 is refused. */
export function verifyConsistency(claim: ConsistencyClaim): boolean {
  if (claim.size1 === 0 || claim.size1 === 0n) return false
  return verifySubtreeConsistency({
    start: 0,
    end: claim.size1,
    size: claim.size2,
    root1: claim.root1,
    root2: claim.root2,
    proof: claim.proof,
  })
}

export interface SubtreeInclusionClaim extends Omit<InclusionClaim, 'size'> {
  readonly start: TreeNumber
  readonly end: TreeNumber
}

/** draft-ietf-plants-merkle-tree-certs-02 §4.3: inclusion in the subtree over leaves [start, end). */
export function verifySubtreeInclusion(claim: SubtreeInclusionClaim): boolean {
  const start = treeNumber(claim.start)
  const end = treeNumber(claim.end)
  const index = treeNumber(claim.index)
  if (start === null || end === null || index === null || !isSubtree(start, end) || index < start) return false
  return verifyInclusion({ ...claim, index: index - start, size: end - start })
}

export interface SubtreeConsistencyClaim {
  readonly start: TreeNumber
  readonly end: TreeNumber
  readonly size: TreeNumber
  /** Root of the subtree over [start, end). */
  readonly root1: Uint8Array
  /** Root of the tree of `size` leaves. */
  readonly root2: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** draft-ietf-plants-merkle-tree-certs-02 §4.4.3; with start = 0 it is RFC 9162 §2.1.4.2. */
export function verifySubtreeConsistency(claim: SubtreeConsistencyClaim): boolean {
  const start = treeNumber(claim.start)
  const end = treeNumber(claim.end)
  const size = treeNumber(claim.size)
  if (start === null || end === null || size === null || end > size) return false
  // The empty subtree is part of every tree; its root is known, and there is nothing to prove.
  if (start === end) return claim.proof.length === 0 && sameHash(claim.root1, emptyRoot())
  if (!isSubtree(start, end)) return false
  // The same tree twice: nothing is hashed, the roots are merely compared.
  if (start === 0n && end === size) return claim.proof.length === 0 && claim.root1.byteLength > 0 && sameHash(claim.root1, claim.root2)
  if (!wellFormed([claim.root1, claim.root2], claim.proof)) return false
  const hasher = new NodeHasher()
  // The path up from the subtree: first and last node of the subtree, and last node of the tree, at the current height.
  const skip = commonShift(start, end - 1n, size - 1n)
  let fn = start >> skip
  let sn = (end - 1n) >> skip
  let tn = (size - 1n) >> skip
  let rest = claim.proof
  let fr: Uint8Array = claim.root1
  if (fn !== sn) {
    const first = claim.proof[0]
    if (first === undefined) return false
    fr = first
    rest = claim.proof.slice(1)
  }
  let sr = fr
  for (const c of rest) {
    if (tn === 0n) return false
    if ((sn & 1n) === 1n || sn === tn) {
      if (fn < sn) fr = hasher.node(c, fr)
      sr = hasher.node(c, sr)
      const zeros = trailingZeros(sn)
      fn >>= zeros
      sn >>= zeros
      tn >>= zeros
    } else {
      sr = hasher.node(sr, c)
    }
    fn >>= 1n
    sn >>= 1n
    tn >>= 1n
  }
  return tn === 0n && sameHash(fr, claim.root1) && sameHash(sr, claim.root2)
}

function treeNumber(value: TreeNumber): bigint | null {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return null
  const number = BigInt(value)
  return number < 0n || number > LARGEST ? null : number
}

/** [start, end) is a node of the tree, or its left-complete part: start is a multiple of the next power of two of the width. */
function isSubtree(start: bigint, end: bigint): boolean {
  if (end <= start) return false
  let width = 1n
  while (width < end - start) width <<= 1n
  return start % width === 0n
}

function wellFormed(hashes: readonly Uint8Array[], proof: readonly Uint8Array[]): boolean {
  return proof.length <= MAX_PATH && [...hashes, ...proof].every((value) => value.byteLength === HASH_BYTES)
}

/** How far the subtree's edge can be followed up before a proof hash is needed (steps 2 and 3 of the procedure). */
function commonShift(fn: bigint, sn: bigint, tn: bigint): bigint {
  let shift = 0n
  if (sn === tn) while (fn >> shift !== sn >> shift) shift++
  else while (fn >> shift !== sn >> shift && ((sn >> shift) & 1n) === 1n) shift++
  return shift
}

/** @param value Greater than 0. */
function trailingZeros(value: bigint): bigint {
  return BigInt((value & -value).toString(2).length - 1)
}
