/** Rows by which answers are coarse: who subtracts one from another learns nothing of fewer, unless they fall on either side of a step. */
export const ROUNDED_TO = 5

/** To the nearest of 0, 5, 10 … */
export const roundedCount = (rows: number): number => Math.round(rows / ROUNDED_TO) * ROUNDED_TO

export interface Spread {
  readonly mean: number
  /** Smallest and largest of the values. */
  readonly least: number
  readonly most: number
  /** How many values, 1 at least. */
  readonly rows: number
}

/**
 * A mean in steps that are as wide as what five rows can change in it: the first of 1, 2, 5, 10 … times a power of ten that is no less.
 * Where all values are the same it is that value.
 */
export function roundedMean({ mean, least, most, rows }: Spread): number {
  const change = (ROUNDED_TO * (most - least)) / rows
  if (!(change > 0) || !Number.isFinite(change)) return most === least ? mean : Number.NaN
  const power = 10 ** Math.floor(Math.log10(change))
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= change) ?? 10)
  return Number((Math.round(mean / step) * step).toPrecision(12))
}
