import type { ColumnScanner, DataScan } from '#foundation/core'
import { cellOf, type RowReading } from './row-reading.ts'

/** What is found in rows as they may be seen: masked columns are left out, since masks hide what would be looked for. */
export async function scanOf(reading: RowReading, scanner: ColumnScanner, signal: AbortSignal): Promise<DataScan> {
  const names = reading.columns.map(({ name }) => name).filter((name) => !reading.masked.includes(name))
  const scan = scanner.begin(names)
  for await (const group of reading) {
    signal.throwIfAborted()
    const columns = names.map((name) => group.columns.find((column) => column.name === name))
    for (let place = 0; place < group.rows; place++) scan.row(columns.map((column) => String(cellOf(column, place) ?? '')))
  }
  return scan.finish(signal)
}
