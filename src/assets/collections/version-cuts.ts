import type { EntityUid } from '#foundation/core'
import type { ImportedVersion } from '#assets/datasets'
import type { KeyUse } from '#trust/keys'
import type { SealedPart } from './collection-log.ts'
import type { CollectionRegister } from './collection-register.ts'
import type { CollectionsOptions, CutAsk } from './contract.ts'
import type { Live, LiveLogs } from './live-logs.ts'
import { makeVersion } from './make-version.ts'
import { listSegments } from './segment-files.ts'
import { isDue } from './waiting-bounds.ts'

const HOUR_MS = 3_600_000
/** A key is remembered this long, and while its rows are in no version. */
const KEY_RETENTION_MS = 24 * HOUR_MS
/** A version that could not be made by itself is tried again after this. */
const RETRY_CUT_MS = 600_000

/** Makes versions of what was collected. */
export class VersionCuts {
  readonly #options: CollectionsOptions
  readonly #register: CollectionRegister
  readonly #logs: LiveLogs
  readonly #cutting = new Map<string, Promise<unknown>>()
  /** When a version was last not to be made by itself, by name. */
  readonly #failedAt = new Map<string, number>()

  constructor(options: CollectionsOptions, register: CollectionRegister, logs: LiveLogs) {
    this.#options = options
    this.#register = register
    this.#logs = logs
  }

  /** Of one collection one version is made at a time, and nothing else that waits for its turn here. */
  inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const next = (this.#cutting.get(name) ?? Promise.resolve()).then(work, work)
    const settled = next.catch(() => undefined)
    this.#cutting.set(name, settled)
    void settled.then(() => {
      if (this.#cutting.get(name) === settled) this.#cutting.delete(name)
    })
    return next
  }

  /** Waits for its turn. @returns null when nothing was collected since the last version. */
  cut(name: string, ask: CutAsk): Promise<ImportedVersion | null> {
    return this.inTurn(name, () => this.cutAtTurn(name, ask))
  }

  /** As `cut`, for whoever has the turn. */
  async cutAtTurn(name: string, { by, requestId, progress, signal }: CutAsk): Promise<ImportedVersion | null> {
    const { datasets, clock } = this.#options
    const { table } = this.#register
    const collection = this.#register.known(name)
    const resource = { type: 'Dataset', id: name }
    const use: KeyUse = { principal: by, purpose: 'data-cut', resource, ...(requestId === undefined ? {} : { requestId }) }
    const live = await this.#logs.open(collection, use)
    const sealed = await live.log.seal()
    if (sealed.rows === 0) return null
    const at = clock.now()
    try {
      const version = await makeVersion(
        datasets,
        collection,
        { log: live.log, sealed, code: await this.#options.codeDigest() },
        { by, requestId, progress, signal, use },
        (version) =>
          table.cut(collection.id, { place: sealed.place, version, at, batches: sealed.receipts, forget: at - KEY_RETENTION_MS }),
      )
      this.#cutOff(live, sealed, at)
      return version
    } catch (thrown) {
      // A commit that was reported lost may have happened: then the rows are in the version.
      if (table.place(collection.id).lastSegment < sealed.place.lastSegment) throw thrown
      this.#cutOff(live, sealed, at)
      return datasets.get(name)
    }
  }

  #cutOff({ log, known }: Live, sealed: SealedPart, at: number): void {
    this.#register.reload()
    known.forget(at - KEY_RETENTION_MS, new Set(log.receipts().flatMap(({ key }) => key ?? [])))
    try {
      log.forget(sealed)
    } catch {
      // What cannot be removed now is removed at the next start, since its rows are in a version.
      return
    }
  }

  /** What was collected of every collection, or of one, becomes a version. */
  async cutAll(ask: CutAsk, name?: string): Promise<void> {
    const waiting = this.#waiting()
    for (const one of this.#register.list())
      if (waiting.has(one.id) && (name === undefined || one.name === name)) await this.cut(one.name, ask)
  }

  /** Makes the versions that are due by time or amount. @throws nothing: `failed` is told of each that could not be made. */
  async cutDue(by: EntityUid, failed: (name: string, reason: unknown) => void): Promise<void> {
    const { clock } = this.#options
    const waiting = this.#waiting()
    for (const { id, name, cutHours, cutAt } of this.#register.list()) {
      if (!waiting.has(id) || this.#cutting.has(name)) continue
      if (clock.now() - (this.#failedAt.get(name) ?? -Infinity) < RETRY_CUT_MS) continue
      const due = cutHours !== null && clock.now() - cutAt >= cutHours * HOUR_MS
      try {
        // Before anybody touched it, it is not known how much there is.
        const live = this.#logs.opened(id)
        if (!due && !(live && isDue((await live).log.pending))) continue
        await this.cut(name, { by })
        this.#failedAt.delete(name)
      } catch (thrown) {
        this.#failedAt.set(name, clock.now())
        failed(name, thrown)
      }
    }
  }

  /** Waits for what is under way. */
  async end(): Promise<void> {
    await Promise.all(this.#cutting.values())
  }

  /** Ids of the collections that have rows in no version. */
  #waiting(): ReadonlySet<string> {
    return new Set(listSegments(this.#options.objects).map(({ collection }) => collection))
  }
}
