import type { KeyObject } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { RedoubtError } from '#foundation/core'
import type { WrappedKey } from '#foundation/crypto'
import { decodeRowGroup, type RowGroup } from '#assets/datasets'
import type { CollectedColumn } from './collection.ts'
import { distinct } from './collection-log.ts'
import { decodeHeader, FRAME_HEADER_BYTES, HEADER_BYTES, isSegment } from './segment-codec.ts'
import { readSegment } from './segment-files.ts'

interface OfflineSegment {
  /** The file. */
  readonly bytes: Uint8Array
  /** Of the database beside the data (`redoubt.db`), which knows the columns; only read. */
  readonly database: string
  readonly unwrap: (key: WrappedKey) => Promise<KeyObject>
}

/** Rows of one segment, as they would be sent again. */
export interface OfflineRows {
  /** The data set that they were collected for. */
  readonly collection: string
  readonly rows: number
  /** JSON lines, UTF-8. A batch that was sent twice around a crash may stand in the next segment as well. */
  readonly lines: Iterable<Uint8Array>
}

/**
 * Opens a segment of a collection without the server, all of it before the first row is given.
 * @returns null for a file that is none. @throws {RedoubtError} `ERR_STORAGE_CORRUPT` for a damaged one, `ERR_NOT_FOUND` where the database
 *   does not know its collection, what `unwrap` throws.
 */
export async function openOfflineSegment({ bytes, database, unwrap }: OfflineSegment): Promise<OfflineRows | null> {
  if (!isSegment(bytes)) return null
  const header = decodeHeader(bytes)
  if (header === null) throw new RedoubtError('ERR_STORAGE_CORRUPT', 'a segment of a collection has no header')
  const { name, columns } = collectionOf(database, header.collection)
  const { frames } = await readSegment({ read: () => bytes }, header, numberBefore(bytes), unwrap)
  const groups = [...distinct(frames, new Set())].map(({ receipt, rows }) => decodeRowGroup(rows, receipt.rows, columns))
  return { collection: name, rows: groups.reduce((sum, { rows }) => sum + rows, 0), lines: linesOf(groups) }
}

/** Frames are numbered through all segments; which one comes first is part of what it is sealed with. */
function numberBefore(bytes: Uint8Array): number {
  if (bytes.byteLength < HEADER_BYTES + FRAME_HEADER_BYTES) return 0
  return Number(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readBigUInt64LE(HEADER_BYTES + 8)) - 1
}

function collectionOf(path: string, id: string): { readonly name: string; readonly columns: readonly CollectedColumn[] } {
  let raw: DatabaseSync | undefined
  try {
    raw = new DatabaseSync(path, { readOnly: true })
    const row = raw.prepare('SELECT name, column_list FROM collections WHERE id = ?').get(id)
    if (row !== undefined) return { name: String(row['name']), columns: JSON.parse(String(row['column_list'])) as CollectedColumn[] }
  } catch (cause) {
    throw new RedoubtError('ERR_STORAGE_CORRUPT', `\`${path}\` is no database of data with collections`, { cause })
  } finally {
    raw?.close()
  }
  throw new RedoubtError('ERR_NOT_FOUND', `\`${path}\` does not know the collection of this segment`)
}

function* linesOf(groups: readonly RowGroup[]): Generator<Uint8Array> {
  for (const { rows, columns } of groups) {
    let text = ''
    for (let row = 0; row < rows; row++)
      text += `${JSON.stringify(Object.fromEntries(columns.map(({ name, values }) => [name, presentOrNull(values[row])])))}\n`
    yield Buffer.from(text, 'utf8')
  }
}

/** NaN is missing. */
const presentOrNull = (value: string | number | null | undefined): string | number | null =>
  value === undefined || Number.isNaN(value) ? null : value
