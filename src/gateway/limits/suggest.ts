import type { LimitRule } from '#foundation/core'

/** One call that was answered. */
export interface PastCall {
  /** Epoch milliseconds. */
  readonly at: number
  /** With its type, as limits are counted. */
  readonly principal: string
  readonly rows: number
  readonly tokens: number
}

export interface LimitSuggestion {
  readonly unit: LimitRule['unit']
  readonly windowMs: number
  /** What is proposed: the least amount that lets `keep` of the past calls pass, times the headroom, rounded up to two digits. */
  readonly amount: number
  /** The most that one principal used within any such window. */
  readonly peak: number
  readonly calls: number
  readonly principals: number
  /** What the proposal would have refused of the past calls, and of how many principals; refused calls do not count against the limit. */
  readonly refused: number
  readonly refusedPrincipals: number
}

export interface SuggestOptions {
  /** Share of the past calls that must pass before headroom is added, above 0 and at most 1. */
  readonly keep: number
  /** At least 1. */
  readonly headroom: number
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** A short window against floods, a long one against reading everything slowly. */
const WINDOWS: readonly { readonly unit: LimitRule['unit']; readonly windowMs: number }[] = [
  { unit: 'requests', windowMs: MINUTE },
  { unit: 'requests', windowMs: DAY },
  { unit: 'rows', windowMs: HOUR },
  { unit: 'rows', windowMs: DAY },
  { unit: 'tokens', windowMs: HOUR },
  { unit: 'tokens', windowMs: DAY },
]

/**
 * Proposes limits for one endpoint and role from what its principals used (C4). A unit that nobody used is left out.
 * @param calls in order of time. Calls that limits of that time refused are not among them: what callers wanted may be more.
 */
export function suggestLimits(calls: readonly PastCall[], { keep, headroom }: SuggestOptions): readonly LimitSuggestion[] {
  const byPrincipal = Map.groupBy(calls, ({ principal }) => principal)
  return WINDOWS.flatMap(({ unit, windowMs }) => {
    const uses = [...byPrincipal.values()].map((own) => usesOf(own, unit))
    const sums = uses.flatMap((own) => rollingSums(own, windowMs)).sort((a, b) => a - b)
    const peak = sums.at(-1) ?? 0
    if (peak === 0) return []
    const kept = sums[Math.max(0, Math.ceil(keep * sums.length) - 1)] ?? peak
    const amount = roundUp(kept * headroom)
    const refused = uses.map((own) => own.length - passable(own, windowMs, amount))
    return {
      unit,
      windowMs,
      amount,
      peak,
      calls: sums.length,
      principals: uses.length,
      refused: refused.reduce((sum, count) => sum + count, 0),
      refusedPrincipals: refused.filter((count) => count > 0).length,
    }
  })
}

interface Use {
  readonly at: number
  readonly amount: number
}

/** What of a unit each call took. */
function usesOf(calls: readonly PastCall[], unit: LimitRule['unit']): readonly Use[] {
  return calls.map((call) => ({ at: call.at, amount: unit === 'requests' ? 1 : call[unit] }))
}

/** For each call, the sum of the window that ends with it, itself included. */
function rollingSums(uses: readonly Use[], windowMs: number): readonly number[] {
  let [sum, oldest] = [0, 0]
  return uses.map(({ at, amount }) => {
    for (; uses[oldest]!.at + windowMs <= at; oldest++) sum -= uses[oldest]!.amount
    return (sum += amount)
  })
}

/** To two significant digits, since a limit is read by people: 1,012 becomes 1,100. */
function roundUp(amount: number): number {
  const unit = 10 ** Math.max(0, Math.ceil(Math.log10(amount)) - 2)
  return Math.ceil(amount / unit) * unit
}

/** How many of the calls a limit would have let pass, if each was tried once. */
function passable(uses: readonly Use[], windowMs: number, amount: number): number {
  const passed: Use[] = []
  let [sum, oldest] = [0, 0]
  for (const use of uses) {
    for (; oldest < passed.length && passed[oldest]!.at + windowMs <= use.at; oldest++) sum -= passed[oldest]!.amount
    if (sum + use.amount > amount) continue
    sum += use.amount
    passed.push(use)
  }
  return passed.length
}
