import { type ColumnMask, RedoubtError, type RowCells } from '#foundation/core'
import { maskedType, maskValues } from './column-mask.ts'
import type { ColumnDescription, DatasetVersion, RowGroup } from './dataset-version.ts'
import type { RowAccess } from './row-access.ts'

/** What became of the rows that were read. */
export interface RowTally {
  read: number
  admitted: number
  /** For which a policy could not be evaluated: not admitted. */
  failed: number
}

/** What is left of a group. */
export interface Taken {
  readonly group: RowGroup
  /** Whom each row is about, unmasked, for the record; null when the data set does not say. */
  readonly subjects: readonly (string | null)[] | null
}

/** Lets through, of the row groups of one version, what an access lets be seen: rows by its condition, columns by their masks. */
export class AdmittedRows {
  /** As they come out. */
  readonly columns: readonly ColumnDescription[]
  /** Names of columns that do not come out as they are, in order. */
  readonly masked: readonly string[]
  readonly hidden: readonly string[]
  readonly tally: RowTally = { read: 0, admitted: 0, failed: 0 }
  readonly #access: RowAccess
  readonly #subject: string | null
  readonly #masks: ReadonlyMap<string, ColumnMask>
  readonly #cells = new GroupCells()

  /** @throws {RedoubtError} `ERR_DATA_COLUMN` when a policy names a column that the version has not, or reads one as another type. */
  constructor(version: DatasetVersion, access: RowAccess) {
    demandColumns(version, access)
    this.#access = access
    this.#subject = version.subject
    this.#masks = new Map(version.columns.map(({ name }) => [name, maskOf(version, access, name)]))
    const masks = (mask: (mask: ColumnMask) => boolean): readonly string[] =>
      [...this.#masks].flatMap(([name, own]) => (mask(own) ? [name] : []))
    this.hidden = masks((mask) => mask === 'hide')
    this.masked = masks((mask) => mask !== 'hide' && mask !== 'keep')
    this.columns = version.columns
      .filter(({ name }) => this.#mask(name) !== 'hide')
      .map((column) => ({ ...column, type: maskedType(column.type, this.#mask(column.name)) }))
  }

  /** The same group, or fewer rows and masked columns; null when no row is left. */
  take(group: RowGroup): Taken | null {
    const places = this.#admit(group)
    this.tally.read += group.rows
    const rows = places?.length ?? group.rows
    this.tally.admitted += rows
    if (rows === 0) return null
    let subjects: readonly (string | null)[] | null = null
    const columns = group.columns.flatMap((column) => {
      const mask = this.#mask(column.name)
      const values = places ? pick(column, places) : column
      if (column.name === this.#subject) subjects = asTexts(values)
      return mask === 'hide' ? [] : [maskValues(values, mask)]
    })
    return { group: { rows, columns }, subjects }
  }

  #mask(name: string): ColumnMask {
    // INVARIANT: a column that nobody spoke of when the reading began is not shown.
    return this.#masks.get(name) ?? 'hide'
  }

  /** Places of the rows that are admitted; null for all. */
  #admit(group: RowGroup): Uint32Array | null {
    const { rows: condition } = this.#access
    if (!condition) return null
    this.#cells.bind(group)
    const places = new Uint32Array(group.rows)
    let count = 0
    for (let row = 0; row < group.rows; row++) {
      this.#cells.row = row
      const admitted = condition.admits(this.#cells)
      if (admitted === true) places[count++] = row
      else if (admitted === null) this.tally.failed++
    }
    return count === group.rows ? null : places.subarray(0, count)
  }
}

function demandColumns(version: DatasetVersion, { rows, masks }: RowAccess): void {
  const types = new Map(version.columns.map(({ name, type }) => [name, type]))
  const refuse = (column: string, problem: string): never => {
    // Which column policies speak of is not for whoever asked: it may be the very one that is hidden from them.
    const own = types.get(column)
    const cause = new Error(
      `a policy ${problem} the column \`${column}\`, which \`${version.name}\` ${own === undefined ? 'has not' : `has as ${own}`}`,
    )
    const words = `the policies do not fit \`${version.name}\`: a column that they speak of is not there, or of another type; the server’s log says which`
    throw new RedoubtError('ERR_DATA_COLUMN', words, { cause })
  }
  for (const { name, type } of rows?.columns ?? []) if (types.get(name) !== type) refuse(name, `reads as ${type}`)
  for (const name of Object.keys(masks)) if (name !== 'default' && !types.has(name)) refuse(name, 'masks')
}

/** Who a row is about is never left to a default that shows part of it. */
export function maskOf(version: Pick<DatasetVersion, 'subject'>, { masks }: Pick<RowAccess, 'masks'>, name: string): ColumnMask {
  if (name !== 'default' && Object.hasOwn(masks, name)) return masks[name] as ColumnMask
  const unnamed = masks['default'] ?? 'keep'
  return name === version.subject && unnamed !== 'keep' && unnamed !== 'hide' ? 'redact' : unnamed
}

function asTexts(column: RowGroup['columns'][number]): readonly (string | null)[] {
  return column.type === 'text' ? column.values : Array.from(column.values, (value) => (Number.isNaN(value) ? null : String(value)))
}

function pick(column: RowGroup['columns'][number], places: Uint32Array): RowGroup['columns'][number] {
  const { name } = column
  if (column.type === 'text') return { name, type: 'text', values: Array.from(places, (place) => column.values[place] ?? null) }
  return { name, type: column.type, values: Float64Array.from(places, (place) => column.values[place] ?? Number.NaN) }
}

/** A row of a group, moved from one to the next without a copy. */
class GroupCells implements RowCells {
  row = 0
  #columns = new Map<string, RowGroup['columns'][number]>()

  bind(group: RowGroup): void {
    this.#columns = new Map(group.columns.map((column) => [column.name, column]))
  }

  text(name: string): string | null {
    const column = this.#columns.get(name)
    return column?.type === 'text' ? (column.values[this.row] ?? null) : null
  }

  integer(name: string): number | null {
    const column = this.#columns.get(name)
    const value = column?.type === 'integer' ? column.values[this.row] : undefined
    return value === undefined || Number.isNaN(value) ? null : value + 0
  }

  real(name: string): number | null {
    const column = this.#columns.get(name)
    const value = column?.type === 'real' ? column.values[this.row] : undefined
    return value === undefined || Number.isNaN(value) ? null : value + 0
  }
}
