import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { attribute, MAX_EXACT } from './attribution.ts'

type Score = (present: (column: number) => number) => number
const asked = (columns: number, score: Score, additive = false) => {
  let rows = 0
  const ask = attribute({
    columns,
    differing: Array.from({ length: columns }, (_, i) => i),
    additive,
    async score(sets) {
      rows += sets.length
      return sets.map((set) => score((column) => (set.has(column) ? 1 : 0)))
    },
  })
  return ask.then((found) => ({ ...found, rows }))
}
const weights = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: 16 })

describe('attribution (D2)', () => {
  it('gives each column of a sum its own term', async () => {
    await fc.assert(
      fc.asyncProperty(weights, async (w) => {
        const found = await asked(w.length, (at) => 0.5 + w.reduce((sum, each, i) => sum + each * at(i), 0), true)
        expect(found.method).toBe('additive')
        found.contributions.forEach((share, i) => expect(share).toBeCloseTo(w[i]!, 9))
        expect([found.orders, found.standardErrors]).toEqual([null, null])
      }),
    )
  })

  it('adds up to the difference of the scores, whatever the function, exact or sampled', async () => {
    await fc.assert(
      fc.asyncProperty(weights, fc.integer({ min: 1, max: 1_000 }), async (w, seed) => {
        const score: Score = (at) => Math.tanh(w.reduce((sum, each, i) => sum + each * at(i), 0)) * 3 + at(0) * at(w.length - 1) * seed
        const found = await asked(w.length, score)
        const sum = found.contributions.reduce((total, share) => total + share, 0)
        expect(sum).toBeCloseTo(found.score - found.baselineScore, 6)
        expect(found.completenessError).toBeLessThan(1e-6)
        expect(found.score).toBe(score(() => 1))
        if (w.length > 1) expect(found.method).toBe(w.length <= MAX_EXACT ? 'shapley' : 'shapley-sampled')
      }),
      { numRuns: 60 },
    )
  })

  it('shares what columns do together among them, and gives nothing to a column that does nothing', async () => {
    const together = await asked(3, (at) => 6 * at(0) * at(1))
    expect(together.contributions.map((share) => Math.round(share * 1e9) / 1e9)).toEqual([3, 3, 0])
    // A majority of three: one third each, by symmetry.
    const majority = await asked(3, (at) => (at(0) + at(1) + at(2) >= 2 ? 1 : 0))
    majority.contributions.forEach((share) => expect(share).toBeCloseTo(1 / 3, 9))
  })

  it('does not believe that a function is a sum', async () => {
    const found = await asked(2, (at) => 6 * at(0) * at(1), true)
    expect([found.method, ...found.contributions]).toEqual(['shapley', 3, 3])
  })

  it('sampled, comes close to the exact shares, says how close, and is the same each time', async () => {
    const n = MAX_EXACT + 4
    const score: Score = (at) =>
      Math.max(
        0,
        Array.from({ length: n }, (_, i) => (i % 2 === 0 ? 1 : -0.5) * at(i)).reduce((a, b) => a + b, 0),
      ) +
      at(0) * at(1)
    const found = await asked(n, score)
    expect(found.orders).toBe(64)
    // Columns 2, 4, … are alike, and so are 3, 5, …: each must have the same share.
    const alike = [2, 4, 6, 8, 10, 12].map((i) => found.contributions[i]!)
    const mean = alike.reduce((a, b) => a + b, 0) / alike.length
    alike.forEach((share, i) => expect(Math.abs(share - mean)).toBeLessThan(6 * found.standardErrors![2 + 2 * i]! + 0.02))
    expect((await asked(n, score)).contributions).toEqual(found.contributions)
  })

  it('is bounded in work, and refuses what is too wide', async () => {
    const wide = await asked(400, (at) => at(0))
    expect(wide.rows * 400).toBeLessThan(4_500_000)
    await expect(asked(3_000, () => 0)).rejects.toMatchObject({ code: 'ERR_LIMIT_CALL_SIZE' })
  })
})
