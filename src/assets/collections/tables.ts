import { asRedoubtError } from '#foundation/core'
import { type Database, migrate, storageError, transaction } from '#foundation/storage'
import type { CollectedColumn, Collection } from './collection.ts'
import type { BatchReceipt } from './known-batches.ts'

/** What SQL knows of collections: names, types, counts, digests. Never a value of a row. */
const MIGRATIONS = [
  `CREATE TABLE collections (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, column_list TEXT NOT NULL, label TEXT, subject TEXT, sensitivity TEXT NOT NULL,
    purposes TEXT NOT NULL, legal_basis TEXT NOT NULL, collectors TEXT NOT NULL, cut_hours INTEGER, state TEXT NOT NULL,
    created_at INTEGER NOT NULL, cut_at INTEGER NOT NULL, version INTEGER,
    last_segment INTEGER NOT NULL, last_frame INTEGER NOT NULL)`,
  // Keys of batches whose rows are in a version: sent again within a day they add nothing.
  `CREATE TABLE collected_batches (
    collection TEXT NOT NULL REFERENCES collections (id) ON DELETE CASCADE, batch_key TEXT NOT NULL, batch TEXT NOT NULL,
    digest TEXT NOT NULL, row_count INTEGER NOT NULL, received_at INTEGER NOT NULL, PRIMARY KEY (collection, batch_key))`,
]

/** Up to where rows are in a version: what the log of a collection begins after. */
export interface CutPlace {
  readonly lastSegment: number
  readonly lastFrame: number
}

interface Row {
  readonly id: string
  readonly name: string
  readonly column_list: string
  readonly label: string | null
  readonly subject: string | null
  readonly sensitivity: string
  readonly purposes: string
  readonly legal_basis: string
  readonly collectors: string
  readonly cut_hours: number | null
  readonly state: string
  readonly created_at: number
  readonly cut_at: number
  readonly version: number | null
  readonly last_segment: number
  readonly last_frame: number
}

interface BatchRow {
  readonly batch_key: string
  readonly batch: string
  readonly digest: string
  readonly row_count: number
  readonly received_at: number
}

export interface Cut {
  readonly place: CutPlace
  readonly version: number
  readonly at: number
  readonly batches: readonly BatchReceipt[]
  /** Keys received before it are forgotten. */
  readonly forget: number
}

export interface CollectionTable {
  add(collection: Collection): void
  list(): readonly Collection[]
  get(name: string): Collection | null
  place(id: string): CutPlace
  /** Keys of batches that are in a version. */
  batches(id: string): readonly BatchReceipt[]
  setCollectors(id: string, collectors: readonly string[]): void
  close(id: string): void
  /** To be called inside a transaction: it is the transaction of the version that the rows became. */
  cut(id: string, cut: Cut): void
  remove(id: string): void
}

/** @throws {RedoubtError} `ERR_STORAGE_IO`, `ERR_STORAGE_FULL`, as all that it gives. */
export function openTable(database: Pick<Database, 'raw'>): CollectionTable {
  migrate(database, 'collections', MIGRATIONS)
  const { raw } = database
  const insert = raw.prepare(
    `INSERT INTO collections (id, name, column_list, label, subject, sensitivity, purposes, legal_basis, collectors, cut_hours, state,
     created_at, cut_at, version, last_segment, last_frame) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)`,
  )
  const all = raw.prepare('SELECT * FROM collections ORDER BY name')
  const named = raw.prepare('SELECT * FROM collections WHERE name = ?')
  const placed = raw.prepare('SELECT last_segment, last_frame FROM collections WHERE id = ?')
  const known = raw.prepare('SELECT * FROM collected_batches WHERE collection = ? ORDER BY received_at')
  const collectors = raw.prepare('UPDATE collections SET collectors = ? WHERE id = ?')
  const closed = raw.prepare(`UPDATE collections SET state = 'closed' WHERE id = ?`)
  const cut = raw.prepare('UPDATE collections SET last_segment = ?, last_frame = ?, version = ?, cut_at = ? WHERE id = ?')
  const remember = raw.prepare(
    'INSERT OR REPLACE INTO collected_batches (collection, batch_key, batch, digest, row_count, received_at) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const forget = raw.prepare('DELETE FROM collected_batches WHERE collection = ? AND received_at < ?')
  const forgetAll = raw.prepare('DELETE FROM collected_batches WHERE collection = ?')
  const remove = raw.prepare('DELETE FROM collections WHERE id = ?')
  const durably = (work: () => unknown): void => {
    try {
      transaction(database, work)
    } catch (cause) {
      throw storageError(cause)
    }
  }
  return {
    add: (c) =>
      durably(() =>
        insert.run(
          c.id,
          c.name,
          JSON.stringify(c.columns),
          c.label ?? null,
          c.subject ?? null,
          c.sensitivity,
          JSON.stringify(c.purposes),
          c.legalBasis,
          JSON.stringify(c.collectors),
          c.cutHours,
          c.state,
          c.createdAt,
          c.cutAt,
          c.version,
        ),
      ),
    list: () => (all.all() as unknown as Row[]).map(toCollection),
    get(name) {
      const row = named.get(name)
      return row === undefined ? null : toCollection(row as unknown as Row)
    },
    place(id) {
      const row = placed.get(id) as Pick<Row, 'last_segment' | 'last_frame'> | undefined
      if (row === undefined) throw asRedoubtError(new Error('a collection is gone'))
      return { lastSegment: row.last_segment, lastFrame: row.last_frame }
    },
    batches: (id) =>
      (known.all(id) as unknown as BatchRow[]).map((row) => ({
        key: row.batch_key,
        batch: row.batch,
        digest: row.digest,
        rows: row.row_count,
        receivedAt: row.received_at,
      })),
    setCollectors: (id, names) => durably(() => collectors.run(JSON.stringify(names), id)),
    close: (id) => durably(() => closed.run(id)),
    cut(id, { place, version, at, batches, forget: before }) {
      cut.run(place.lastSegment, place.lastFrame, version, at, id)
      forget.run(id, before)
      for (const { key, batch, digest, rows, receivedAt } of batches)
        if (key !== null && receivedAt >= before) remember.run(id, key, batch, digest, rows, receivedAt)
    },
    remove: (id) =>
      durably(() => {
        forgetAll.run(id)
        remove.run(id)
      }),
  }
}

function toCollection(row: Row): Collection {
  return {
    id: row.id,
    name: row.name,
    columns: JSON.parse(row.column_list) as CollectedColumn[],
    label: row.label ?? undefined,
    subject: row.subject ?? undefined,
    sensitivity: row.sensitivity as Collection['sensitivity'],
    purposes: JSON.parse(row.purposes) as string[],
    legalBasis: row.legal_basis as Collection['legalBasis'],
    collectors: JSON.parse(row.collectors) as string[],
    cutHours: row.cut_hours,
    state: row.state as Collection['state'],
    createdAt: row.created_at,
    cutAt: row.cut_at,
    version: row.version,
  }
}
