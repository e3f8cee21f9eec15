import { createHmac } from 'node:crypto'
import {
  asRedoubtError,
  type AuditEvent,
  type EntityFacts,
  type EntityUid,
  type JsonObject,
  newId,
  processFacts,
  RedoubtError,
  SENSITIVITIES,
} from '#foundation/core'
import type { WrappedKey } from '#foundation/crypto'
import { encodeRowGroup, type ImportedVersion } from '#assets/datasets'
import type { KeyUse } from '#trust/keys'
import { BackPressure } from './back-pressure.ts'
import { checkCollection, checkCollectors, type Collection, type CreateCollection } from './collection.ts'
import type { Append, Appended, Collections, CollectionsOptions, CutAsk } from './contract.ts'
import { CollectionLog, type Pending, type SealedPart } from './collection-log.ts'
import { type BatchReceipt, KnownBatches, keyOf } from './known-batches.ts'
import { makeVersion } from './make-version.ts'
import { FOLDER, listSegments, ownerOf, removeSegments, wrappedKeys } from './segment-files.ts'
import { openTable } from './tables.ts'

const HOUR_MS = 3_600_000
/** A key is remembered this long, and while its rows are in no version. */
const KEY_RETENTION_MS = 24 * HOUR_MS
/** What waits for a version is bounded: at this a version is due, at twice this no more is taken. */
const DUE: Pending = { rows: 8 * 2 ** 20, bytes: 2 ** 30, batches: 2 ** 16 }
const RETRY_WHEN_FULL_MS = 10_000
/** A version that could not be made by itself is tried again after this. */
const RETRY_CUT_MS = 600_000

interface Live {
  readonly log: CollectionLog
  readonly known: KnownBatches
}

/** Removes what a crash left of segments whose rows are in a version, or whose collection is gone. */
export function openCollections(options: CollectionsOptions): Collections {
  return new OpenedCollections(options)
}

class OpenedCollections implements Collections {
  readonly #options: CollectionsOptions
  readonly #table: ReturnType<typeof openTable>
  readonly #live = new Map<string, Promise<Live>>()
  readonly #facts = new Map<string, Map<boolean, EntityFacts>>()
  readonly #cutting = new Map<string, Promise<unknown>>()
  /** Being removed: nothing is appended. */
  readonly #ending = new Set<string>()
  /** When a version was last not to be made by itself, by name. */
  readonly #failedAt = new Map<string, number>()
  readonly #pressure = new BackPressure()
  #byName: ReadonlyMap<string, Collection>

