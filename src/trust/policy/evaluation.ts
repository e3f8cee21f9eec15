import { type EntityValue, RecordValue, type Value } from './values.ts'

/** The tags of an entity, looked up one by one. */
export type Tags = Pick<ReadonlyMap<string, Value>, 'get' | 'has'>

/** What is known of one entity. */
export interface Entity {
  readonly uid: EntityValue
  readonly attributes: RecordValue
  readonly tags: Tags
  /** Keys of all entities above it: the transitive closure of its parents. */
  readonly ancestors: ReadonlySet<string>
}

/** One request under evaluation: the four variables, and what is known of entities. */
export interface Evaluation {
  readonly principal: EntityValue
  readonly action: EntityValue
  readonly resource: EntityValue
  readonly context: RecordValue
  readonly entities: EntityStore
}

export interface EntityStore {
  find(key: string): Entity | undefined
}

export const NO_TAGS: ReadonlyMap<string, Value> = new Map()
export const EMPTY_RECORD = new RecordValue(new Map())
