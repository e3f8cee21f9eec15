import type { DatabaseSync } from 'node:sqlite'
import { RedoubtError } from '#foundation/core'
import { storageError } from '#foundation/storage'

/** How often a flush steps aside for a transaction that another room holds open on the same connection. */
const MAX_DEFERRALS = 1_000

interface Pending {
  readonly run: () => unknown
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/**
 * Group commit for this room: what is queued in one turn of the event loop becomes one transaction, so a hundred token
 * requests pay for one fsync. A write resolves only when its transaction is durable; if the commit fails, all of it fails.
 */
export class WriteQueue {
  readonly #raw: DatabaseSync
  #pending: Pending[] = []
  #scheduled = false
  #deferrals = 0

  constructor(raw: DatabaseSync) {
    this.#raw = raw
  }

  /**
   * @param run Synchronous statements; what it returns is the result. If it throws, only this write fails.
   * @throws {RedoubtError} `ERR_STORAGE_IO` if the transaction could not be committed; it may be durable all the same.
   */
  write<Result>(run: () => Result): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.#pending.push({ run, resolve, reject })
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#scheduled = false
    if (this.#pending.length === 0) return
    // Joining a foreign transaction would tie our durability to its fate, so wait for its end.
    if (this.#raw.isOpen && this.#raw.isTransaction && this.#deferrals < MAX_DEFERRALS) {
      this.#deferrals++
      this.#schedule()
      return
    }
    this.#deferrals = 0
    const batch = this.#pending
    this.#pending = []
    const done: (() => void)[] = []
    let begun = false
    try {
      if (this.#raw.isTransaction) throw new RedoubtError('ERR_STORAGE_IO', 'another transaction does not end')
      this.#raw.exec('BEGIN IMMEDIATE')
      begun = true
      for (const { run, resolve, reject } of batch) {
        this.#raw.exec('SAVEPOINT one')
        try {
          const value = run() as never
          this.#raw.exec('RELEASE one')
          done.push(() => resolve(value))
        } catch (error) {
          this.#raw.exec('ROLLBACK TO one; RELEASE one')
          done.push(() => reject(storageError(error)))
        }
      }
      this.#raw.exec('COMMIT')
    } catch (cause) {
      if (begun && this.#raw.isOpen && this.#raw.isTransaction) this.#raw.exec('ROLLBACK')
      const error = storageError(cause)
      for (const { reject } of batch) reject(error)
      return
    }
    for (const settle of done) settle()
  }
}
