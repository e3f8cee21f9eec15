import { parseStrictJsonText, RedoubtError } from '#foundation/core'
import { MAX_GROUP_ROWS, type RowGroup } from '#assets/datasets'
import type { CollectedColumn } from './collection.ts'

/** Of one batch: what fits a row group. */
export const MAX_BATCH_ROWS = MAX_GROUP_ROWS
/** Rows × columns: a row that leaves everything out takes as much memory as one that does not. */
const MAX_BATCH_CELLS = 2 ** 20
/** Of one batch, as it is sent. */
export const MAX_BATCH_BYTES = 4 * 2 ** 20
/** A row is an object of scalars. */
const MAX_ROW_DEPTH = 1
/** Rows that a refusal names. */
const MAX_NAMED_ROWS = 20
const MAX_NAME_SHOWN = 64

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Columns as they fill up, row by row. */
type Filling = (string | null)[] | Float64Array

/**
 * Rows as JSON lines: one object a line, LF or CRLF between them, empty lines passed over.
 * @throws {RedoubtError} `ERR_INPUT_TOO_LARGE`, `ERR_INPUT_MALFORMED` for what is no UTF-8 or holds no row; `ERR_DATA_ROWS` naming rows, from
 *   0, that do not fit the columns: then none is taken.
 */
export function rowsOfLines(bytes: Uint8Array, columns: readonly CollectedColumn[]): RowGroup {
  if (bytes.byteLength > MAX_BATCH_BYTES) throw new RedoubtError('ERR_INPUT_TOO_LARGE', `a batch is at most ${MAX_BATCH_BYTES} bytes`)
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    throw new RedoubtError('ERR_INPUT_MALFORMED', 'the body is not UTF-8')
  }
  const lines: string[] = []
  for (let from = 0; from < text.length;) {
    const end = text.indexOf('\n', from)
    const to = end === -1 ? text.length : end
    const line = text.slice(from, text.charCodeAt(to - 1) === 13 && to > from ? to - 1 : to)
    if (line.trim() !== '') {
      if (lines.length === MAX_BATCH_ROWS) throw tooManyRows()
      lines.push(line)
    }
    from = to + 1
  }
  return checked(lines.length, columns, (row) => {
    try {
      return parseStrictJsonText(lines[row]!, { maxBytes: MAX_BATCH_BYTES, maxDepth: MAX_ROW_DEPTH })
    } catch (thrown) {
      return new BadRow(thrown instanceof RedoubtError && thrown.code === 'ERR_INPUT_DUPLICATE_KEY' ? 'names a member twice' : 'is no JSON object of plain values') // prettier-ignore
    }
  })
}

/** The same for rows that are parsed already, names of members known to be there once. @throws {RedoubtError} as `rowsOfLines`. */
export function rowsOfObjects(rows: readonly unknown[], columns: readonly CollectedColumn[]): RowGroup {
  if (rows.length > MAX_BATCH_ROWS) throw tooManyRows()
  return checked(rows.length, columns, (row) => rows[row])
}

const tooManyRows = (maxRows = MAX_BATCH_ROWS): RedoubtError =>
  new RedoubtError('ERR_INPUT_TOO_LARGE', `a batch has at most ${maxRows} rows of these columns`, { evidence: { maxRows } })

class BadRow {
  readonly why: string

  constructor(why: string) {
    this.why = why
  }
}

function checked(count: number, columns: readonly CollectedColumn[], rowAt: (row: number) => unknown): RowGroup {
  if (count === 0) throw new RedoubtError('ERR_INPUT_MALFORMED', 'the batch has no rows')
  if (count * columns.length > MAX_BATCH_CELLS) throw tooManyRows(Math.floor(MAX_BATCH_CELLS / columns.length))
  const filling = columns.map(({ type }): Filling => (type === 'text' ? Array.from<string | null>({ length: count }).fill(null) : new Float64Array(count))) // prettier-ignore
  const places = new Map(columns.map(({ name }, place) => [name, place]))
  const bad: { readonly row: number; readonly why: string }[] = []
  let refused = 0
  for (let row = 0; row < count; row++) {
    const why = fill(rowAt(row), row, columns, places, filling)
    if (why === null) continue
    refused++
    if (bad.length < MAX_NAMED_ROWS) bad.push({ row, why })
  }
  if (refused > 0) throw badRows(bad, refused, count)
  return {
    rows: count,
    columns: columns.map(({ name, type }, c) =>
      type === 'text' ? { name, type, values: filling[c] as (string | null)[] } : { name, type, values: filling[c] as Float64Array },
    ),
  }
}

/** All or nothing: a batch of which part was taken could not be sent again. */
function badRows(bad: readonly { readonly row: number; readonly why: string }[], refused: number, count: number): RedoubtError {
  const words = bad.map(({ row, why }) => `row ${row} ${why}`)
  const more = refused - bad.length
  const evidence = { rows: count, refused, named: bad.map(({ row }) => row).join(' ') }
  return new RedoubtError('ERR_DATA_ROWS', `${words.join('; ')}${more > 0 ? `; and ${more} more` : ''}`, { evidence })
}

/** @returns why the row does not fit, or null. */
function fill(
  value: unknown,
  row: number,
  columns: readonly CollectedColumn[],
  places: ReadonlyMap<string, number>,
  filling: readonly Filling[],
): string | null {
  if (value instanceof BadRow) return value.why
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'is no JSON object of plain values'
  const given = value as Readonly<Record<string, unknown>>
  for (const name in given) if (!places.has(name)) return `has \`${shortened(name)}\`, which is no column`
  for (let c = 0; c < columns.length; c++) {
    const column = columns[c]!
    const cell = Object.hasOwn(given, column.name) ? given[column.name] : null
    const into = filling[c]!
    if (isMissing(cell)) {
      if (!column.nullable) return `has no \`${shortened(column.name)}\``
      if (into instanceof Float64Array) into[row] = Number.NaN
    } else if (into instanceof Float64Array) {
      if (typeof cell !== 'number' || !(column.type === 'integer' ? Number.isSafeInteger(cell) : Number.isFinite(cell)))
        return `has a \`${shortened(column.name)}\` that is no ${column.type === 'integer' ? 'whole number within 2^53' : 'number'}`
      into[row] = cell + 0
    } else {
      if (typeof cell !== 'string' || !cell.isWellFormed()) return `has a \`${shortened(column.name)}\` that is no text`
      into[row] = cell
    }
  }
  return null
}

/** White space alone is a missing value, as in a file. */
function isMissing(cell: unknown): boolean {
  return cell === null || cell === undefined || (typeof cell === 'string' && (cell === '' || /^[ \t]+$/.test(cell)))
}

/** Told to whoever sent it; cut, since it may be anything. */
const shortened = (name: string): string => (name.length > MAX_NAME_SHOWN ? `${name.slice(0, MAX_NAME_SHOWN).toWellFormed()}…` : name)
