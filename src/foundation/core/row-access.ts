/** What a decision about a data set says of its rows and columns. Made by `#trust/policy`, obeyed by the one reader in `#assets/datasets`. */

/**
 * What is done to the values of a column before anyone sees them, from nothing to all:
 * `keep`; `year` (of an ISO 8601 date), `last4` (of at least eight characters), `coarse` (one significant digit of a number),
 * where a value does not fit its mask it is redacted; `redact`; `hide` (the column is not there).
 */
export const COLUMN_MASKS = ['keep', 'year', 'last4', 'coarse', 'redact', 'hide'] as const
export type ColumnMask = (typeof COLUMN_MASKS)[number]

const STRICTNESS: Readonly<Record<ColumnMask, number>> = { keep: 0, year: 1, last4: 1, coarse: 1, redact: 2, hide: 3 }

/** The stricter of two masks. Two that each show another part of a value show none of it together. */
export function stricterMask(left: ColumnMask, right: ColumnMask): ColumnMask {
  if (left === right) return left
  if (STRICTNESS[left] === STRICTNESS[right]) return 'redact'
  return STRICTNESS[left] > STRICTNESS[right] ? left : right
}

/** The cells of one row as policies read them; null where the row has no value. */
export interface RowCells {
  text(column: string): string | null
  /** A safe integer. */
  integer(column: string): number | null
  /** Finite. */
  real(column: string): number | null
}

/** A column that a condition reads, and as what: the data set must have it, of exactly this type. */
export interface ReadColumn {
  readonly name: string
  readonly type: 'text' | 'integer' | 'real'
}

/** What is left of the policies when all but the row is known: the rows for which the decision is an allow. */
export interface RowCondition {
  /** SHA-256, hex, over what is left, in canonical JSON: the same policies and facts give the same digest. */
  readonly digest: string
  readonly columns: readonly ReadColumn[]
  /** @returns null when a policy cannot be evaluated for the row: it is then not shown, and counted. Never throws. */
  admits(row: RowCells): boolean | null
  /** The condition as plain values, for another thread of this process; `#trust/policy` makes it one again. */
  readonly portable?: unknown
}
