import type { KeyUse } from '#trust/keys'
import type { Collection } from './collection.ts'
import { CollectionLog } from './collection-log.ts'
import type { CollectionsOptions } from './contract.ts'
import { KnownBatches } from './known-batches.ts'
import type { CollectionTable } from './tables.ts'

/** A collection that is at work. */
export interface Live {
  readonly log: CollectionLog
  readonly known: KnownBatches
}

/** The logs of collections that somebody has asked for. */
export class LiveLogs {
  readonly #options: CollectionsOptions
  readonly #table: Pick<CollectionTable, 'place' | 'batches'>
  readonly #live = new Map<string, Promise<Live>>()

  constructor(options: CollectionsOptions, table: Pick<CollectionTable, 'place' | 'batches'>) {
    this.#options = options
    this.#table = table
  }

  /** Reads what an earlier life left when somebody first asks: one that is damaged keeps no other from working. */
  open(collection: Collection, use: KeyUse): Promise<Live> {
    const { id } = collection
    let live = this.#live.get(id)
    if (live === undefined) {
      live = this.#read(collection, use)
      this.#live.set(id, live)
      live.catch(() => this.#live.delete(id))
    }
    return live
  }

  /** The one that was opened already. @param id of the collection. */
  opened(id: string): Promise<Live> | undefined {
    return this.#live.get(id)
  }

  /** Lets go of one whose collection is gone; never rejects. */
  async drop(id: string): Promise<void> {
    const live = this.#live.get(id)
    this.#live.delete(id)
    await live?.then(({ log }) => log.close()).catch(() => undefined)
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#live.values()].map((live) => live.then(({ log }) => log.close())))
  }

  async #read(collection: Collection, use: KeyUse): Promise<Live> {
    const { id } = collection
    const log = await CollectionLog.open(this.#options, collection, this.#table.place(id), use)
    const known = new KnownBatches()
    for (const receipt of [...this.#table.batches(id), ...log.receipts()]) known.add(receipt)
    return { log, known }
  }
}
