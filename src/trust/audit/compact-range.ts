import { emptyRoot, NodeHasher } from './merkle-hash.ts'

/**
 * The right edge of a Merkle tree: one hash per complete subtree, so an append costs two hashes on average
 * and the root a logarithm of them.
 */
export class CompactRange {
  readonly #hasher = new NodeHasher()
  /** `#peaks[h]` is the root of the complete subtree of 2^h leaves, meaningful only where bit h of the size is set. */
  readonly #peaks: Uint8Array[] = []
  #size = 0

  /** @param peaks By height; only those where bit h of `size` is set are read. */
  static restore(size: number, peak: (height: number) => Uint8Array): CompactRange {
    const range = new CompactRange()
    let rest = size
    for (let height = 0; rest > 0; height++) {
      range.#peaks[height] = rest % 2 === 1 ? peak(height) : new Uint8Array()
      rest = Math.floor(rest / 2)
    }
    range.#size = size
    return range
  }

  get size(): number {
    return this.#size
  }

  /**
   * @param leaf A leaf hash; kept, so the caller must not reuse its bytes.
   * @param completed Told of each node completed above the leaf, by its height (1 and up).
   */
  append(leaf: Uint8Array, completed: (height: number, hash: Uint8Array) => void): void {
    this.#join(leaf, 0, completed)
    this.#size++
  }

  /**
   * Adds 2^height leaves at once.
   * @param root Of the complete subtree over them. @returns false, and adds nothing, where no such subtree begins.
   */
  appendSubtree(root: Uint8Array, height: number): boolean {
    if (this.#size % 2 ** height !== 0) return false
    this.#join(root, height, () => undefined)
    this.#size += 2 ** height
    return true
  }

  #join(added: Uint8Array, at: number, completed: (height: number, hash: Uint8Array) => void): void {
    let node = added
    let height = at
    let rest = Math.floor(this.#size / 2 ** height)
    while (rest % 2 === 1) {
      node = this.#hasher.node(this.#peaks[height]!, node)
      height++
      completed(height, node)
      rest = (rest - 1) / 2
    }
    this.#peaks[height] = node
  }

  root(): Uint8Array {
    let root: Uint8Array | null = null
    let rest = this.#size
    for (let height = 0; rest > 0; height++) {
      if (rest % 2 === 1) root = root === null ? this.#peaks[height]! : this.#hasher.node(this.#peaks[height]!, root)
      rest = Math.floor(rest / 2)
    }
    return root ?? emptyRoot()
  }
}
