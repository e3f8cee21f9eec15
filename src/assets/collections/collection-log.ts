import type { KeyObject } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import type { DurableFile, DurableFolder } from '#foundation/storage'
import { type ColumnDescription, decodeRowGroup, type RowGroup } from '#assets/datasets'
import type { Keys, KeyUse } from '#trust/keys'
import type { BatchReceipt } from './known-batches.ts'
import {
  decodeBatches,
  encodeBatches,
  encodeHeader,
  HEADER_BYTES,
  KINDS,
  type FrameKind,
  type OpenedFrame,
  sealFrame,
  type StoredBatch,
} from './segment-codec.ts'
import { FOLDER, listSegments, readSegment, removeSegments, segmentPath, segmentResource, ownerOf } from './segment-files.ts'
import type { CutPlace } from './tables.ts'

/** A segment that has reached this is ended: it is read as a whole when its rows become a version. */
const SEGMENT_BYTES = 16 * 2 ** 20
/** Batches of one commit: the event loop is held for milliseconds. */
const MAX_COMMIT_BYTES = 8 * 2 ** 20
const MAX_COMMIT_BATCHES = 256

export interface LogPorts {
  readonly objects: DurableFolder
  readonly keys: Pick<Keys, 'generateDataKey' | 'unwrap'>
}

/** What is collected and in no version yet. */
export interface Pending {
  readonly rows: number
  /** Of what was sent. */
  readonly bytes: number
  readonly batches: number
}

/** What a version is about to be made of: everything up to a place. */
export interface SealedPart extends Pending {
  readonly place: CutPlace
  readonly receipts: readonly BatchReceipt[]
}

interface Queued {
  readonly batch: StoredBatch
  readonly use: KeyUse
  /** Puts the batch on record; it is written only when that worked. */
  readonly record: () => Promise<unknown>
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

interface Part {
  rows: number
  bytes: number
  readonly receipts: BatchReceipt[]
}

interface OpenSegment {
  readonly number: number
  readonly file: DurableFile
  readonly key: KeyObject
  /** Up to where it is durable. */
  position: number
}

/**
 * The rows of one collection that are in no version yet: an append log of sealed frames. Batches that arrive while one commit is under way
 * share the next: one record each, then one frame and one fdatasync for all. An append resolves when it survives a power cut.
 */
export class CollectionLog {
  readonly #ports: LogPorts
  readonly #id: string
  readonly #columns: readonly ColumnDescription[]
  /** What is pending, by segment. */
  readonly #parts = new Map<number, Part>()
  #place: CutPlace
  #lastSegment: number
  #lastFrame: number
  #segment: OpenSegment | null = null
  /** A segment in which a failed write may have left something; nothing is appended until that is cut off. */
  #unclean: { readonly path: string; readonly length: number } | null = null
  #queue: Queued[] = []
  #committing: Promise<void> | null = null
  #turn: Promise<unknown> = Promise.resolve()
  #closed = false

  private constructor(ports: LogPorts, id: string, columns: readonly ColumnDescription[], place: CutPlace) {
    this.#ports = ports
    this.#id = id
    this.#columns = columns
    this.#place = place
    this.#lastSegment = place.lastSegment
    this.#lastFrame = place.lastFrame
  }

  /**
   * Reads what an earlier life left.
   * @throws {RedoubtError} `ERR_STORAGE_CORRUPT` when something acknowledged is missing or damaged.
   */
  static async open(
    ports: LogPorts,
    { id, columns }: { readonly id: string; readonly columns: readonly ColumnDescription[] },
    place: CutPlace,
    use: KeyUse,
  ): Promise<CollectionLog> {
    const log = new CollectionLog(ports, id, columns, place)
    const last = Math.max(place.lastSegment, ...listSegments(ports.objects).map((name) => (name.collection === id ? name.segment : 0)))
    const seen = new Set<string>()
    for (let number = place.lastSegment + 1; number <= last; number++) {
      const { frames, last: frame } = await log.#read(number, log.#lastFrame, use)
      log.#lastFrame = frame
      for (const batch of distinct(frames, seen)) log.#count(number, batch)
    }
    log.#lastSegment = last
    return log
  }

