import { RedoubtError } from '#foundation/core'
import { type Database, storageError, transaction } from '#foundation/storage'

export type SqlValue = string | number | null | Uint8Array

/**
 * The room's database. Writes are synchronous and durable when they return, so that an approval is spent, and a grant is there or is
 * not, before anything else happens; so it must be a database of the room's own.
 */
export class Statements {
  readonly #database: Pick<Database, 'raw'>

  constructor(database: Pick<Database, 'raw'>) {
    this.#database = database
  }

  /** @returns how many rows changed. @throws {RedoubtError} `ERR_STORAGE_IO`, `ERR_STORAGE_FULL`. */
  run(sql: string, ...values: readonly SqlValue[]): number {
    try {
      return Number(this.#database.raw.prepare(sql).run(...values).changes)
    } catch (cause) {
      throw storageError(cause)
    }
  }

  /** @throws as `run`. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- what a statement answers is known to whoever wrote it
  all<Row>(sql: string, ...values: readonly SqlValue[]): readonly Row[] {
    try {
      return this.#database.raw.prepare(sql).all(...values) as Row[]
    } catch (cause) {
      throw storageError(cause)
    }
  }

  /** All or nothing. @throws as `run`. */
  transaction<T>(work: () => T): T {
    if (this.#database.raw.isTransaction) throw new RedoubtError('ERR_STORAGE_IO', 'this room needs a database of its own')
    try {
      return transaction(this.#database, work)
    } catch (cause) {
      throw storageError(cause)
    }
  }
}
