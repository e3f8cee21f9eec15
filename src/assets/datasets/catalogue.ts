import { asRedoubtError, type DataScan, RedoubtError } from '#foundation/core'
import { type Database, migrate, transaction } from '#foundation/storage'
import { type Ancestry, ANCESTRY_MIGRATION, openAncestry, type VersionName } from './ancestry.ts'
import type { DatasetVersion, DerivedFrom } from './dataset-version.ts'

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
  // What was erased: digests and counts, no person. Paths are of objects that are yet to be removed.
  `ALTER TABLE datasets ADD COLUMN erasures INTEGER NOT NULL DEFAULT 0;
   CREATE TABLE dataset_erasures (
     id TEXT NOT NULL, number INTEGER NOT NULL, erasure TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
     before_digest TEXT NOT NULL, after_digest TEXT NOT NULL, row_count INTEGER NOT NULL, group_count INTEGER NOT NULL,
     erased_at INTEGER NOT NULL, PRIMARY KEY (id, number));
   CREATE TABLE dataset_removals (path TEXT PRIMARY KEY);
   CREATE TABLE dataset_shreds (name TEXT PRIMARY KEY, shredded_at INTEGER NOT NULL)`,
  // Of what transforms made a version: names, numbers, digests.
  `CREATE TABLE dataset_derivations (id TEXT PRIMARY KEY, derived_from TEXT NOT NULL)`,
  ANCESTRY_MIGRATION,
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
  readonly erasures: number
}

/** What became of rows that a digest stands for. */
export interface ErasedSince {
  /** `rows`: some were erased; `shredded`: all of them, with the data set. */
  readonly state: 'rows' | 'shredded'
  readonly at: number
}

/** What an erasure took from one version. */
export interface ErasedVersion {
  readonly name: string
  readonly version: number
  readonly rows: number
  /** Row groups written anew or dropped. */
  readonly groups: number
  /** Digests of the version. */
  readonly before: string
  readonly after: string
}

export interface ErasureMark extends Pick<ErasedVersion, 'before' | 'rows' | 'groups'> {
  readonly erasure: string
  readonly at: number
}

/** What comes into the catalogue with a version. */
export interface AddedWith {
  readonly derivedFrom?: DerivedFrom | undefined
  /** The version that it goes on from. */
  readonly after?: VersionName | undefined
  /** Done in the transaction; what it throws undoes all. */
  readonly also?: () => void
}

export interface Catalogue {
  nextVersion(name: string): number
  /** One durable transaction. */
  add(version: DatasetVersion, scan: DataScan | null, more?: AddedWith): void
  /** Of which data sets a version's rows came. */
  readonly ancestry: Omit<Ancestry, 'add'>
  /** What was found at its import; null where nothing looked. */
  scanOf(id: string): DataScan | null
  /** Of what a transform made it; null where none did. */
  derivedFrom(id: string): DerivedFrom | null
  /** All versions, by name and number. */
  list(): DatasetVersion[]
  /** @param version the latest when left out. */
  get(name: string, version?: number): DatasetVersion | null
  byId(id: string): DatasetVersion | null
  ids(): ReadonlySet<string>
  /** @returns what was removed. */
  removeAll(name: string): DatasetVersion[]
  /** Puts an erased version in the place of what it was, and remembers which objects are to go. One durable transaction. */
  erase(version: DatasetVersion, mark: ErasureMark, removals: readonly string[]): void
  /** What one erasure took from the versions of a name, whenever it was. */
  erasedBy(erasure: string, name: string): ErasedVersion[]
  /** Objects that nothing refers to any more and that may still be there. */
  removals(): readonly string[]
  removed(paths: readonly string[]): void
  /** As `removeAll`; the name is never given again. Idempotent. */
  shred(name: string, at: number): DatasetVersion[]
  /** @throws {RedoubtError} `ERR_DATA_SHREDDED`. */
  demandNotShredded(name: string): void
  /** Whether rows of a version as it was under a digest are gone; null when all are there. */
  erasedSince(name: string, version: number, digest: string): ErasedSince | null
}

