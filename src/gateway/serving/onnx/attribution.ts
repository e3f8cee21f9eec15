import { RedoubtError } from '#foundation/core'

/**
 * Shares of the difference between the score of a row and that of a baseline row, one for each column, so that they add up to it.
 * @see Shapley 1953; Lundberg and Lee 2017 (arXiv 1705.07874); Sundararajan and Najmi 2020, "baseline Shapley" (arXiv 1908.08474);
 *   Mitchell et al. 2022, antithetic permutations (arXiv 2104.12199)
 */
export interface Attribution {
  /**
   * `additive`: the model is a sum over columns, each share is exact. `shapley`: the mean over all orders in which columns can be changed,
   * exact. `shapley-sampled`: the mean over `orders` of them, drawn with a fixed seed.
   */
  readonly method: 'additive' | 'shapley' | 'shapley-sampled'
  /** Score of the row, and of the baseline. */
  readonly score: number
  readonly baselineScore: number
  readonly contributions: readonly number[]
  /** Standard error of each contribution; null where it is exact. */
  readonly standardErrors: readonly number[] | null
  /** How many orders were drawn; null where nothing was sampled. */
  readonly orders: number | null
  /** |sum of the contributions − (score − baselineScore)|: what rounding leaves. */
  readonly completenessError: number
}

/** Scores rows that are the baseline but for the columns of each set, which are the row's. */
export type ScoreMixed = (sets: readonly ReadonlySet<number>[]) => Promise<readonly number[]>

/** Columns that differ for which all subsets are scored: 1,024 rows. */
export const MAX_EXACT = 10
/** Cells of a batch and of an explanation: a wide row is scored in several batches and gets fewer orders. */
const BATCH_CELLS = 200_000
const MAX_CELLS = 4_000_000
const MAX_ORDERS = 64
/** Rounding of FP32 over a network of our size, with room. */
const TOLERANCE = 1e-3

export interface AttributionAsk {
  /** Columns of the row. */
  readonly columns: number
  /** Those whose value is not the baseline's: the others contribute nothing. */
  readonly differing: readonly number[]
  /** Whether the score is said to be a sum over columns; found out, and not believed. */
  readonly additive: boolean
  readonly score: ScoreMixed
}

/** @throws {RedoubtError} `ERR_LIMIT_CALL_SIZE` when the row is too wide to be explained within bounds. */
export async function attribute({ columns, differing, additive, score }: AttributionAsk): Promise<Attribution> {
  const scored = async (sets: readonly ReadonlySet<number>[]): Promise<readonly number[]> => {
    const perBatch = Math.max(1, Math.floor(BATCH_CELLS / Math.max(1, columns)))
    const scores: number[] = []
    for (let at = 0; at < sets.length; at += perBatch) scores.push(...(await score(sets.slice(at, at + perBatch))))
    return scores
  }
  const [baselineScore, rowScore] = (await scored([new Set(), new Set(differing)])) as [number, number]
  const finished = (
    method: Attribution['method'],
    shares: ReadonlyMap<number, number>,
    sampled: { readonly errors: ReadonlyMap<number, number>; readonly orders: number } | null = null,
  ): Attribution => {
    const all = Array.from({ length: columns }, (_, column) => column)
    const contributions = all.map((column) => shares.get(column) ?? 0)
    const sum = contributions.reduce((total, share) => total + share, 0)
    return {
      method,
      score: rowScore,
      baselineScore,
      contributions,
      standardErrors: sampled === null ? null : all.map((column) => sampled.errors.get(column) ?? 0),
      orders: sampled?.orders ?? null,
      completenessError: Math.abs(sum - (rowScore - baselineScore)),
    }
  }
  if (columns * (differing.length + 1) * 2 > MAX_CELLS)
    throw new RedoubtError('ERR_LIMIT_CALL_SIZE', `a row of ${columns} columns is too wide to be explained`)
  if (additive || differing.length <= 1) {
    const alone = await scored(differing.map((column) => new Set([column])))
    const found = finished('additive', new Map(differing.map((column, i) => [column, alone[i]! - baselineScore])))
    if (found.completenessError <= TOLERANCE * Math.max(1, Math.abs(rowScore), Math.abs(baselineScore))) return found
  }
  if (differing.length <= MAX_EXACT) return finished('shapley', await exactShares(differing, scored))
  const orders = evenAtLeastTwo(Math.min(MAX_ORDERS, MAX_CELLS / (columns * (differing.length + 1))))
  const { shares, errors } = await sampledShares(differing, orders, scored)
  return finished('shapley-sampled', shares, { errors, orders })
}

