import { type EntityFacts, type EntityUid, RedoubtError, SENSITIVITIES } from '#foundation/core'
import type { Collection } from './collection.ts'
import type { CollectionsOptions } from './contract.ts'
import { type CollectionTable, openTable } from './tables.ts'

/** Which collections there are, as the table has them, and what policies are told of each. */
export class CollectionRegister {
  readonly table: Omit<CollectionTable, 'add' | 'list' | 'get' | 'setCollectors' | 'close' | 'remove'>
  readonly #table: CollectionTable
  readonly #environment: CollectionsOptions['environment']
  readonly #facts = new Map<string, Map<boolean, EntityFacts>>()
  #byName: ReadonlyMap<string, Collection> = new Map()

  constructor({ database, environment }: Pick<CollectionsOptions, 'database' | 'environment'>) {
    this.#table = openTable(database)
    this.table = this.#table
    this.#environment = environment
    this.reload()
  }

  /** To be called when a transaction of somebody else has changed the table. */
  reload(): void {
    this.#facts.clear()
    this.#byName = new Map(this.#table.list().map((collection) => [collection.name, collection]))
  }

  list(): readonly Collection[] {
    return [...this.#byName.values()]
  }

  get(name: string): Collection | null {
    return this.#byName.get(name) ?? null
  }

  /** @throws {RedoubtError} `ERR_NOT_FOUND`. */
  known(name: string): Collection {
    const collection = this.get(name)
    if (collection === null) throw new RedoubtError('ERR_NOT_FOUND', `no rows are collected for \`${name}\``)
    return collection
  }

  add(collection: Collection): void {
    this.#table.add(collection)
    this.reload()
  }

  close({ id }: Collection): void {
    this.#table.close(id)
    this.reload()
  }

  setCollectors({ id }: Collection, collectors: readonly string[]): void {
    this.#table.setCollectors(id, collectors)
    this.reload()
  }

  remove({ id }: Collection): void {
    this.#table.remove(id)
    this.reload()
  }

  /** The same object while nothing changes. */
  facts(collection: Collection, { type, id }: EntityUid): EntityFacts {
    const isCollector = type === 'ServiceAccount' && collection.collectors.includes(id)
    let both = this.#facts.get(collection.id)
    if (both === undefined) this.#facts.set(collection.id, (both = new Map()))
    let facts = both.get(isCollector)
    if (facts === undefined) {
      const { sensitivity, purposes, legalBasis } = collection
      facts = {
        type: 'Dataset',
        id: collection.name,
        attributes: { sensitivity: SENSITIVITIES.indexOf(sensitivity), purposes, legalBases: [legalBasis], collector: isCollector },
        parents: [{ type: 'Environment', id: this.#environment }],
      }
      both.set(isCollector, facts)
    }
    return facts
  }
}
