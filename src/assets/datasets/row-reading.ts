import { type JsonObject, RedoubtError } from '#foundation/core'
import { AdmittedRows, type RowTally, type Taken } from './admitted-rows.ts'
import type { ColumnDescription, RowGroup } from './dataset-version.ts'
import type { RowAccess } from './row-access.ts'
import type { VersionReader } from './version-reader.ts'

/** Rows as they may be seen, with what is seen of them. Can be gone through once. */
export interface RowReading extends AsyncIterable<RowGroup> {
  readonly columns: readonly ColumnDescription[]
  readonly masked: readonly string[]
  readonly hidden: readonly string[]
  /** Digest of the condition on rows; null when every row is admitted. */
  readonly condition: string | null
  /** Counts so far. */
  readonly tally: Readonly<RowTally>
  /** The column that says whom each row is about; null when there is none. It may be hidden. */
  readonly subject: string | null
  /** The same groups, with whom each row is about: to count people, never to be shown. In place of going through the rows. */
  readonly withSubjects: AsyncIterable<Taken>
}

export type Cell = string | number | null

/** Some rows in memory. */
export interface FirstRows extends Pick<RowReading, 'columns' | 'masked' | 'hidden' | 'condition'> {
  readonly rows: readonly (readonly Cell[])[]
  /** Rows of those looked at for which a policy could not be evaluated. */
  readonly failed: number
  /** Whether there may be more than these. */
  readonly more: boolean
}

/** Columns that are kept back, told in the record by name; the rest are counted. */
const MAX_NAMED_COLUMNS = 16
/** Characters of the names of columns that are read. */
const MAX_NAMES = 8_192
/** Most rows of `first`: their pseudonyms fit one entry of the log. */
export const MAX_FIRST_ROWS = 1000
const MAX_FIRST_CELLS = 100_000
/** Characters of text in all. */
const MAX_FIRST_TEXT = 8 * 2 ** 20

/** @throws {RedoubtError} `ERR_DATA_COLUMN` at once; the rest while it is read. */
export function readRows(opened: VersionReader, access: RowAccess): RowReading {
  const admitted = new AdmittedRows(opened.version, access)
  const { columns, masked, hidden, tally } = admitted
  const read = access.reads ?? columns.map(({ name }) => name)
  async function* groups(): AsyncGenerator<RowGroup> {
    for await (const { group } of admittedGroups(opened, admitted, access, read)) yield group
  }
  const withSubjects = { [Symbol.asyncIterator]: () => admittedGroups(opened, admitted, access, read) }
  const { subject } = opened.version
  return { columns, masked, hidden, condition: access.rows?.digest ?? null, tally, subject, withSubjects, [Symbol.asyncIterator]: groups }
}

async function* admittedGroups(
  opened: VersionReader,
  admitted: AdmittedRows,
  access: RowAccess,
  read: readonly string[],
  signal?: AbortSignal,
): AsyncGenerator<Taken> {
  const columns = (names: readonly string[]): JsonObject => ({ count: names.length, names: names.slice(0, MAX_NAMED_COLUMNS) })
  await opened.record('data.read', {
    access: access.action,
    rowCondition: access.rows?.digest ?? null,
    maskedColumns: columns(admitted.masked),
    hiddenColumns: columns(admitted.hidden),
    ...access.asked,
    columnsRead: namesOf(read),
    // Read by the policies, and not told to anyone.
    columnsOfCondition: namesOf((access.rows?.columns ?? []).map(({ name }) => name)),
  })
  for await (const group of opened.groups()) {
    // Also where no row is admitted for long: what may not go on ends.
    signal?.throwIfAborted()
    const taken = admitted.take(group)
    if (taken) yield taken
  }
}

/** Names as far as the record holds them; `count` says how many there are. */
function namesOf(names: readonly string[]): JsonObject {
  let characters = 0
  return { count: names.length, names: names.filter((name) => (characters += name.length) <= MAX_NAMES) }
}

export interface FirstRowsAsk {
  readonly limit: number
  /** Names, in the order wanted; all when left out. */
  readonly columns?: readonly string[] | undefined
  readonly pseudonym: (subject: string) => string
  readonly signal?: AbortSignal | undefined
}

export async function firstRows(
  opened: VersionReader,
  access: RowAccess,
  { limit, columns: wanted, pseudonym, signal }: FirstRowsAsk,
): Promise<FirstRows> {
  const admitted = new AdmittedRows(opened.version, access)
  const { masked, hidden, tally } = admitted
  const columns = wanted ? chosen(admitted.columns, wanted) : admitted.columns
  const names = columns.map(({ name }) => name)
  const most = Math.max(1, Math.min(limit, MAX_FIRST_ROWS, Math.floor(MAX_FIRST_CELLS / Math.max(1, columns.length))))
  const rows: Cell[][] = []
  const subjects = new Set<string>()
  let [text, more] = [0, false]
  reading: for await (const { group, subjects: named } of admittedGroups(opened, admitted, access, names, signal)) {
    const byName = new Map(group.columns.map((column) => [column.name, column]))
    for (let place = 0; place < group.rows; place++) {
      if (rows.length === most || text > MAX_FIRST_TEXT) {
        more = true
        break reading
      }
      const row = columns.map(({ name }) => cellOf(byName.get(name), place))
      for (const cell of row) if (typeof cell === 'string') text += cell.length
      rows.push(row)
      const subject = named?.[place] ?? null
      if (subject !== null) subjects.add(pseudonym(subject))
    }
  }
  signal?.throwIfAborted()
  // Whose rows these are is in the record before anyone sees them.
  await opened.record('data.rows', { access: access.action, shown: rows.length, failed: tally.failed, subjects: [...subjects] })
  return { columns, masked, hidden, condition: access.rows?.digest ?? null, rows, failed: tally.failed, more }
}

/** @throws {RedoubtError} `ERR_DATA_COLUMN` for one that is not there, or hidden. */
function chosen(columns: readonly ColumnDescription[], wanted: readonly string[]): readonly ColumnDescription[] {
  return [...new Set(wanted)].map((name) => {
    const column = columns.find((one) => one.name === name)
    if (!column) throw new RedoubtError('ERR_DATA_COLUMN', `there is no column \`${name}\` for you`, { evidence: { column: name } })
    return column
  })
}

export function cellOf(column: RowGroup['columns'][number] | undefined, place: number): Cell {
  const value = column?.values[place] ?? null
  return typeof value === 'number' && Number.isNaN(value) ? null : value
}
