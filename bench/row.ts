/** One figure of a benchmark. Ratios are taken in one run, for the machine is shared. */
export interface Row {
  readonly what: string
  readonly value: number
  readonly unit: string
  readonly target: number | null
  readonly comparator: '>=' | '<='
  readonly note?: string
}

export interface Benchmark {
  readonly name: string
  run(): Promise<readonly Row[]>
}

/** The value at `share` of sorted values. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return percentile(
    values.toSorted((a, b) => a - b),
    0.5,
  )
}
