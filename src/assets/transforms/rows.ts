import type { ColumnType, RowGroup } from '#assets/datasets'
import type { Cell, CurrentRow } from './expression/typed.ts'

export type Values = RowGroup['columns'][number]

export const isMissing = (cell: number | string | null | undefined): boolean =>
  cell === null || cell === undefined || (typeof cell === 'number' && Number.isNaN(cell))

/** One row after another of a group, without a copy. */
export class RowCursor implements CurrentRow {
  row = 0
  #columns: RowGroup['columns'] = []

  bind(group: RowGroup): void {
    this.#columns = group.columns
  }

  cell(column: number): Cell {
    const value = this.#columns[column]!.values[this.row]
    return isMissing(value) ? null : (value as number | string)
  }
}

/** Values as a column keeps them. */
export function columnOf(name: string, type: ColumnType, cells: readonly Cell[]): Values {
  if (type === 'text') return { name, type, values: cells as (string | null)[] }
  return { name, type, values: Float64Array.from(cells, (cell) => (cell === null ? Number.NaN : (cell as number))) }
}

/** The rows at some places, in that order. */
export function pick(column: Values, places: readonly number[]): Values {
  const { name } = column
  if (column.type === 'text') return { name, type: 'text', values: places.map((place) => column.values[place] ?? null) }
  return { name, type: column.type, values: Float64Array.from(places, (place) => column.values[place] ?? Number.NaN) }
}