  constructor(options: CollectionsOptions) {
    this.#options = options
    this.#table = openTable(options.database)
    options.objects.makeFolder(FOLDER)
    options.objects.syncFolder('')
    this.#byName = this.#reload()
    const places = new Map(this.list().map(({ id }) => [id, this.#table.place(id).lastSegment]))
    removeSegments(options.objects, listSegments(options.objects).filter(({ collection, segment }) => segment <= (places.get(collection) ?? Infinity))) // prettier-ignore
  }

  #reload(): ReadonlyMap<string, Collection> {
    this.#facts.clear()
    this.#byName = new Map(this.#table.list().map((collection) => [collection.name, collection]))
    return this.#byName
  }

  list(): readonly Collection[] {
    return [...this.#byName.values()]
  }

  get(name: string): Collection | null {
    return this.#byName.get(name) ?? null
  }

  #known(name: string): Collection {
    const collection = this.get(name)
    if (collection === null) throw new RedoubtError('ERR_NOT_FOUND', `no rows are collected for \`${name}\``)
    return collection
  }

  async create({ by, requestId, ...given }: CreateCollection): Promise<Collection> {
    checkCollection(given)
    const { name } = given
    const taken = (): boolean => this.get(name) !== null || this.#options.datasets.get(name) !== null
    if (taken()) throw new RedoubtError('ERR_CONFLICT', `there is a data set \`${name}\`; rows are collected under a name of their own`)
    const now = this.#options.clock.now()
    const collection: Collection = {
      ...given,
      label: given.label,
      subject: given.subject,
      id: newId('col'),
      state: 'open',
      createdAt: now,
      cutAt: now,
      version: null,
    }
    const { columns, sensitivity, purposes, legalBasis, collectors } = collection
    await this.#record('data.collect', collection, by, requestId, {
      columns: columns.length,
      sensitivity,
      purposes: [...purposes],
      legalBasis,
      hasSubject: collection.subject !== undefined,
      collectors: [...collectors],
    })
    // Somebody may have made one meanwhile.
    if (taken()) throw new RedoubtError('ERR_CONFLICT', `there is a data set \`${name}\``)
    this.#table.add(collection)
    this.#reload()
    return this.#known(name)
  }

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
        parents: [{ type: 'Environment', id: this.#options.environment }],
      }
      both.set(isCollector, facts)
    }
    return facts
  }

  async pending(name: string, use: KeyUse): Promise<Pending> {
    return (await this.#open(this.#known(name), use)).log.pending
  }

  admit(bytes: number): () => void {
    return this.#pressure.take(bytes)
  }

  async append(name: string, { rows, bytes, key, by, purpose, legalBasis, requestId }: Append): Promise<Appended> {
    const { clock, digestKey } = this.#options
    const collection = this.#known(name)
    const use: KeyUse = {
      principal: by,
      purpose,
      resource: { type: 'Dataset', id: name },
      ...(requestId === undefined ? {} : { requestId }),
    }
    const { log, known } = await this.#open(collection, use)
    const encoded = Buffer.concat(encodeRowGroup(rows))
    const digest = createHmac('sha256', digestKey).update(encoded).digest('hex')
    const named = key === undefined ? null : keyOf(by, key)
    const write = (): Promise<BatchReceipt> => this.#write(collection, { log, use, encoded, receipt: { key: named, batch: newId('rows'), digest, rows: rows.rows, receivedAt: clock.now() }, bytes, legalBasis }) // prettier-ignore
    // What was taken already is answered in any state.
    const { receipt, isNew } = named === null ? { receipt: await write(), isNew: true } : await known.once(named, digest, write)
    return { batch: receipt.batch, rows: receipt.rows, known: !isNew }
  }

  async #write(
    collection: Collection,
    {
      log,
      use,
      encoded,
      receipt,
      bytes,
      legalBasis,
    }: {
      readonly log: CollectionLog
      readonly use: KeyUse
      readonly encoded: Uint8Array
      readonly receipt: BatchReceipt
      readonly bytes: number
      readonly legalBasis: string | undefined
    },
  ): Promise<BatchReceipt> {
    const { name } = collection
    const { principal, purpose, requestId } = use
    const { batch, rows, digest } = receipt
    const code = await this.#options.codeDigest()
    this.#demandOpen(name)
    this.#demandRoom(log.pending)
    const release = this.#pressure.take(encoded.byteLength)
    const details = { batch, rows, bytes, digest, process: processFacts('server', code) }
    const more = { purpose, ...(legalBasis === undefined ? {} : { legalBasis }) }
    let recorded = false
    try {
      await log.append({ receipt, bytes, rows: encoded }, use, async () => {
        // A collection may be closed while batches wait.
        this.#demandOpen(name)
        await this.#record('data.append', collection, principal, requestId, details, more)
        recorded = true
      })
      return receipt
    } catch (thrown) {
      const failed = { outcome: 'failed', code: asRedoubtError(thrown).code } as const
      // The first error is the one to tell, even when the log is what failed.
      if (recorded) await this.#record('data.append', collection, principal, requestId, details, { ...more, ...failed }).catch(() => undefined) // prettier-ignore
      throw thrown
    } finally {
      release()
    }
  }

  #demandOpen(name: string): void {
    const { id, state } = this.#known(name)
    if (state === 'closed') throw new RedoubtError('ERR_CONFLICT', `\`${name}\` is closed: it takes no more rows`)
    if (this.#ending.has(id)) throw new RedoubtError('ERR_CONFLICT', `\`${name}\` is being removed: it takes no more rows`)
  }

  #demandRoom({ rows, bytes, batches }: Pending): void {
    if (rows < 2 * DUE.rows && bytes < 2 * DUE.bytes && batches < 2 * DUE.batches) return
    const words = 'too many rows wait to become a version; one is being made, or run `redoubt data cut`'
    throw new RedoubtError('ERR_BUSY', words, { evidence: { retryAfterMs: RETRY_WHEN_FULL_MS } })
  }

  async cut(name: string, ask: CutAsk): Promise<ImportedVersion> {
    const version = await this.#oneByOne(name, () => this.#cut(name, ask))
    if (version === null) throw new RedoubtError('ERR_CONFLICT', `nothing was collected for \`${name}\` since its last version`)
    return version
  }

  async close(name: string, ask: CutAsk): Promise<ImportedVersion | null> {
    const collection = this.#known(name)
    if (collection.state === 'open') {
      await this.#record('data.close', collection, ask.by, ask.requestId, {})
      this.#table.close(collection.id)
      this.#reload()
    }
    return this.#oneByOne(name, () => this.#cut(name, ask))
  }

  /** Of one collection one version is made at a time. */
  #oneByOne<T>(name: string, work: () => Promise<T>): Promise<T> {
    const next = (this.#cutting.get(name) ?? Promise.resolve()).then(work, work)
    const settled = next.catch(() => undefined)
    this.#cutting.set(name, settled)
    void settled.then(() => {
      if (this.#cutting.get(name) === settled) this.#cutting.delete(name)
    })
    return next
  }

  async #cut(name: string, { by, requestId, progress, signal }: CutAsk): Promise<ImportedVersion | null> {
    const { datasets, clock } = this.#options
    const collection = this.#known(name)
    const resource = { type: 'Dataset', id: name }
    const use: KeyUse = { principal: by, purpose: 'data-cut', resource, ...(requestId === undefined ? {} : { requestId }) }
    const live = await this.#open(collection, use)
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
          this.#table.cut(collection.id, { place: sealed.place, version, at, batches: sealed.receipts, forget: at - KEY_RETENTION_MS }),
      )
      this.#cutOff(live, sealed, at)
      return version
    } catch (thrown) {
      // A commit that was reported lost may have happened: then the rows are in the version.
      if (this.#table.place(collection.id).lastSegment < sealed.place.lastSegment) throw thrown
      this.#cutOff(live, sealed, at)
      return datasets.get(name)
    }
  }

  #cutOff({ log, known }: Live, sealed: SealedPart, at: number): void {
    this.#reload()
    known.forget(at - KEY_RETENTION_MS, new Set(log.receipts().flatMap(({ key }) => key ?? [])))
    try {
      log.forget(sealed)
    } catch {
      // What cannot be removed now is removed at the next start, since its rows are in a version.
      return
    }
  }

  async setCollectors(name: string, collectors: readonly string[], by: EntityUid, requestId?: string): Promise<Collection> {
    checkCollectors(collectors)
    const collection = this.#known(name)
    await this.#record('data.collectors', collection, by, requestId, { before: [...collection.collectors], after: [...collectors] })
    this.#table.setCollectors(collection.id, collectors)
    this.#reload()
    return this.#known(name)
  }

  async remove(name: string, use: KeyUse): Promise<void> {
    await this.#oneByOne(name, async () => {
      const collection = this.get(name)
      if (collection === null) return
      this.#ending.add(collection.id)
      try {
        await this.#demandNotHeld(collection, use)
        await this.#record('data.uncollect', collection, use.principal, use.requestId, {})
        // Somebody may have set a hold while that was put on record.
        await this.#demandNotHeld(collection, use).catch(async (thrown: unknown) => {
          const failed = { outcome: 'failed', code: asRedoubtError(thrown).code } as const
          await this.#record('data.uncollect', collection, use.principal, use.requestId, {}, failed).catch(() => undefined)
          throw thrown
        })
        this.#table.remove(collection.id)
      } finally {
        this.#ending.delete(collection.id)
      }
      this.#reload()
      const live = this.#live.get(collection.id)
      this.#live.delete(collection.id)
      await live?.then(({ log }) => log.close()).catch(() => undefined)
      const { objects } = this.#options
      removeSegments(objects, listSegments(objects).filter((one) => one.collection === collection.id)) // prettier-ignore
      await this.#options.keys.destroyOwner(ownerOf(collection.id), use)
    })
  }

  /**
   * INVARIANT: nothing is appended any more when it is asked, and what was waits as rows of a version, where each row's person is known.
   * @throws {RedoubtError} `ERR_LEGAL_HOLD`.
   */
  async #demandNotHeld({ id, name }: Collection, use: KeyUse): Promise<void> {
    const { holds, datasets, objects } = this.#options
    const waits = (): boolean => listSegments(objects).some((one) => one.collection === id)
    if (holds.heldSubjects().length > 0 && (this.#live.has(id) || waits())) {
      const { principal: by, requestId } = use
      await this.#cut(name, { by, requestId })
    }
    await datasets.demandNotHeld(name, use)
  }

  async cutAll(ask: CutAsk, name?: string): Promise<void> {
    const waiting = new Set(listSegments(this.#options.objects).map(({ collection }) => collection))
    for (const one of this.list())
      if (waiting.has(one.id) && (name === undefined || one.name === name)) await this.#oneByOne(one.name, () => this.#cut(one.name, ask))
  }

  pinnedKeys(): Iterable<WrappedKey> {
    return wrappedKeys(this.#options.objects)
  }

  async cutDue(by: EntityUid, failed: (name: string, reason: unknown) => void): Promise<void> {
    const { clock, objects } = this.#options
    const waiting = new Set(listSegments(objects).map(({ collection }) => collection))
    for (const { id, name, cutHours, cutAt } of this.list()) {
      if (!waiting.has(id) || this.#cutting.has(name)) continue
      if (clock.now() - (this.#failedAt.get(name) ?? -Infinity) < RETRY_CUT_MS) continue
      const due = cutHours !== null && clock.now() - cutAt >= cutHours * HOUR_MS
      try {
        // Before anybody touched it, it is not known how much there is.
        if (!due && !(this.#live.has(id) && isDue((await this.#live.get(id))!.log.pending))) continue
        await this.#oneByOne(name, () => this.#cut(name, { by }))
        this.#failedAt.delete(name)
      } catch (thrown) {
        this.#failedAt.set(name, clock.now())
        failed(name, thrown)
      }
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#cutting.values())
    await Promise.all([...this.#live.values()].map((live) => live.then(({ log }) => log.close())))
  }

  /** Reads what an earlier life left when somebody first asks: one that is damaged keeps no other from working. */
  #open(collection: Collection, use: KeyUse): Promise<Live> {
    const { id } = collection
    let live = this.#live.get(id)
    if (live === undefined) {
      live = this.#read(collection, use)
      this.#live.set(id, live)
      live.catch(() => this.#live.delete(id))
    }
    return live
  }

  async #read(collection: Collection, use: KeyUse): Promise<Live> {
    const { id } = collection
    const log = await CollectionLog.open(this.#options, collection, this.#table.place(id), use)
    const known = new KnownBatches()
    for (const receipt of [...this.#table.batches(id), ...log.receipts()]) known.add(receipt)
    return { log, known }
  }

  #record(
    type: string,
    { name }: Collection,
    by: EntityUid,
    requestId: string | undefined,
    details: JsonObject,
    more: Partial<Pick<AuditEvent, 'purpose' | 'legalBasis' | 'outcome' | 'code'>> = {},
  ): Promise<unknown> {
    return this.#options.audit.record({
      type,
      actor: by,
      action: type.slice(type.indexOf('.') + 1),
      resource: { type: 'Dataset', id: name },
      outcome: 'success',
      details: { name, ...details },
      ...more,
      ...(requestId === undefined ? {} : { requestId }),
    })
  }
}

function isDue({ rows, bytes, batches }: Pending): boolean {
  return rows >= DUE.rows || bytes >= DUE.bytes || batches >= DUE.batches
}
