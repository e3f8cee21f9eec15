import { asRedoubtError, type AuditEvent, type AuditReceipt, type JsonObject, RedoubtError } from '#foundation/core'
import { AppendLog } from './append-log.ts'
import { logVerifierKey, parseCheckpoint } from './checkpoint.ts'
import type { AuditLog, AuditLogOptions, InclusionEvidence, PersonalOfEntry } from './contract.ts'
import { entryText, parseEntry, type PersonalCommitment } from './event-entry.ts'
import type { ExportSelection } from './export-format.ts'
import { beginExport, type LogExport } from './export-log.ts'
import { Outbox } from './outbox.ts'
import { openPersonal, sealPersonal } from './personal-fields.ts'
import { consistencyProof, inclusionProof } from './prove-merkle.ts'
import { refuseRollback } from './refuse-rollback.ts'
import { SearchIndex, type SearchQuery, type SearchResult } from './search-index.ts'
import { formatVerifierKey } from './signed-note.ts'
import { publishedNodes } from './tile-reader.ts'
import { formatProof } from './tlog-proof.ts'

/** A checkpoint is due this often: what nobody outside has seen yet is at most this old. */
export const DEFAULT_CHECKPOINT_INTERVAL_MS = 1_000
/** Preallocated size of a write-ahead segment. */
export const DEFAULT_SEGMENT_BYTES = 4_194_304
/** Retired segments kept for reuse, so that steady load allocates nothing. */
const SPARE_SEGMENTS = 6
/** Entries indexed for search per interval while the log is busy: a few per cent of one core. */
const INDEX_ROWS_BUSY = 2_000
const INDEX_ROWS_IDLE = 10_000
/** Under a light load the index is brought forward once in so many intervals. */
const INDEX_TICKS_AT_MOST = 10
/** How long a proof waits for cosignatures, and the end of the log for its outside places. */
const COSIGN_WAIT_MS = 2_000
const CLOSE_WAIT_MS = 5_000

/**
 * Opens the log in its folder, or begins one there, and recovers what a crash left.
 * @throws {RedoubtError} `ERR_AUDIT_CORRUPT` when the folder contradicts the last signed checkpoint or is behind one that
 *   an outside place holds; `ERR_STORAGE_…` when it cannot be written.
 */
export async function openAuditLog(options: AuditLogOptions): Promise<AuditLog> {
  const log = await AppendLog.open({
    folder: options.folder,
    origin: options.origin,
    signer: options.signer,
    ...(options.signedBefore === undefined ? {} : { signedBefore: options.signedBefore }),
    segmentBytes: options.segmentBytes ?? DEFAULT_SEGMENT_BYTES,
    spareSegments: SPARE_SEGMENTS,
    ...(options.parallelWriter === undefined ? {} : { parallelWriter: options.parallelWriter }),
  })
  try {
    await refuseRollback(log, options)
    return new DurableAuditLog(log, options)
  } catch (cause) {
    log.close()
    throw cause
  }
}

class DurableAuditLog implements AuditLog {
  readonly #log: AppendLog
  readonly #options: AuditLogOptions
  readonly #index: SearchIndex
  readonly #outbox: Outbox
  readonly #timer: NodeJS.Timeout
  /** Latest time recorded, to note a clock that went back. */
  #latest: number
  /** The newest note that carries cosignatures. */
  #cosigned: { readonly note: string; readonly size: number } | null = null
  #indexedSize = 0
  #ticksWaited = 0

  constructor(log: AppendLog, options: AuditLogOptions) {
    this.#log = log
    this.#options = options
    this.#index = new SearchIndex(options.indexPath, options.searchKey, options.origin, log)
    this.#outbox = new Outbox(options.outside ?? [], this.#proofs, (note, lines) => this.#cosign(note, lines))
    const last = log.size === 0 ? null : this.entry(log.size - 1)
    this.#latest = typeof last?.['time'] === 'number' ? last['time'] : 0
    log.onPublished = (note, size) => this.#outbox.offer(note, size)
    this.#outbox.offer(log.note, log.published)
    this.#timer = setInterval(() => this.#tick(), options.checkpointIntervalMs ?? DEFAULT_CHECKPOINT_INTERVAL_MS)
    this.#timer.unref()
  }

