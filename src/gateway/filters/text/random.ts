/** Uniform numbers in [0, 1), the same for the same seed. For training and made-up text, not for secrets. */
export interface Random {
  next(): number
  /** Uniform in 0 … bound − 1. */
  below(bound: number): number
  pick<T>(items: readonly T[]): T
}

/** SplitMix32 (Steele, Lea & Flood 2014, reduced to 32 bits). @param seed any safe integer. */
export function seededRandom(seed: number): Random {
  let state = (seed ^ Math.floor(seed / 0x1_0000_0000)) | 0
  const next = (): number => {
    state = (state + 0x9e3779b9) | 0
    let word = state ^ (state >>> 16)
    word = Math.imul(word, 0x21f0aaad)
    word ^= word >>> 15
    word = Math.imul(word, 0x735a2d97)
    return ((word ^ (word >>> 15)) >>> 0) / 0x1_0000_0000
  }
  const below = (bound: number): number => Math.floor(next() * bound)
  return { next, below, pick: (items) => items[below(items.length)]! }
}

/** Fisher–Yates, in place. */
export function shuffle<T>(items: T[], random: Random): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const kept = items[i]!
    items[i] = items[j]!
    items[j] = kept
  }
  return items
}
