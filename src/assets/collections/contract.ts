import type { WrappedKey } from '#foundation/crypto'
import type { AuditSink, Clock, EntityFacts, EntityUid, LegalHolds } from '#foundation/core'
import type { Database, DurableFolder } from '#foundation/storage'
import type { Datasets, ImportedVersion, RowGroup } from '#assets/datasets'
import type { Keys, KeyUse } from '#trust/keys'
import type { Collection, CreateCollection } from './collection.ts'
import type { Pending } from './collection-log.ts'

export interface CollectionsOptions {
  readonly database: Pick<Database, 'raw'>
  readonly objects: DurableFolder
  readonly keys: Keys
  readonly audit: AuditSink
  readonly clock: Clock
  readonly datasets: Pick<Datasets, 'get' | 'read' | 'write' | 'demandNotHeld'>
  readonly holds: Pick<LegalHolds, 'heldSubjects'>
  /** Keys the digests of batches: a log that holds them does not confirm a guess about few rows. */
  readonly digestKey: Uint8Array
  /** Where the house runs; policies know it as parent of each data set. */
  readonly environment: 'development' | 'production'
  /** Digest of the code that this process runs: it has the rows in clear. */
  readonly codeDigest: () => Promise<string>
}

export interface Append {
  readonly rows: RowGroup
  /** Of what was sent. */
  readonly bytes: number
  /** Sent again under the same key within a day, the rows are not added again. */
  readonly key?: string | undefined
  readonly by: EntityUid
  readonly purpose: string
  readonly legalBasis?: string
  readonly requestId?: string
}

export interface Appended {
  readonly batch: string
  readonly rows: number
  /** The batch was there already: nothing was added. */
  readonly known: boolean
}

export interface CutAsk {
  readonly by: EntityUid
  readonly requestId?: string | undefined
  readonly progress?: ((rows: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Data sets that grow row by row. Who may do what with them is decided by the caller. */
export interface Collections {
  /** Resolves when it is durable. @throws {RedoubtError} `ERR_INPUT_INVALID`, `ERR_DATA_COLUMN`, `ERR_CONFLICT` for a name that exists. */
  create(options: CreateCollection): Promise<Collection>
  /** By name. */
  list(): readonly Collection[]
  get(name: string): Collection | null
  /** @param account who asks: policies are told whether it is one of the collectors. The same object while unchanged. */
  facts(collection: Collection, account: EntityUid): EntityFacts
  /** How much is in no version yet; rows are not told. @throws {RedoubtError} `ERR_STORAGE_CORRUPT`. */
  pending(name: string, use: KeyUse): Promise<Pending>
  /** Room for a batch that is about to be received. @returns gives it back. @throws {RedoubtError} `ERR_BUSY`. */
  admit(bytes: number): () => void
  /**
   * Adds a batch, all of it or nothing. Resolves when it is on record and survives a power cut.
   * @throws {RedoubtError} `ERR_NOT_FOUND`; `ERR_CONFLICT` for a closed collection, or other rows under a known key; `ERR_BUSY` with
   *   `retryAfterMs` when more comes in than can be written, or waits for a version; what storage, keys and audit throw.
   */
  append(name: string, batch: Append): Promise<Appended>
  /**
   * Makes the next version of the data set: the rows of its latest one, and what was collected since.
   * @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_CONFLICT` when nothing was; as `Datasets.write`.
   */
  cut(name: string, ask: CutAsk): Promise<ImportedVersion>
  /** Takes no more rows; what was collected becomes a version. @returns that version, or null when there was nothing. */
  close(name: string, ask: CutAsk): Promise<ImportedVersion | null>
  setCollectors(name: string, collectors: readonly string[], by: EntityUid, requestId?: string): Promise<Collection>
  /**
   * Removes the collection and what is in no version; versions stay. Idempotent. From its first moment no more rows are taken, so that
   * none comes behind the question whether one of them is about a person under a legal hold.
   * @throws {RedoubtError} `ERR_LEGAL_HOLD`, and then it collects on.
   */
  remove(name: string, use: KeyUse): Promise<void>
  /** Makes the versions that are due by time or amount. @throws nothing: `failed` is told of each that could not be made. */
  cutDue(by: EntityUid, failed: (name: string, reason: unknown) => void): Promise<void>
  /** What was collected of every collection, or of one, becomes a version: what reaches versions reaches it then. */
  cutAll(ask: CutAsk, name?: string): Promise<void>
  /** The keys under which rows lie that are in no version. */
  pinnedKeys(): Iterable<WrappedKey>
  /** Waits for what is under way. */
  end(): Promise<void>
}
