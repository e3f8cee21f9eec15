import type { EntityUid, Ground } from '#foundation/core'
import type { KeyUse } from '#trust/keys'

/** What was taken from one version of a data set. */
export interface ErasedRows {
  readonly name: string
  readonly version: number
  readonly rows: number
  readonly groups: number
  readonly before: string
  readonly after: string
}

export interface Erasure {
  readonly id: string
  readonly kind: 'subject' | 'dataset'
  readonly pseudonym: string | null
  readonly datasets: readonly string[]
  readonly ground: Ground
  readonly by: EntityUid
  readonly begunAt: number
  /** Null while it is under way, or was interrupted. */
  readonly doneAt: number | null
  readonly versions: readonly ErasedRows[]
  /** Sealed objects that were replaced or removed. */
  readonly objects: number
  /** Keys that are destroyed. With no object and no key there was nothing to erase: the name may have been another one. */
  readonly keys: number
  readonly hasCertificate: boolean
}

/** What erasures are of; tied to data sets in the composition root. Each call is idempotent and asks the holds itself. */
export interface ErasableData {
  /** Names of all data sets. */
  names(): readonly string[]
  /** Names of the data sets that rows of one came of. */
  madeOf(name: string): readonly string[]
  /** Names of those that hold rows about a person. */
  withRowsOf(pseudonym: string, use: KeyUse): Promise<readonly string[]>
  /** @returns all that this erasure took, in this call and before. */
  eraseSubject(name: string, ask: EraseSubjectAsk, use: KeyUse): Promise<readonly ErasedRows[]>
  /** @throws {RedoubtError} `ERR_LEGAL_HOLD` for the data set, for one that its rows came of, or for a person of whom it holds rows. */
  demandNotHeld(name: string, use: KeyUse): Promise<void>
  /** @returns how many sealed objects there were, and the key-encryption keys that are destroyed, `ID/VERSION`. */
  shred(name: string, erasure: string, use: KeyUse): Promise<{ readonly objects: number; readonly keys: readonly string[] }>
  /** What was learned from the rows to be looked for in texts is learned anew from those that are left. */
  relearn(name: string, use: KeyUse): Promise<void>
}

export interface EraseSubjectAsk {
  readonly pseudonym: string
  readonly erasure: string
  readonly progress?: (rows: number) => void
  readonly signal?: AbortSignal
}
