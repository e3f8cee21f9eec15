import type { ColumnDescription, RowGroup } from './dataset-version.ts'
import { MAX_GROUP_ROWS } from './row-group-codec.ts'

/** Bounds the memory that one row group takes: rows × columns, and characters. */
const MAX_GROUP_CELLS = 2 ** 20
const MAX_GROUP_CHARACTERS = 2 ** 24

/**
 * The same rows in groups of the usual size, however they come. Holds one group beside what the source gives.
 * @param columns of which every group of the source is made, in order.
 */
export async function* regroup(
  source: AsyncIterable<RowGroup>,
  columns: readonly Pick<ColumnDescription, 'name' | 'type'>[],
): AsyncGenerator<RowGroup> {
  const most = Math.max(1, Math.min(MAX_GROUP_ROWS, Math.floor(MAX_GROUP_CELLS / Math.max(1, columns.length))))
  let held: (number | string | null)[][] = columns.map(() => [])
  let rows = 0
  let characters = 0
  const take = (): RowGroup => {
    const group: RowGroup = {
      rows,
      columns: columns.map(({ name, type }, c) =>
        type === 'text'
          ? { name, type, values: held[c] as (string | null)[] }
          : { name, type, values: Float64Array.from(held[c] as number[]) },
      ),
    }
    held = columns.map(() => [])
    rows = 0
    characters = 0
    return group
  }
  for await (const group of source) {
    for (let row = 0; row < group.rows; row++) {
      for (let c = 0; c < columns.length; c++) {
        const value = group.columns[c]!.values[row] ?? null
        if (typeof value === 'string') characters += value.length
        held[c]!.push(value)
      }
      if (++rows === most || characters > MAX_GROUP_CHARACTERS) yield take()
    }
  }
  if (rows > 0) yield take()
}
