import type { Cell, RowReading } from './row-reading.ts'
import { cellOf } from './row-reading.ts'

/** A field stands in quotes when it holds one, a comma or an end of line, or when it would read as missing (RFC 4180 section 2). */
function field(cell: Cell): string {
  if (cell === null) return ''
  const text = String(cell)
  return text.trim() === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const record = (cells: readonly Cell[]): string => `${cells.map(field).join(',')}\r\n`

/** The rows as CSV, UTF-8, a header first. The first chunk comes when the first rows have been read, so that what fails before fails whole. */
export async function* csvOf(reading: RowReading): AsyncGenerator<Uint8Array> {
  let text = record(reading.columns.map(({ name }) => name))
  for await (const group of reading) {
    for (let place = 0; place < group.rows; place++) text += record(group.columns.map((column) => cellOf(column, place)))
    yield Buffer.from(text, 'utf8')
    text = ''
  }
  if (text !== '') yield Buffer.from(text, 'utf8')
}