  readonly #proofs = {
    consistency: (size1: number, size2: number): readonly Uint8Array[] =>
      size1 > size2 || size2 > this.#log.published ? [] : consistencyProof(size1, size2, publishedNodes(this.#log)),
  }

  #tick(): void {
    // Failures show in `health()` and in each `record`; the next tick tries again.
    this.#log.publish().catch(() => undefined)
    this.#outbox.retry()
    try {
      const { size } = this.#log
      const idle = size === this.#indexedSize
      this.#indexedSize = size
      // Rows of one transaction share the pages that they change, so a few are not worth one: a search catches up by itself.
      if (!idle && size - this.#index.indexed < INDEX_ROWS_BUSY && ++this.#ticksWaited < INDEX_TICKS_AT_MOST) return
      this.#ticksWaited = 0
      this.#index.catchUp(idle ? INDEX_ROWS_IDLE : INDEX_ROWS_BUSY)
    } catch {
      // The index is derived: a search tries again and then says what is wrong.
    }
  }

  #cosign(note: string, lines: string): void {
    const cosigned = this.#log.addCosignatures(note, lines)
    if (cosigned !== null) this.#cosigned = { note: cosigned, size: parseCheckpoint(cosigned)?.size ?? 0 }
  }

  record(event: AuditEvent): Promise<AuditReceipt> {
    const { personal } = event
    if (personal !== undefined && personal.length > 0) return this.#recordPersonal(event, personal)
    try {
      return this.#log.appendText(this.#text(event, []), null)
    } catch (cause) {
      return Promise.reject(asRedoubtError(cause, 'ERR_AUDIT_UNAVAILABLE'))
    }
  }

  async #recordPersonal(event: AuditEvent, personal: NonNullable<AuditEvent['personal']>): Promise<AuditReceipt> {
    try {
      const { commitments, body } = await sealPersonal(personal, this.#options.sealer)
      return await this.#log.appendText(this.#text(event, commitments), body)
    } catch (cause) {
      throw asRedoubtError(cause, 'ERR_AUDIT_UNAVAILABLE')
    }
  }

  #text(event: AuditEvent, personal: readonly PersonalCommitment[]): string {
    const time = this.#options.clock.now()
    const clockBehindMs = this.#latest - time
    if (time > this.#latest) this.#latest = time
    return entryText(event, { instance: this.#options.instance, time, clockBehindMs, personal })
  }

  append(leaf: Uint8Array, body?: Uint8Array): Promise<number> {
    return this.#log.append(leaf, body ?? null)
  }

  publish(): Promise<string> {
    return this.#log.publish()
  }

  checkpoint(): string {
    return this.#log.note
  }

  size(): number {
    return this.#log.size
  }

  verifierKey(): string {
    return formatVerifierKey(logVerifierKey(this.#options.origin, this.#options.signer))
  }

  resource(path: string): Uint8Array | null {
    return this.#log.resource(path)
  }

  async prove(index: number): Promise<InclusionEvidence> {
    const bytes = this.#log.entry(index)
    if (bytes === null) throw new RedoubtError('ERR_NOT_FOUND', 'the log has no entry with this index')
    const checkpoint = await this.#covering(index + 1)
    const size = parseCheckpoint(checkpoint)?.size ?? 0
    // Tiles only grow, so a proof in an older tree is read from the newest tiles.
    const path = inclusionProof(index, size, publishedNodes(this.#log))
    return { proof: formatProof({ index, path, checkpoint }), entry: Buffer.from(bytes).toString(), index }
  }

  /** A checkpoint over at least so many entries; the wait for its cosignatures has an end. */
  async #covering(size: number): Promise<string> {
    if (size > this.#log.published) await this.#log.publish()
    if (this.#options.outside?.length && (this.#cosigned?.size ?? 0) < size) await this.#outbox.settled(COSIGN_WAIT_MS)
    return this.#cosigned !== null && this.#cosigned.size >= size ? this.#cosigned.note : this.#log.note
  }

  beginExport(selection: ExportSelection): Promise<LogExport> {
    const log = this.#log
    const source = {
      size: log.size,
      entry: (index: number) => log.entry(index),
      nodes: () => publishedNodes(log),
      covering: (size: number) => this.#covering(size),
      verifierKey: this.verifierKey(),
      index: this.#index,
      pseudonym: (subject: string) => this.#options.sealer.pseudonym(subject),
    }
    return beginExport(source, selection)
  }

  entry(index: number): JsonObject | null {
    const bytes = this.#log.entry(index)
    return bytes && parseEntry(bytes)
  }

  entryBytes(index: number): Uint8Array | null {
    return this.#log.entry(index)
  }

  openPersonal(index: number): Promise<readonly PersonalOfEntry[]> {
    return openPersonal(index, this.entry(index), (of) => this.#log.body(of), this.#options.sealer)
  }

  search(query: SearchQuery): SearchResult {
    return this.#index.search(query, (subject) => this.#options.sealer.pseudonym(subject))
  }

  health(): ReturnType<AuditLog['health']> {
    return { ok: this.#log.healthy, size: this.#log.size, published: this.#log.published, outside: this.#outbox.states() }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    try {
      await this.#log.publish()
      await this.#outbox.settled(CLOSE_WAIT_MS)
    } finally {
      this.#log.close()
      await this.#index.close()
    }
  }
}