export function openCatalogue(database: Pick<Database, 'raw'>): Catalogue {
  migrate(database, 'datasets', MIGRATIONS)
  const { raw } = database
  const ancestry = openAncestry(database)
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
  const insertDerivation = raw.prepare('INSERT INTO dataset_derivations (id, derived_from) VALUES (?, ?)')
  const derivation = raw.prepare('SELECT derived_from FROM dataset_derivations WHERE id = ?')
  const removeDerivations = raw.prepare('DELETE FROM dataset_derivations WHERE id IN (SELECT id FROM datasets WHERE name = ?)')
  const replace = raw.prepare('UPDATE datasets SET digest = ?, row_count = ?, group_count = ?, erasures = ? WHERE id = ? AND erasures = ?')
  const insertMark = raw.prepare('INSERT INTO dataset_erasures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
  const erasedBy = raw.prepare(
    `SELECT name, version, row_count AS rows, group_count AS groups, before_digest AS before, after_digest AS after
     FROM dataset_erasures WHERE erasure = ? AND name = ? ORDER BY version, number`,
  )
  const marked = raw.prepare('SELECT erased_at FROM dataset_erasures WHERE name = ? AND version = ? AND before_digest = ?')
  const insertRemoval = raw.prepare('INSERT OR IGNORE INTO dataset_removals VALUES (?)')
  const removals = raw.prepare('SELECT path FROM dataset_removals ORDER BY path')
  const deleteRemoval = raw.prepare('DELETE FROM dataset_removals WHERE path = ?')
  const insertShred = raw.prepare('INSERT OR IGNORE INTO dataset_shreds VALUES (?, ?)')
  const shredded = raw.prepare('SELECT shredded_at FROM dataset_shreds WHERE name = ?')
  const shreddedAt = (name: string): number | undefined => (shredded.get(name) as { shredded_at: number } | undefined)?.shredded_at
  const takeAll = (name: string): DatasetVersion[] => {
    const versions = (named.all(name) as unknown as Row[]).map(toVersion)
    removeScans.run(name)
    removeDerivations.run(name)
    remove.run(name)
    return versions
  }
  const one = (row: unknown): DatasetVersion | null => (row === undefined ? null : toVersion(row as Row))
  return {
    nextVersion: (name) => ((lastVersion.get(name) as { last_version: number } | undefined)?.last_version ?? 0) + 1,
    ancestry,
    add(v, scan, { derivedFrom, after, also } = {}) {
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
        if (derivedFrom) insertDerivation.run(v.id, JSON.stringify(derivedFrom))
        ancestry.add(v, derivedFrom?.sources ?? [], after)
        also?.()
      })
    },
    scanOf(id) {
      const row = scanned.get(id) as { readonly scan: string } | undefined
      return row === undefined ? null : (JSON.parse(row.scan) as DataScan)
    },
    derivedFrom(id) {
      const row = derivation.get(id) as { readonly derived_from: string } | undefined
      return row === undefined ? null : (JSON.parse(row.derived_from) as DerivedFrom)
    },
    list: () => (all.all() as unknown as Row[]).map(toVersion),
    get: (name, version) => one(version === undefined ? latest.get(name) : exact.get(name, version)),
    byId: (id) => one(identified.get(id)),
    ids: () => new Set((all.all() as unknown as Row[]).map((row) => row.id)),
    removeAll: (name) => allOrNothing(database, () => takeAll(name)),
    erase(v, { erasure, before, rows, groups, at }, paths) {
      allOrNothing(database, () => {
        const { changes } = replace.run(v.digest, v.rows, v.groups, v.erasures, v.id, v.erasures - 1)
        if (changes !== 1) throw new RedoubtError('ERR_DATA_UNKNOWN', 'the version was removed, or changed, while rows of it were erased')
        insertMark.run(v.id, v.erasures, erasure, v.name, v.version, before, v.digest, rows, groups, at)
        for (const path of paths) insertRemoval.run(path)
      })
    },
    erasedBy: (erasure, name) => erasedBy.all(erasure, name).map((row) => ({ ...row }) as unknown as ErasedVersion),
    removals: () => (removals.all() as unknown as { path: string }[]).map(({ path }) => path),
    removed(paths) {
      allOrNothing(database, () => {
        for (const path of paths) deleteRemoval.run(path)
      })
    },
    shred(name, at) {
      return allOrNothing(database, () => {
        insertShred.run(name, at)
        return takeAll(name)
      })
    },
    demandNotShredded(name) {
      if (shreddedAt(name) !== undefined)
        throw new RedoubtError('ERR_DATA_SHREDDED', `the data set \`${name}\` was shredded; its name is not given again`)
    },
    erasedSince(name, version, digest) {
      const at = shreddedAt(name)
      if (at !== undefined) return { state: 'shredded', at }
      const mark = marked.get(name, version, digest) as { erased_at: number } | undefined
      return mark === undefined ? null : { state: 'rows', at: mark.erased_at }
    },
  }
}

function allOrNothing<T>(database: Pick<Database, 'raw'>, work: () => T): T {
  try {
    return transaction(database, work)
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
    erasures: row.erasures,
  }
}
