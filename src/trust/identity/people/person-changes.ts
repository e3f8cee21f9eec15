import { RedoubtError } from '#foundation/core'
import type { WriteQueue } from '../write-queue.ts'
import type { PersonRecord, PersonState, PersonStore } from './person-store.ts'

/** Narrowings that may come between before someone has to ask again; each of them is a request of its own. */
const MAX_ROUNDS = 8

/**
 * Changes of one person by several people at once, none of which is lost. Memory is what counts. A narrowing is one turn of the event
 * loop: what it looked at is what it changed. A widening is durable before it is effective, so a narrowing can come between; then it is
 * made anew on top of that. Writes of one person are made one after the other, and each writes what memory says by then.
 */
export class PersonChanges {
  readonly #people: PersonStore
  readonly #queue: WriteQueue
  readonly #announce: (id: string) => void
  /** The last write of each person that has writes. Never rejects. */
  readonly #writes = new Map<string, Promise<void>>()

  constructor(people: PersonStore, queue: WriteQueue, announce: (id: string) => void) {
    this.#people = people
    this.#queue = queue
    this.#announce = announce
  }

  /** Effective on the next request, and on what runs now. Nothing may be awaited between reading what `state` was made of and this. */
  narrow(state: PersonState): PersonRecord {
    const record = this.#people.keep(state)
    this.#announce(record.id)
    return record
  }

  /** Brings storage up to what memory says of the person. @param more statements of the same transaction. */
  store(userId: string, more?: () => void): Promise<void> {
    return this.#inTurn(userId, () => this.#save(userId, more))
  }

  /**
   * @param merge what becomes of the person as they are at that moment; asked again when they were narrowed on the way.
   * @param more statements of the transaction that is made first; not repeated when `merge` is asked again.
   * @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_CONFLICT`, and what `merge` throws.
   */
  widen(userId: string, merge: (present: PersonRecord) => PersonState, more?: () => void): Promise<PersonRecord> {
    return this.#inTurn(userId, async () => {
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const written = await this.#write(userId, merge, round === 0 ? more : undefined, round > 0)
        if (this.#people.get(userId) === written.present) return this.#people.keep(written.next)
      }
      await this.#save(userId)
      throw new RedoubtError('ERR_CONFLICT', 'the person is being changed by others; try again')
    })
  }

  async #write(
    userId: string,
    merge: (present: PersonRecord) => PersonState,
    more: (() => void) | undefined,
    again: boolean,
  ): Promise<{ readonly present: PersonRecord; readonly next: PersonState }> {
    try {
      return await this.#queue.write(() => {
        const present = this.#people.get(userId)
        if (present === null) throw new RedoubtError('ERR_NOT_FOUND', 'there is no such person')
        const next = merge(present)
        more?.()
        this.#people.save(next)
        return { present, next }
      })
    } catch (thrown) {
      // Storage has what did not become effective in the round before.
      if (again) await this.#save(userId)
      throw thrown
    }
  }

  #save(userId: string, more?: () => void): Promise<void> {
    return this.#queue.write(() => {
      more?.()
      const present = this.#people.get(userId)
      if (present !== null) this.#people.save(present)
    })
  }

  async #inTurn<Result>(userId: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#writes.get(userId)
    const mine = before === undefined ? work() : before.then(work)
    const over = mine.then(
      () => undefined,
      () => undefined,
    )
    this.#writes.set(userId, over)
    try {
      return await mine
    } finally {
      if (this.#writes.get(userId) === over) this.#writes.delete(userId)
    }
  }
}
