/** A seeded generator for training: the same seed gives the same model. Not for secrets. */
export interface Random {
  /** Uniform in [0, 1) with 32 bits. */
  next(): number
  /** Uniform in 0 … bound − 1. */
  below(bound: number): number
  /** Standard normal (Box–Muller). */
  normal(): number
}

/**
 * sfc32, a small chaotic generator with a 64-bit-plus counter state; passes PractRand at the sizes used here.
 * @param seed any safe integer; high and low words both count.
 */
export function seededRandom(seed: number): Random {
  let a = seed | 0
  let b = Math.floor(seed / 0x1_0000_0000) | 0
  let c = 0x9e3779b9 | 0
  let counter = 1
  const word = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return sum >>> 0
  }
  // The first outputs still resemble the seed.
  for (let i = 0; i < 16; i++) word()
  const next = (): number => word() / 0x1_0000_0000
  return {
    next,
    below: (bound) => Math.floor(next() * bound),
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  }
}

/** Fisher–Yates, in place. */
export function shuffle(items: Int32Array | Uint32Array, random: Random): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const kept = items[i]!
    items[i] = items[j]!
    items[j] = kept
  }
}
