import { type Database, migrate, storageError } from './database.ts'

export interface VersionRow {
  readonly name: string
  readonly version: number
  readonly digest: string
  readonly manifest: string
}

/** Versions of named things. Rows are written pending, then recorded in the audit log, then made valid. */
export interface NamedVersions {
  dropPending(): void
  /** The latest version of each name, by name. */
  latest(): readonly VersionRow[]
  /** @param version the latest when left out. */
  version(name: string, version?: number): VersionRow | null
  /** Newest first. */
  versions(name: string, limit: number): readonly VersionRow[]
  count(): { readonly names: number; readonly of: (name: string) => number }
  insert(row: VersionRow): void
  confirm(name: string, version: number): void
  /** Of a row that was not confirmed. */
  withdraw(name: string, version: number): void
}

/**
 * @param room whose migrations these are; @param table its name in SQL, a word of the program's own.
 * @throws {RedoubtError} from every method `ERR_STORAGE_IO`, `ERR_STORAGE_FULL`, `ERR_STORAGE_CORRUPT`.
 */
export function openNamedVersions(database: Pick<Database, 'raw'>, room: string, table: string): NamedVersions {
  migrate(database, room, [
    `CREATE TABLE ${table} (
     name TEXT NOT NULL,
     version INTEGER NOT NULL,
     digest TEXT NOT NULL,
     manifest TEXT NOT NULL,
     pending INTEGER NOT NULL,
     PRIMARY KEY (name, version)
   )`,
  ])
  const { raw } = database
  const columns = 'name, version, digest, manifest'
  const all = (sql: string, ...values: readonly (string | number)[]): readonly VersionRow[] =>
    attempt(() => raw.prepare(sql).all(...values) as unknown as readonly VersionRow[])
  const many = (sql: string, ...values: readonly string[]): number =>
    attempt(() => (raw.prepare(sql).get(...values) as { many: number }).many)
  const run = (sql: string, ...values: readonly (string | number)[]): void => void attempt(() => raw.prepare(sql).run(...values))
  return {
    dropPending: () => run(`DELETE FROM ${table} WHERE pending = 1`),
    latest: () =>
      all(
        `SELECT ${columns} FROM ${table} AS one WHERE pending = 0 AND version =
           (SELECT MAX(version) FROM ${table} WHERE name = one.name AND pending = 0) ORDER BY name`,
      ),
    version: (name, version) =>
      (version === undefined
        ? all(`SELECT ${columns} FROM ${table} WHERE pending = 0 AND name = ? ORDER BY version DESC LIMIT 1`, name)
        : all(`SELECT ${columns} FROM ${table} WHERE pending = 0 AND name = ? AND version = ?`, name, version))[0] ?? null,
    versions: (name, limit) =>
      all(`SELECT ${columns} FROM ${table} WHERE pending = 0 AND name = ? ORDER BY version DESC LIMIT ?`, name, limit),
    count: () => ({
      names: many(`SELECT count(DISTINCT name) AS many FROM ${table}`),
      of: (name) => many(`SELECT count(*) AS many FROM ${table} WHERE name = ?`, name),
    }),
    insert: ({ name, version, digest, manifest }) =>
      run(`INSERT INTO ${table} (name, version, digest, manifest, pending) VALUES (?, ?, ?, ?, 1)`, name, version, digest, manifest),
    confirm: (name, version) => run(`UPDATE ${table} SET pending = 0 WHERE name = ? AND version = ?`, name, version),
    withdraw: (name, version) => run(`DELETE FROM ${table} WHERE pending = 1 AND name = ? AND version = ?`, name, version),
  }
}

function attempt<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw storageError(cause)
  }
}
