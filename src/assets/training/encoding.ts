import type { NumericColumn, TextColumn, TrainingTable } from './table.ts'

/**
 * The encoding learned from the training rows. Each feature of the model is one row of the first layer's weights.
 *
 * Numbers use a piecewise linear encoding: between two neighbouring knots a feature rises from 0 to 1 and stays there, so a
 * linear model over it is a continuous piecewise linear function of the column, flat outside what was seen. Knots are
 * quantiles, which tames heavy tails, and each distinct value where these are few, which makes codes categorical.
 * @see Gorishniy, Rubachev, Babenko 2022, "On Embeddings for Numerical Features in Tabular Deep Learning" §3.2 (arXiv 2203.05556)
 *
 * Text is one-hot over the categories seen often enough; the first feature of the column stands for any other text.
 */
export interface NumericEncoding {
  readonly kind: 'numeric'
  /** Position in the table's columns. */
  readonly column: number
  /** First feature; feature i rises between knots i and i + 1. */
  readonly offset: number
  /** Ascending, at least two. */
  readonly knots: Float64Array
  /** Stands in for a missing value: the median. */
  readonly fill: number
  /** Feature that is 1 where the value is missing, or −1 when none was missing in training. */
  readonly missing: number
}

export interface TextEncoding {
  readonly kind: 'text'
  readonly column: number
  /** The feature of text that is rare or was never seen; categories follow it. */
  readonly offset: number
  readonly categories: readonly string[]
  /** The feature of a missing text; `offset` when none was missing in training. */
  readonly missing: number
  /** Feature by dictionary code. */
  readonly featureOfCode: Int32Array
}

export interface Encoding {
  /** Columns that carry no information (constant, all missing) have no entry; the model takes them and ignores them. */
  readonly columns: readonly (NumericEncoding | TextEncoding)[]
  readonly features: number
}

export interface EncodingLimits {
  /** Most intervals per numeric column; small tables get one per `rowsPerInterval`, but not fewer than `minIntervals`. */
  readonly maxIntervals: number
  readonly minIntervals: number
  readonly rowsPerInterval: number
  /** Up to this many distinct values, each is a knot. */
  readonly maxDistinctKnots: number
  readonly maxCategories: number
  /** A category needs this many rows … */
  readonly minCategoryRows: number
  /** … and this share of the rows. */
  readonly minCategoryShare: number
  /** Most features in all; wide tables get fewer per column. */
  readonly maxFeatures: number
}

/** @param rows the rows to learn from, as positions in the table. */
export function learnEncoding(table: TrainingTable, rows: Uint32Array, limits: EncodingLimits): Encoding {
  const perColumn = Math.max(2, Math.floor(limits.maxFeatures / table.columns.length) - 1)
  const columns: (NumericEncoding | TextEncoding)[] = []
  let features = 0
  table.columns.forEach((column, position) => {
    const learned =
      column.type === 'text'
        ? learnText(column, position, features, rows, limits, perColumn)
        : learnNumeric(column.values, position, features, rows, limits, perColumn)
    if (!learned) return
    columns.push(learned.encoding)
    features += learned.features
  })
  return { columns, features }
}

interface Learned {
  readonly encoding: NumericEncoding | TextEncoding
  readonly features: number
}

function learnText(
  column: TextColumn,
  position: number,
  offset: number,
  rows: Uint32Array,
  limits: EncodingLimits,
  perColumn: number,
): Learned | null {
  const counts = new Uint32Array(column.dictionary.length)
  let missing = 0
  for (const row of rows) {
    const code = column.codes[row]!
    if (code < 0) missing++
    else counts[code]!++
  }
  const needed = Math.max(limits.minCategoryRows, rows.length * limits.minCategoryShare)
  const frequent = column.dictionary
    .map((text, code) => ({ text, code, count: counts[code]! }))
    .filter((category) => category.count >= needed)
    // The tie is broken by the text itself, so that the order of rows does not matter.
    .sort((a, b) => b.count - a.count || (a.text < b.text ? -1 : 1))
    .slice(0, Math.min(limits.maxCategories, perColumn - 1))
  const seen = frequent.reduce((sum, category) => sum + category.count, 0)
  const kinds = frequent.length + (missing > 0 ? 1 : 0) + (seen + missing < rows.length ? 1 : 0)
  if (kinds < 2) return null
  const featureOfCode = new Int32Array(column.dictionary.length).fill(offset)
  frequent.forEach((category, i) => (featureOfCode[category.code] = offset + 1 + i))
  const missingFeature = missing > 0 ? offset + 1 + frequent.length : offset
  return {
    encoding: {
      kind: 'text',
      column: position,
      offset,
      categories: frequent.map((category) => category.text),
      missing: missingFeature,
      featureOfCode,
    },
    features: 1 + frequent.length + (missing > 0 ? 1 : 0),
  }
}

