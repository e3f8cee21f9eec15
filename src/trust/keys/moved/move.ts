import type { AuditSink, JsonObject } from '#foundation/core'
import { type DurableFolder, subfolder } from '#foundation/storage'
import type { KeyProvider, KeyReference, ProviderHealth } from '../key-provider.ts'
import { KEY_RECORDS_PATH } from '../outside/key-records.ts'
import { WRAPPED_SIGNING_KEYS_PATH } from '../outside/wrapped-signing-keys.ts'
import { KEYRING_PATH } from '../sealed-file/sealed-file-provider.ts'
import { IMPORTED_KEYS_PATH } from './imported-keys.ts'
import { type LeftBehind, placeOf, type ProviderPlaces, writePlaces } from './provider-places.ts'
import { referenceId, versionsLeft } from './with-former.ts'

/** How far the keys have moved away from the provider before. */
export interface MoveProgress {
  readonly from: string
  readonly to: string
  /** Whether a walk over everything found nothing that names a key of the former provider: from then on it can be taken away. */
  readonly proved: boolean
  /** What the last walk found; null before the first. */
  readonly left: LeftBehind | null
  /** Versions at the former provider, and how many of them are destroyed; null where it is not there any more. */
  readonly versions: { readonly all: number; readonly destroyed: number } | null
}

/** Files of a sealed file lie beside those of the house. */
const FILES_OF = { file: [KEYRING_PATH], service: [KEY_RECORDS_PATH, WRAPPED_SIGNING_KEYS_PATH, IMPORTED_KEYS_PATH] }

/**
 * The move of keys away from a provider: begun when the house opened both, proved when nothing names a key of the former one, ended when its
 * versions are destroyed or it was taken out of the configuration. Each step is recorded before it counts.
 */
export class Move {
  readonly #folder: DurableFolder
  readonly #current: KeyProvider
  readonly #former: KeyProvider | null
  readonly #names: ReadonlySet<string>
  #places: ProviderPlaces

  /** @param former null when it is configured no more, or proved and out of reach. */
  constructor(folder: DurableFolder, places: ProviderPlaces, current: KeyProvider, former: KeyProvider | null) {
    this.#folder = folder
    this.#places = places
    this.#current = current
    this.#former = former
    this.#names = new Set(former === null ? [] : versionsLeft(current, former).map(referenceId))
  }

  /** Null once it has ended. */
  progress(): MoveProgress | null {
    const { former, current } = this.#places
    if (former === null) return null
    const versions = this.#former === null ? null : versionsLeft(this.#current, this.#former)
    return {
      from: former.kind,
      to: current,
      proved: former.proved,
      left: former.left,
      versions: versions && { all: versions.length, destroyed: versions.filter(({ state }) => state === 'destroyed').length },
    }
  }

  /** How the former provider is; null where there is none, or it was not opened because nothing names a key of it any more. */
  async health(): Promise<ProviderHealth | null> {
    return this.#places.former === null || this.#former === null ? null : this.#former.health()
  }

  /** Whether a key-encryption key is at the former provider. */
  isLeft(key: KeyReference): boolean {
    return this.#names.has(referenceId(key))
  }

  /** At the opening of the log: records that the move began, or that the former provider is given up. */
  async tell(audit: AuditSink, configured: boolean): Promise<void> {
    const { former } = this.#places
    if (former === null) return
    if (!former.recorded) {
      await record(audit, { ...this.#facts(), phase: 'begun' })
      this.#write({ ...former, recorded: true })
    }
    if (!configured && former.proved) {
      await record(audit, { ...this.#facts(), phase: 'left' })
      this.#write(null)
    }
  }

  /** After a walk over everything. @param settled whether nothing that the former provider wrapped can be on its way to the disk still. */
  async walked(audit: AuditSink, left: readonly LeftBehind[number][], settled: boolean): Promise<void> {
    const { former } = this.#places
    if (former === null || this.#former === null) return
    const proved = settled && left.length === 0
    if (proved && !former.proved) await record(audit, { ...this.#facts(), phase: 'proved' })
    if (proved !== former.proved || JSON.stringify(left) !== JSON.stringify(former.left))
      this.#write({ ...former, proved, left: [...left] })
  }

  /** Once all versions are destroyed there is nothing to come back to: the former provider's records go. */
  async endIfOver(audit: AuditSink): Promise<void> {
    const { former } = this.#places
    const versions = this.progress()?.versions ?? null
    if (former === null || !former.proved || versions === null || versions.destroyed < versions.all) return
    await record(audit, { ...this.#facts(), phase: 'ended' })
    const place = placeOf(this.#places, former.kind)
    // INVARIANT: what says that there is a former provider goes first: without its records it could not be opened.
    this.#write(null)
    const folder = subfolder(this.#folder, place)
    for (const path of former.kind === 'sealed-file' ? FILES_OF.file : FILES_OF.service) if (folder.exists(path)) folder.remove(path)
    folder.syncFolder('')
    // Its place is free only now: a cut in between leaves records there that go on.
    this.#places = { ...this.#places, places: this.#places.places.filter(({ kind }) => kind !== former.kind) }
    this.#write(null)
  }

  #write(former: ProviderPlaces['former']): void {
    const places = { ...this.#places, former }
    writePlaces(this.#folder, places)
    this.#places = places
  }

  #facts(): JsonObject {
    const { from, to, versions } = this.progress()!
    return { from, to, ...(versions === null ? {} : { versions: versions.all }) }
  }
}

/** @throws {RedoubtError} `ERR_AUDIT_UNAVAILABLE`. */
export async function record(audit: AuditSink, details: JsonObject): Promise<void> {
  await audit.record({
    type: 'key.move',
    actor: { type: 'System', id: 'keys' },
    action: 'rotateKey',
    resource: { type: 'Key', id: 'root' },
    outcome: 'success',
    purpose: 'key-rotation',
    details,
  })
}
