import { DatabaseSync } from 'node:sqlite'
import { asRedoubtError, type RedoubtError } from '#foundation/core'

/** Primary result code of SQLite. */
const SQLITE_FULL = 13

/**
 * The embedded database: SQLite in WAL mode with `synchronous=FULL`, so a committed transaction survives a power cut,
 * and `secure_delete`, so deleted rows do not linger in free pages. Schemas keep to the portable subset: text ids,
 * integers for epoch milliseconds and booleans, JSON as text.
 */
export interface Database {
  readonly raw: DatabaseSync
  close(): Promise<void>
}

/** Each room numbers its own migrations; they run in order, once, each in a transaction. */
export type Migrations = readonly string[]

/** @param path file, or `:memory:`. */
export function openDatabase(path: string): Database {
  let raw: DatabaseSync
  try {
    raw = new DatabaseSync(path)
    raw.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA foreign_keys=ON; PRAGMA busy_timeout=2000')
  } catch (cause) {
    throw storageError(cause)
  }
  return {
    raw,
    async close() {
      if (raw.isOpen) raw.close()
    },
  }
}

/** A full disk is told from a broken one: only the first is mended by freeing space. */
export function storageError(cause: unknown): RedoubtError {
  return asRedoubtError(cause, (cause as { errcode?: number } | null)?.errcode === SQLITE_FULL ? 'ERR_STORAGE_FULL' : 'ERR_STORAGE_IO')
}

/** All of it or nothing, durable when it returns. @throws what failed first, as it is; a transaction within another is refused by SQLite. */
export function transaction<T>({ raw }: Pick<Database, 'raw'>, work: () => T): T {
  raw.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    raw.exec('COMMIT')
    return result
  } catch (cause) {
    try {
      // A full disk has rolled back already.
      if (raw.isOpen && raw.isTransaction) raw.exec('ROLLBACK')
    } catch {
      // The first failure is the one to report.
    }
    throw cause
  }
}

/** Brings the tables of one room up to date. */
export function migrate(database: Pick<Database, 'raw'>, room: string, migrations: Migrations): void {
  const { raw } = database
  raw.exec('CREATE TABLE IF NOT EXISTS migrations (room TEXT PRIMARY KEY, version INTEGER NOT NULL)')
  const row = raw.prepare('SELECT version FROM migrations WHERE room = ?').get(room) as { version: number } | undefined
  for (let version = row?.version ?? 0; version < migrations.length; version++) {
    try {
      transaction(database, () => {
        raw.exec(migrations[version]!)
        raw
          .prepare('INSERT INTO migrations (room, version) VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET version = excluded.version')
          .run(room, version + 1)
      })
    } catch (cause) {
      throw storageError(cause)
    }
  }
}
