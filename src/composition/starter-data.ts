/** Small, fast, seeded generator (mulberry32): the starter data are the same on every machine. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export const STARTER_ROWS = 4_000
const STARTER_SEED = 20_240_117
const EMPLOYMENT = ['permanent', 'temporary', 'self-employed', 'retired', 'none'] as const
const PURPOSES = ['car', 'furniture', 'education', 'renovation', 'holiday'] as const
const EMPLOYMENT_RISK = [-0.6, 0.4, 0.2, -0.2, 1.1] as const
const PURPOSE_RISK = [0.1, 0, -0.3, -0.2, 0.5] as const

/**
 * Invented credit applications, CSV with header: no row is a person's. The chance of default follows a logistic rule in income,
 * amount, employment, purpose and history, so that a model has something to learn.
 */
export function* starterCredit(rows: number = STARTER_ROWS, seed: number = STARTER_SEED): Generator<Uint8Array> {
  const random = generator(seed)
  const encoder = new TextEncoder()
  const pick = (values: readonly unknown[]): number => Math.floor(random() * values.length)
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  yield encoder.encode('applicant,age,income,amount,duration_months,employment,purpose,late_payments,label\n')
  for (let row = 0; row < rows; row++) {
    const age = Math.round(20 + 50 * random())
    const income = Math.round(Math.exp(10.3 + 0.45 * normal()))
    const amount = Math.round(Math.exp(8.6 + 0.7 * normal()))
    const duration = 6 * (1 + Math.floor(random() * 10))
    const employment = pick(EMPLOYMENT)
    const purpose = pick(PURPOSES)
    const late = Math.max(0, Math.floor(-1.2 + 1.5 * Math.abs(normal())))
    const score =
      -1.6 +
      2.2 * (amount / income) +
      0.012 * duration +
      EMPLOYMENT_RISK[employment]! +
      PURPOSE_RISK[purpose]! +
      0.8 * late -
      0.012 * (age - 45)
    const label = random() < 1 / (1 + Math.exp(-score)) ? 1 : 0
    const shownIncome = random() < 0.03 ? '' : String(income)
    yield encoder.encode(
      `applicant-${String(row + 1).padStart(5, '0')},${age},${shownIncome},${amount},${duration},${EMPLOYMENT[employment]},${PURPOSES[purpose]},${late},${label}\n`,
    )
  }
}