const evenAtLeastTwo = (orders: number): number => Math.max(2, 2 * Math.floor(orders / 2))

async function exactShares(
  differing: readonly number[],
  scored: (sets: readonly ReadonlySet<number>[]) => Promise<readonly number[]>,
): Promise<ReadonlyMap<number, number>> {
  const n = differing.length
  const scores = await scored(Array.from({ length: 2 ** n }, (_, bits) => new Set(differing.filter((_column, i) => (bits >> i) & 1))))
  // weights[k]: share of the orders in which exactly a given k of the others come before.
  const weights = [1 / n]
  for (let k = 1; k < n; k++) weights.push((weights[k - 1]! * k) / (n - k))
  const countOf = (bits: number): number => {
    let count = 0
    for (let rest = bits; rest > 0; rest &= rest - 1) count++
    return count
  }
  return new Map(
    differing.map((column, i) => {
      let share = 0
      for (let bits = 0; bits < 2 ** n; bits++)
        if (((bits >> i) & 1) === 0) share += weights[countOf(bits)]! * (scores[bits | (1 << i)]! - scores[bits]!)
      return [column, share]
    }),
  )
}

async function sampledShares(
  differing: readonly number[],
  orders: number,
  scored: (sets: readonly ReadonlySet<number>[]) => Promise<readonly number[]>,
): Promise<{ readonly shares: ReadonlyMap<number, number>; readonly errors: ReadonlyMap<number, number> }> {
  const sums = new Map<number, number>(differing.map((column) => [column, 0]))
  const squares = new Map<number, number>(differing.map((column) => [column, 0]))
  const random = sequence()
  for (let pair = 0; pair < orders / 2; pair++) {
    const order = shuffled(differing, random)
    const means = new Map<number, number>()
    // Each order and its reverse: what one says too much the other says too little.
    for (const columns of [order, [...order].reverse()]) {
      const prefixes = [new Set<number>()]
      for (const column of columns) prefixes.push(new Set([...prefixes.at(-1)!, column]))
      const scores = await scored(prefixes)
      columns.forEach((column, i) => means.set(column, (means.get(column) ?? 0) + (scores[i + 1]! - scores[i]!) / 2))
    }
    for (const [column, mean] of means) {
      sums.set(column, sums.get(column)! + mean)
      squares.set(column, squares.get(column)! + mean * mean)
    }
  }
  const pairs = orders / 2
  const errorOf = (column: number): number => {
    const mean = sums.get(column)! / pairs
    return pairs < 2 ? Math.abs(mean) : Math.sqrt(Math.max(0, squares.get(column)! / pairs - mean * mean) / (pairs - 1))
  }
  return {
    shares: new Map(differing.map((column) => [column, sums.get(column)! / pairs])),
    errors: new Map(differing.map((column) => [column, errorOf(column)])),
  }
}

function shuffled(items: readonly number[], random: () => number): number[] {
  const copy = [...items]
  for (let i = copy.length - 1; i > 0; i--) {
    const j = random() % (i + 1)
    ;[copy[i], copy[j]] = [copy[j]!, copy[i]!]
  }
  return copy
}

/** xorshift32 from a fixed start: the same row is explained the same way each time. */
function sequence(): () => number {
  let state = 0x9e3779b9
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
