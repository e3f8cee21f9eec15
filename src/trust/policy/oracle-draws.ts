/** Seeded generator of uniform numbers in [0, 1) (splitmix32); the seed is printed by whoever runs it. */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32
  }
}

/** Draws from a seeded source: the same seed makes the same draws, in the order in which they are asked for. */
export class Draws {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = randomSource(seed)
  }

  /** A whole number from 0, below `n`. */
  below(n: number): number {
    return Math.floor(this.#random() * n)
  }

  chance(p: number): boolean {
    return this.#random() < p
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }
}
