import type { Sensitivity, SpecialCategory } from './entities.ts'

/** What was found in one column: counts, never a value. */
export interface ColumnScan {
  readonly name: string
  /** Rows of those looked at that have a value here. */
  readonly values: number
  /** Most frequent first. */
  readonly entities: readonly {
    readonly entity: string
    /** Rows that hold one, and their share of `values`, 0 to 1. */
    readonly values: number
    readonly share: number
  }[]
  readonly categories: readonly SpecialCategory[]
  /** The least that this column calls for; `public` where nothing was found. */
  readonly sensitivity: Sensitivity
}

/** What was found in a table. An estimate: what is not found may still be there. */
export interface DataScan {
  /** Rows looked at: all of a short table, an even sample of a longer one. */
  readonly rows: number
  readonly isSample: boolean
  /** The least sensitivity that any column calls for. */
  readonly sensitivity: Sensitivity
  readonly categories: readonly SpecialCategory[]
  /** The column that most likely says whom each row is about. */
  readonly subject: string | null
  readonly columns: readonly ColumnScan[]
}

/** A scan of one table whose rows come one by one. */
export interface TableScan {
  /** Keeps the row or lets it go; cheap, memory bounded. @param fields as written, by column. */
  row(fields: readonly string[]): void
  /** Looks at what was kept, giving way to other work. @throws the signal's reason. */
  finish(signal?: AbortSignal): Promise<DataScan>
}

/** Implemented by `#gateway/filters`: finds what columns of tables hold. */
export interface ColumnScanner {
  begin(names: readonly string[]): TableScan
}
