import { createHmac } from 'node:crypto'
import { asRedoubtError, type EntityFacts, type EntityUid, newId, processFacts, RedoubtError } from '#foundation/core'
import type { WrappedKey } from '#foundation/crypto'
import { encodeRowGroup, type ImportedVersion } from '#assets/datasets'
import type { KeyUse } from '#trust/keys'
import { BackPressure } from './back-pressure.ts'
import { checkCollection, checkCollectors, type Collection, type CreateCollection } from './collection.ts'
import { recordCollection } from './collection-events.ts'
import type { CollectionLog, Pending } from './collection-log.ts'
import { CollectionRegister } from './collection-register.ts'
import type { Append, Appended, Collections, CollectionsOptions, CutAsk } from './contract.ts'
import { type BatchReceipt, keyOf } from './known-batches.ts'
import { LiveLogs } from './live-logs.ts'
import { FOLDER, listSegments, ownerOf, removeSegments, wrappedKeys } from './segment-files.ts'
import { VersionCuts } from './version-cuts.ts'
import { demandRoom } from './waiting-bounds.ts'

/** Removes what a crash left of segments whose rows are in a version, or whose collection is gone. */
export function openCollections(options: CollectionsOptions): Collections {
  return new OpenedCollections(options)
}

class OpenedCollections implements Collections {
  readonly #options: CollectionsOptions
  readonly #register: CollectionRegister
  readonly #logs: LiveLogs
  readonly #cuts: VersionCuts
  /** Being removed: nothing is appended. */
  readonly #ending = new Set<string>()
  readonly #pressure = new BackPressure()

  constructor(options: CollectionsOptions) {
    this.#options = options
    this.#register = new CollectionRegister(options)
    const { table } = this.#register
    this.#logs = new LiveLogs(options, table)
    this.#cuts = new VersionCuts(options, this.#register, this.#logs)
    options.objects.makeFolder(FOLDER)
    options.objects.syncFolder('')
    const places = new Map(this.list().map(({ id }) => [id, table.place(id).lastSegment]))
    removeSegments(options.objects, listSegments(options.objects).filter(({ collection, segment }) => segment <= (places.get(collection) ?? Infinity))) // prettier-ignore
  }

  list(): readonly Collection[] {
    return this.#register.list()
  }

  get(name: string): Collection | null {
    return this.#register.get(name)
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
    await recordCollection(this.#options.audit, 'data.collect', collection, by, requestId, {
      columns: columns.length,
      sensitivity,
      purposes: [...purposes],
      legalBasis,
      hasSubject: collection.subject !== undefined,
      collectors: [...collectors],
    })
    // Somebody may have made one meanwhile.
    if (taken()) throw new RedoubtError('ERR_CONFLICT', `there is a data set \`${name}\``)
    this.#register.add(collection)
    return this.#register.known(name)
  }

  facts(collection: Collection, account: EntityUid): EntityFacts {
    return this.#register.facts(collection, account)
  }

  async pending(name: string, use: KeyUse): Promise<Pending> {
    return (await this.#logs.open(this.#register.known(name), use)).log.pending
  }

  admit(bytes: number): () => void {
    return this.#pressure.take(bytes)
  }

  async append(name: string, { rows, bytes, key, by, purpose, legalBasis, requestId }: Append): Promise<Appended> {
    const { clock, digestKey } = this.#options
    const collection = this.#register.known(name)
    const use: KeyUse = {
      principal: by,
      purpose,
      resource: { type: 'Dataset', id: name },
      ...(requestId === undefined ? {} : { requestId }),
    }
    const { log, known } = await this.#logs.open(collection, use)
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
    demandRoom(log.pending)
    const release = this.#pressure.take(encoded.byteLength)
    const details = { batch, rows, bytes, digest, process: processFacts('server', code) }
    const more = { purpose, ...(legalBasis === undefined ? {} : { legalBasis }) }
    let recorded = false
    try {
      await log.append({ receipt, bytes, rows: encoded }, use, async () => {
        // A collection may be closed while batches wait.
        this.#demandOpen(name)
        await recordCollection(this.#options.audit, 'data.append', collection, principal, requestId, details, more)
        recorded = true
      })
      return receipt
    } catch (thrown) {
      const failed = { outcome: 'failed', code: asRedoubtError(thrown).code } as const
      // The first error is the one to tell, even when the log is what failed.
      if (recorded) await recordCollection(this.#options.audit, 'data.append', collection, principal, requestId, details, { ...more, ...failed }).catch(() => undefined) // prettier-ignore
      throw thrown
    } finally {
      release()
    }
  }

  #demandOpen(name: string): void {
    const { id, state } = this.#register.known(name)
    if (state === 'closed') throw new RedoubtError('ERR_CONFLICT', `\`${name}\` is closed: it takes no more rows`)
    if (this.#ending.has(id)) throw new RedoubtError('ERR_CONFLICT', `\`${name}\` is being removed: it takes no more rows`)
  }

  async cut(name: string, ask: CutAsk): Promise<ImportedVersion> {
    const version = await this.#cuts.cut(name, ask)
    if (version === null) throw new RedoubtError('ERR_CONFLICT', `nothing was collected for \`${name}\` since its last version`)
    return version
  }

  async close(name: string, ask: CutAsk): Promise<ImportedVersion | null> {
    const collection = this.#register.known(name)
    if (collection.state === 'open') {
      await recordCollection(this.#options.audit, 'data.close', collection, ask.by, ask.requestId, {})
      this.#register.close(collection)
    }
    return this.#cuts.cut(name, ask)
  }

  async setCollectors(name: string, collectors: readonly string[], by: EntityUid, requestId?: string): Promise<Collection> {
    checkCollectors(collectors)
    const collection = this.#register.known(name)
    await recordCollection(this.#options.audit, 'data.collectors', collection, by, requestId, {
      before: [...collection.collectors],
      after: [...collectors],
    })
    this.#register.setCollectors(collection, collectors)
    return this.#register.known(name)
  }

  async remove(name: string, use: KeyUse): Promise<void> {
    await this.#cuts.inTurn(name, async () => {
      const collection = this.get(name)
      if (collection === null) return
      this.#ending.add(collection.id)
      try {
        await this.#demandNotHeld(collection, use)
        await recordCollection(this.#options.audit, 'data.uncollect', collection, use.principal, use.requestId, {})
        // Somebody may have set a hold while that was put on record.
        await this.#demandNotHeld(collection, use).catch(async (thrown: unknown) => {
          const failed = { outcome: 'failed', code: asRedoubtError(thrown).code } as const
          await recordCollection(this.#options.audit, 'data.uncollect', collection, use.principal, use.requestId, {}, failed).catch(
            () => undefined,
          )
          throw thrown
        })
        this.#register.remove(collection)
      } finally {
        this.#ending.delete(collection.id)
      }
      await this.#logs.drop(collection.id)
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
    if (holds.heldSubjects().length > 0 && (this.#logs.opened(id) !== undefined || waits())) {
      const { principal: by, requestId } = use
      await this.#cuts.cutAtTurn(name, { by, requestId })
    }
    await datasets.demandNotHeld(name, use)
  }

  cutAll(ask: CutAsk, name?: string): Promise<void> {
    return this.#cuts.cutAll(ask, name)
  }

  pinnedKeys(): Iterable<WrappedKey> {
    return wrappedKeys(this.#options.objects)
  }

  cutDue(by: EntityUid, failed: (name: string, reason: unknown) => void): Promise<void> {
    return this.#cuts.cutDue(by, failed)
  }

  async end(): Promise<void> {
    await this.#cuts.end()
    await this.#logs.closeAll()
  }
}
