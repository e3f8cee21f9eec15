import { asRedoubtError, type DataScan } from '#foundation/core'
import { type Database, migrate, transaction } from '#foundation/storage'
import type { DatasetVersion } from './dataset-version.ts'

/** What SQL knows of data sets: names, types, counts, digests. Never a value of a row. */
const MIGRATIONS = [
  `CREATE TABLE datasets (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, digest TEXT NOT NULL, row_count INTEGER NOT NULL,
    byte_count INTEGER NOT NULL, group_count INTEGER NOT NULL, column_list TEXT NOT NULL, label TEXT, subject TEXT,
    sensitivity TEXT NOT NULL, purposes TEXT NOT NULL, legal_basis TEXT NOT NULL, created_at INTEGER NOT NULL,
    UNIQUE (name, version))`,
  // A removed version's number is not given again: lineage may name it.
  `CREATE TABLE dataset_names (name TEXT PRIMARY KEY, last_version INTEGER NOT NULL)`,
  // What was found in the columns: names of columns and counts. In a table of its own, since only who asks for it reads it.
  `CREATE TABLE dataset_scans (id TEXT PRIMARY KEY, scan TEXT NOT NULL)`,
]

interface Row {
  readonly id: string
  readonly name: string
  readonly version: number
  readonly digest: string
  readonly row_count: number
  readonly byte_count: number
  readonly group_count: number
  readonly column_list: string
  readonly label: string | null
  readonly subject: string | null
  readonly sensitivity: string
  readonly purposes: string
  readonly legal_basis: string
  readonly created_at: number
}

export interface Catalogue {
  nextVersion(name: string): number
  /** One durable transaction. @param also is done in it; what it throws undoes all. */
  add(version: DatasetVersion, scan: DataScan | null, also?: () => void): void
  /** What was found at its import; null where nothing looked. */
  scanOf(id: string): DataScan | null
  /** All versions, by name and number. */
  list(): DatasetVersion[]
  /** @param version the latest when left out. */
  get(name: string, version?: number): DatasetVersion | null
  byId(id: string): DatasetVersion | null
  ids(): ReadonlySet<string>
  /** @returns what was removed. */
  removeAll(name: string): DatasetVersion[]
}

export function openCatalogue(database: Pick<Database<unknown>, 'raw'>): Catalogue {
  migrate(database, 'datasets', MIGRATIONS)
  const { raw } = database
  const insert = raw.prepare(
    `INSERT INTO datasets (id, name, version, digest, row_count, byte_count, group_count, column_list, label, subject, sensitivity, purposes, legal_basis, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const remember = raw.prepare(
    'INSERT INTO dataset_names (name, last_version) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET last_version = excluded.last_version',
  )
  const lastVersion = raw.prepare('SELECT last_version FROM dataset_names WHERE name = ?')
  const all = raw.prepare('SELECT * FROM datasets ORDER BY name, version')
  const latest = raw.prepare('SELECT * FROM datasets WHERE name = ? ORDER BY version DESC LIMIT 1')
  const exact = raw.prepare('SELECT * FROM datasets WHERE name = ? AND version = ?')
  const identified = raw.prepare('SELECT * FROM datasets WHERE id = ?')
  const named = raw.prepare('SELECT * FROM datasets WHERE name = ?')
  const removeScans = raw.prepare('DELETE FROM dataset_scans WHERE id IN (SELECT id FROM datasets WHERE name = ?)')
  const remove = raw.prepare('DELETE FROM datasets WHERE name = ?')
  const insertScan = raw.prepare('INSERT INTO dataset_scans (id, scan) VALUES (?, ?)')
  const scanned = raw.prepare('SELECT scan FROM dataset_scans WHERE id = ?')
  const one = (row: unknown): DatasetVersion | null => (row === undefined ? null : toVersion(row as Row))
  return {
    nextVersion: (name) => ((lastVersion.get(name) as { last_version: number } | undefined)?.last_version ?? 0) + 1,
    add(v, scan, also) {
      allOrNothing(database, () => {
        insert.run(
          v.id,
          v.name,
          v.version,
          v.digest,
          v.rows,
          v.bytes,
          v.groups,
          JSON.stringify(v.columns),
          v.label,
          v.subject,
          v.sensitivity,
          JSON.stringify(v.purposes),
          v.legalBasis,
          v.createdAt,
        )
        remember.run(v.name, v.version)
        if (scan) insertScan.run(v.id, JSON.stringify(scan))
        also?.()
      })
    },
    scanOf(id) {
      const row = scanned.get(id) as { readonly scan: string } | undefined
      return row === undefined ? null : (JSON.parse(row.scan) as DataScan)
    },
    list: () => (all.all() as unknown as Row[]).map(toVersion),
    get: (name, version) => one(version === undefined ? latest.get(name) : exact.get(name, version)),
    byId: (id) => one(identified.get(id)),
    ids: () => new Set((all.all() as unknown as Row[]).map((row) => row.id)),
    removeAll(name) {
      const versions = (named.all(name) as unknown as Row[]).map(toVersion)
      allOrNothing(database, () => {
        removeScans.run(name)
        remove.run(name)
      })
      return versions
    },
  }
}

function allOrNothing(database: Pick<Database<unknown>, 'raw'>, work: () => void): void {
  try {
    transaction(database, work)
  } catch (cause) {
    throw asRedoubtError(cause, 'ERR_STORAGE_IO')
  }
}

function toVersion(row: Row): DatasetVersion {
  return {
    id: row.id,
    name: row.name,
    version: row.version,
    digest: row.digest,
    rows: row.row_count,
    bytes: row.byte_count,
    columns: JSON.parse(row.column_list) as DatasetVersion['columns'],
    label: row.label,
    subject: row.subject,
    sensitivity: row.sensitivity as DatasetVersion['sensitivity'],
    purposes: JSON.parse(row.purposes) as string[],
    legalBasis: row.legal_basis as DatasetVersion['legalBasis'],
    createdAt: row.created_at,
    groups: row.group_count,
  }
}