function learnNumeric(
  values: Float64Array,
  position: number,
  offset: number,
  rows: Uint32Array,
  limits: EncodingLimits,
  perColumn: number,
): Learned | null {
  const present = new Float64Array(rows.length)
  let count = 0
  for (const row of rows) {
    const value = values[row]!
    if (!Number.isNaN(value)) present[count++] = value
  }
  const missing = rows.length - count
  const sorted = present.subarray(0, count).sort()
  const intervals = Math.min(
    perColumn,
    limits.maxIntervals,
    Math.max(limits.minIntervals, Math.floor(rows.length / limits.rowsPerInterval)),
  )
  const knots = chooseKnots(sorted, intervals, Math.min(limits.maxDistinctKnots, perColumn))
  if (knots.length < 2 && (missing === 0 || count === 0)) return null
  // One distinct value beside missing ones: the indicator alone tells them apart.
  const usable = knots.length < 2 ? new Float64Array() : knots
  const rising = Math.max(0, usable.length - 1)
  return {
    encoding: {
      kind: 'numeric',
      column: position,
      offset,
      knots: usable,
      fill: sorted[count >> 1]!,
      missing: missing > 0 ? offset + rising : -1,
    },
    features: rising + (missing > 0 ? 1 : 0),
  }
}

/** Every distinct value while these are few; else quantiles of all values and, past a value that dominates, of the others. */
function chooseKnots(sorted: Float64Array, intervals: number, maxDistinct: number): Float64Array {
  const distinct: number[] = []
  const counts: number[] = []
  for (const value of sorted) {
    if (distinct[distinct.length - 1] === value) counts[counts.length - 1]!++
    else {
      distinct.push(value)
      counts.push(1)
    }
  }
  if (distinct.length <= maxDistinct + 1) return separable(distinct)
  // A value that fills many quantiles (zero, mostly) would leave few knots to the rest: its weight is capped.
  const cap = Math.max(1, sorted.length / intervals)
  const weights = counts.map((n) => Math.min(n, cap))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const chosen: number[] = [distinct[0]!]
  let passed = 0
  let next = total / intervals
  distinct.forEach((value, i) => {
    passed += weights[i]!
    if (passed >= next) {
      chosen.push(value)
      while (next <= passed) next += total / intervals
    }
  })
  chosen.push(distinct[distinct.length - 1]!)
  return separable(chosen)
}

/** Drops knots that are equal or so near that the slope between them is not finite. */
function separable(ascending: readonly number[]): Float64Array {
  const kept: number[] = []
  for (const knot of ascending) {
    const last = kept[kept.length - 1]
    if (last === undefined || (knot > last && Number.isFinite(1 / (knot - last)) && knot - last > Math.abs(knot) * 1e-12)) kept.push(knot)
  }
  return Float64Array.from(kept)
}

/** The non-zero features of some rows: row i holds entries `starts[i]` to `starts[i + 1]`. */
export interface SparseRows {
  readonly starts: Int32Array
  readonly features: Int32Array
  readonly values: Float32Array
}

/** Most non-zero features one row can have. */
export function maxActive(encoding: Encoding): number {
  return encoding.columns.reduce((sum, column) => sum + (column.kind === 'text' ? 1 : Math.max(1, column.knots.length)), 0)
}

export function allocateSparse(encoding: Encoding, rows: number): SparseRows {
  const entries = maxActive(encoding) * rows
  return { starts: new Int32Array(rows + 1), features: new Int32Array(entries), values: new Float32Array(entries) }
}

/** Encodes rows `rows[from]` to `rows[to − 1]` into `into`; the ONNX graph does the same arithmetic. */
export function encodeRows(table: TrainingTable, encoding: Encoding, rows: Uint32Array, from: number, to: number, into: SparseRows): void {
  const { starts, features, values } = into
  let at = 0
  for (let i = from; i < to; i++) {
    const row = rows[i]!
    starts[i - from] = at
    for (const column of encoding.columns) {
      const source = table.columns[column.column]!
      if (column.kind === 'text') {
        const code = (source as TextColumn).codes[row]!
        features[at] = code < 0 ? column.missing : column.featureOfCode[code]!
        values[at++] = 1
        continue
      }
      const { knots, offset } = column
      let value = (source as NumericColumn).values[row]!
      if (Number.isNaN(value)) {
        value = column.fill
        if (column.missing >= 0) {
          features[at] = column.missing
          values[at++] = 1
        }
      }
      for (let k = 0; k + 1 < knots.length; k++) {
        const low = knots[k]!
        if (value <= low) break
        const rise = (value - low) * (1 / (knots[k + 1]! - low))
        features[at] = offset + k
        values[at++] = rise < 1 ? rise : 1
      }
    }
  }
  starts[to - from] = at
}
