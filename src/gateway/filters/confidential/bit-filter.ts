/** A Bloom filter with one hash: says for certain that a number was not put in. One bit in sixteen or fewer is set. */
export class BitFilter {
  readonly #bits: Uint32Array
  readonly #mask: number

  constructor(lists: readonly Uint32Array[]) {
    const count = lists.reduce((sum, list) => sum + list.length, 0)
    const bits = 2 ** Math.min(28, Math.max(10, Math.ceil(Math.log2(16 * (count + 1)))))
    this.#mask = bits - 1
    this.#bits = new Uint32Array(bits / 32)
    for (const list of lists) for (const each of list) this.#bits[(each & this.#mask) >>> 5]! |= 1 << (each & 31)
  }

  get bytes(): number {
    return this.#bits.byteLength
  }

  mayHave(value: number): boolean {
    return (this.#bits[(value & this.#mask) >>> 5]! & (1 << (value & 31))) !== 0
  }
}