  get pending(): Pending {
    const parts = [...this.#parts.values()]
    return {
      rows: parts.reduce((sum, part) => sum + part.rows, 0),
      bytes: parts.reduce((sum, part) => sum + part.bytes, 0),
      batches: parts.reduce((sum, part) => sum + part.receipts.length, 0),
    }
  }

  receipts(): readonly BatchReceipt[] {
    return [...this.#parts.values()].flatMap(({ receipts }) => receipts)
  }

  /**
   * Resolves when the batch is on record and durable.
   * @throws {RedoubtError} what `record`, keys and storage throw; then the batch is not there.
   */
  append(batch: StoredBatch, use: KeyUse, record: () => Promise<unknown>): Promise<void> {
    if (this.#closed) return Promise.reject(new RedoubtError('ERR_DRAINING'))
    return new Promise((resolve, reject) => {
      this.#queue.push({ batch, use, record, resolve, reject })
      this.#committing ??= this.#commitAll().finally(() => (this.#committing = null))
    })
  }

  /** Ends the segment and says what there is up to here; appends go on behind it. */
  seal(): Promise<SealedPart> {
    return this.#exclusive(async () => {
      this.#clean()
      this.#end()
      const place = { lastSegment: this.#lastSegment, lastFrame: this.#lastFrame }
      return { ...this.pending, place, receipts: this.receipts() }
    })
  }

  /**
   * The rows up to a place, batch by batch.
   * @throws {RedoubtError} `ERR_STORAGE_CORRUPT` unless they are exactly those that were acknowledged.
   */
  async *groups({ place }: SealedPart, use: KeyUse): AsyncGenerator<RowGroup> {
    const seen = new Set<string>()
    let previous = this.#place.lastFrame
    for (let number = this.#place.lastSegment + 1; number <= place.lastSegment; number++) {
      const { frames, last } = await this.#read(number, previous, use)
      previous = last
      for (const { receipt, rows } of distinct(frames, seen)) yield decodeRowGroup(rows, receipt.rows, this.#columns)
    }
    if (previous !== place.lastFrame) throw new RedoubtError('ERR_STORAGE_CORRUPT', 'a segment of a collection lacks a frame')
  }

  /** Lets go of what is in a version now. */
  forget({ place }: SealedPart): void {
    const gone = Array.from({ length: place.lastSegment - this.#place.lastSegment }, (_, i) => this.#place.lastSegment + 1 + i)
    this.#place = place
    for (const number of gone) this.#parts.delete(number)
    removeSegments(
      this.#ports.objects,
      gone.map((segment) => ({ collection: this.#id, segment })),
    )
  }

  /** Waits for what is under way; what is durable stays for the next life. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#committing
    await this.#exclusive(async () => {
      this.#clean()
      this.#end()
    })
  }

  /** One commit, or sealing, at a time. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work)
    this.#turn = next.catch(() => undefined)
    return next
  }

  async #commitAll(): Promise<void> {
    while (this.#queue.length > 0) await this.#exclusive(() => this.#commit(this.#nextGroup()))
  }

  #nextGroup(): readonly Queued[] {
    let bytes = 0
    let count = 0
    while (count < Math.min(this.#queue.length, MAX_COMMIT_BATCHES)) {
      bytes += this.#queue[count]!.batch.rows.byteLength
      if (count > 0 && bytes > MAX_COMMIT_BYTES) break
      count++
    }
    return this.#queue.splice(0, count)
  }

  async #commit(group: readonly Queued[]): Promise<void> {
    const recorded = new Set<Queued>()
    await Promise.all(
      group.map((queued) =>
        queued.record().then(
          () => recorded.add(queued),
          (reason: unknown) => queued.reject(reason),
        ),
      ),
    )
    const taken = group.filter((queued) => recorded.has(queued))
    const [first] = taken
    if (first === undefined) return
    let segment: OpenSegment
    try {
      this.#clean()
      if (this.#segment !== null && this.#segment.position >= SEGMENT_BYTES) this.#end()
      segment = this.#segment ??= await this.#begin(first.use)
      this.#write(segment, KINDS.batches, encodeBatches(taken.map(({ batch }) => batch)))
    } catch (cause) {
      for (const { reject } of taken) reject(cause)
      return
    }
    for (const { batch, resolve } of taken) {
      this.#count(segment.number, batch)
      resolve()
    }
  }

  async #begin(use: KeyUse): Promise<OpenSegment> {
    const number = this.#lastSegment + 1
    const { key, wrapped } = await this.#ports.keys.generateDataKey(ownerOf(this.#id), segmentResource(this.#id, number), use)
    const file = this.#ports.objects.open(segmentPath(this.#id, number), { create: true })
    if (file === null) throw new RedoubtError('ERR_STORAGE_IO', 'the file could not be made')
    try {
      // An attempt that failed may have left a header under another key.
      file.truncate(0)
      file.writeAt(encodeHeader({ collection: this.#id, segment: number, key: wrapped }), 0)
      file.datasync()
      this.#ports.objects.syncFolder(FOLDER)
    } catch (cause) {
      file.close()
      throw cause
    }
    this.#lastSegment = number
    return { number, file, key, position: HEADER_BYTES }
  }

  /** When it returns the frame survives a power cut; when it throws, the frame may be there or not, and is cut off before anything else. */
  #write(segment: OpenSegment, kind: FrameKind, plaintext: Uint8Array): void {
    const frame = this.#lastFrame + 1
    const path = segmentPath(this.#id, segment.number)
    try {
      const sealed = sealFrame(segment.key, { collection: this.#id, segment: segment.number, kind, frame }, plaintext)
      segment.file.writeAt(sealed, segment.position)
      segment.file.datasync()
      // A removed folder still takes writes through the open file; acknowledging them would lose them.
      if (!this.#ports.objects.exists(path)) throw new RedoubtError('ERR_STORAGE_IO', 'the folder of the collections is gone')
      segment.position += sealed.byteLength
      this.#lastFrame = frame
    } catch (cause) {
      this.#segment = null
      this.#unclean = { path, length: segment.position }
      segment.file.close()
      throw cause
    }
  }

  /** Cuts off what a failed write may have left: it was refused, and must not be found later. */
  #clean(): void {
    if (this.#unclean === null) return
    const { path, length } = this.#unclean
    const file = this.#ports.objects.open(path)
    if (file === null) throw new RedoubtError('ERR_STORAGE_IO', 'a segment of a collection is gone')
    try {
      file.truncate(length)
      file.datasync()
    } finally {
      file.close()
    }
    this.#unclean = null
  }

  #end(): void {
    const segment = this.#segment
    if (segment === null) return
    this.#write(segment, KINDS.end, new Uint8Array())
    this.#segment = null
    segment.file.close()
  }

  #read(segment: number, previous: number, use: KeyUse): ReturnType<typeof readSegment> {
    return readSegment(this.#ports.objects, { collection: this.#id, segment }, previous, (key) => this.#ports.keys.unwrap(key, use))
  }

  #count(segment: number, { receipt, bytes }: StoredBatch): void {
    let part = this.#parts.get(segment)
    if (part === undefined) this.#parts.set(segment, (part = { rows: 0, bytes: 0, receipts: [] }))
    part.rows += receipt.rows
    part.bytes += bytes
    part.receipts.push(receipt)
  }
}

/** A batch that a crash kept although nobody was told may have been sent again: it counts once. */
export function* distinct(frames: readonly OpenedFrame[], seen: Set<string>): Generator<StoredBatch> {
  for (const { plaintext } of frames)
    for (const batch of decodeBatches(plaintext)) {
      const { key } = batch.receipt
      if (key !== null && seen.has(key)) continue
      if (key !== null) seen.add(key)
      yield batch
    }
}
