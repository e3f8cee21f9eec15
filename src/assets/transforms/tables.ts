import { type Database, migrate, storageError } from '#foundation/storage'

const MIGRATIONS = [
  `CREATE TABLE transform_versions (
     name TEXT NOT NULL,
     version INTEGER NOT NULL,
     digest TEXT NOT NULL,
     manifest TEXT NOT NULL,
     pending INTEGER NOT NULL,
     PRIMARY KEY (name, version)
   )`,
] as const

export interface TransformRow {
  readonly name: string
  readonly version: number
  readonly digest: string
  readonly manifest: string
}

/** Rows are written pending, then recorded in the audit log, then made valid, as versions of pipelines are. */
export interface Tables {
  dropPending(): void
  /** The latest version of each name, by name. */
  latest(): readonly TransformRow[]
  /** @param version the latest when left out. */
  version(name: string, version?: number): TransformRow | null
  /** Newest first. */
  versions(name: string, limit: number): readonly TransformRow[]
  count(): { readonly names: number; readonly of: (name: string) => number }
  insert(row: TransformRow): void
  confirm(name: string, version: number): void
  /** Of a row that was not confirmed. */
  withdraw(name: string, version: number): void
}

export function openTables(database: Pick<Database<unknown>, 'raw'>): Tables {
  migrate(database, 'assets/transforms', MIGRATIONS)
  const { raw } = database
  const columns = 'name, version, digest, manifest'
  const all = (sql: string, ...values: readonly (string | number)[]): readonly TransformRow[] =>
    attempt(() => raw.prepare(sql).all(...values) as unknown as readonly TransformRow[])
  const run = (sql: string, ...values: readonly (string | number)[]): void => void attempt(() => raw.prepare(sql).run(...values))
  return {
    dropPending: () => run('DELETE FROM transform_versions WHERE pending = 1'),
    latest: () =>
      all(
        `SELECT ${columns} FROM transform_versions AS one WHERE pending = 0 AND version =
           (SELECT MAX(version) FROM transform_versions WHERE name = one.name AND pending = 0) ORDER BY name`,
      ),
    version: (name, version) =>
      (version === undefined
        ? all(`SELECT ${columns} FROM transform_versions WHERE pending = 0 AND name = ? ORDER BY version DESC LIMIT 1`, name)
        : all(`SELECT ${columns} FROM transform_versions WHERE pending = 0 AND name = ? AND version = ?`, name, version))[0] ?? null,
    versions: (name, limit) =>
      all(`SELECT ${columns} FROM transform_versions WHERE pending = 0 AND name = ? ORDER BY version DESC LIMIT ?`, name, limit),
    count: () => ({
      names: attempt(() => (raw.prepare('SELECT count(DISTINCT name) AS many FROM transform_versions').get() as { many: number }).many),
      of: (name) =>
        attempt(() => (raw.prepare('SELECT count(*) AS many FROM transform_versions WHERE name = ?').get(name) as { many: number }).many),
    }),
    insert: ({ name, version, digest, manifest }) =>
      run(
        'INSERT INTO transform_versions (name, version, digest, manifest, pending) VALUES (?, ?, ?, ?, 1)',
        name,
        version,
        digest,
        manifest,
      ),
    confirm: (name, version) => run('UPDATE transform_versions SET pending = 0 WHERE name = ? AND version = ?', name, version),
    withdraw: (name, version) => run('DELETE FROM transform_versions WHERE pending = 1 AND name = ? AND version = ?', name, version),
  }
}

function attempt<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw storageError(cause)
  }
}
