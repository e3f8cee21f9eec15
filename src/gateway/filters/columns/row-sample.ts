/** Rows that are looked at, at most; of a longer table half of them at least. */
export const MAX_SAMPLED_ROWS = 2_000
/** Bounds of what is kept of them. */
const MAX_CELLS = 100_000
const MAX_UNITS = 2 ** 22
/** Of one cell; less where a row of so many columns would not leave room for `FEWEST_ROWS`. */
const MAX_CELL_UNITS = 2_000
const FEWEST_ROWS = 8
const ALL = 2 ** 32

/** Place of a row in an order that has nothing to do with the table's (Steele, Lea & Flood 2014, the finaliser of SplitMix, 32 bits). */
function orderOf(row: number): number {
  let z = (row + 0x9e3779b9) | 0
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
  return (z ^ (z >>> 15)) >>> 0
}

/**
 * Every row of a short table, an even sample of a longer one, the same for the same table: rows whose place in a fixed order is below a
 * threshold, which is halved when there are too many. Memory bounded, whatever comes.
 */
export class RowSample {
  readonly #most: number
  readonly #cellUnits: number
  #rows: { readonly order: number; readonly fields: readonly string[]; readonly units: number }[] = []
  #units = 0
  #below = ALL
  #seen = 0

  /** @param columns of each row. */
  constructor(columns: number) {
    this.#most = Math.max(FEWEST_ROWS, Math.min(MAX_SAMPLED_ROWS, Math.floor(MAX_CELLS / Math.max(1, columns))))
    this.#cellUnits = Math.max(1, Math.min(MAX_CELL_UNITS, Math.floor(MAX_UNITS / FEWEST_ROWS / Math.max(1, columns))))
  }

  add(fields: readonly string[]): void {
    const order = orderOf(this.#seen++)
    if (order >= this.#below) return
    const kept = fields.map((field) => (field.length > this.#cellUnits ? field.slice(0, this.#cellUnits).toWellFormed() : field))
    const units = kept.reduce((sum, field) => sum + field.length, 0)
    this.#rows.push({ order, fields: kept, units })
    this.#units += units
    while (this.#rows.length > this.#most || (this.#units > MAX_UNITS && this.#rows.length > 1)) {
      this.#below /= 2
      this.#rows = this.#rows.filter((row) => row.order < this.#below)
      this.#units = this.#rows.reduce((sum, row) => sum + row.units, 0)
      // One row stays even where the order would leave none.
      if (this.#rows.length === 0) {
        this.#rows = [{ order, fields: kept, units }]
        this.#units = units
      }
    }
  }

  /** Of the table, so far. */
  get seen(): number {
    return this.#seen
  }

  get size(): number {
    return this.#rows.length
  }

  /** The values of one column, each with how many of the sampled rows have it; white space alone is none. */
  valuesOf(column: number): ReadonlyMap<string, number> {
    const values = new Map<string, number>()
    for (const { fields } of this.#rows) {
      const value = (fields[column] ?? '').trim()
      if (value !== '') values.set(value, (values.get(value) ?? 0) + 1)
    }
    return values
  }
}
