import { hash, type KeyObject } from 'node:crypto'
import {
  asRedoubtError,
  type AuditEvent,
  type AuditReceipt,
  type AuditSink,
  canonicalJson,
  type Clock,
  type JsonObject,
  parseStrictJson,
  RedoubtError,
  type Signer,
  type SubjectSealer,
} from '#foundation/core'
import type { DurableFolder } from '#foundation/storage'
import { AppendLog } from './append-log.ts'
import { isSignedBy, logVerifierKey, parseCheckpoint } from './checkpoint.ts'
import type { CheckpointSink } from './checkpoint-sinks.ts'
import { CompactRange } from './compact-range.ts'
import { MAX_BODY_BYTES } from './entry-bundle.ts'
import { entryText, parseEntry, type PersonalCommitment, personalOf, splitBody } from './event-entry.ts'
import type { ExportSelection } from './export-format.ts'
import { beginExport, type LogExport } from './export-log.ts'
import { emptyRoot } from './merkle-hash.ts'
import { Outbox, type SinkState } from './outbox.ts'
import type { ParallelWriter } from './parallel-writer.ts'
import { consistencyProof, inclusionProof, type NodeReader } from './prove-merkle.ts'
import { SearchIndex, type SearchQuery, type SearchResult } from './search-index.ts'
import { formatVerifierKey, verifierKeyOf } from './signed-note.ts'
import { tileNodes } from './tile-reader.ts'
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
const BODY_JSON_BOUNDS = { maxBytes: MAX_BODY_BYTES, maxDepth: 64 }
/** Additional data of every sealed body: a ciphertext of another room is not taken for personal fields of an event. */
const SEALING_CONTEXT = 'redoubt/audit/personal/v1'

export interface AuditLogOptions {
  readonly folder: DurableFolder
  /** Ed25519. */
  readonly signer: Signer
  /** Ed25519 keys that signed checkpoints here before the present one: what they signed last is taken as this log's, and signed anew. */
  readonly signedBefore?: readonly KeyObject[]
  readonly sealer: SubjectSealer
  /** HMAC key of the search index. */
  readonly searchKey: KeyObject
  /** File of the search index, or `:memory:`. */
  readonly indexPath: string
  /** Origin of the log and name of its key: a schema-less URL. */
  readonly origin: string
  readonly clock: Clock
  /** Which server wrote an event. */
  readonly instance: string
  readonly outside?: readonly CheckpointSink[]
  readonly checkpointIntervalMs?: number
  readonly segmentBytes?: number
  /** Writes tiles beside the event loop, where the folder is one of this host; without it they are written through `folder`. */
  readonly parallelWriter?: ParallelWriter
}

export interface InclusionEvidence {
  /** C2SP tlog-proof. */
  readonly proof: string
  /** The entry as text; its UTF-8 bytes are what the proof is about. */
  readonly entry: string
  readonly index: number
}

export interface PersonalOfEntry {
  /** Pseudonym. */
  readonly subject: string
  /** Null when the subject was erased, or the sealed body is gone. */
  readonly fields: JsonObject | null
}

export interface AuditLog extends AuditSink {
  /** The append port: resolves with the index when the leaf, and its body, are durable. @throws as `record`. */
  append(leaf: Uint8Array, body?: Uint8Array): Promise<number>
  /** Publishes a checkpoint over everything recorded so far. @returns the signed note. */
  publish(): Promise<string>
  /** The latest published note, with the cosignatures known so far. */
  checkpoint(): string
  /** Entries that are durable; the checkpoint may cover fewer. */
  size(): number
  /** The signed-note verifier key of the log. */
  verifierKey(): string
  /** A resource of C2SP tlog-tiles, or null. Entry bundles need `readAudit`: the caller decides. */
  resource(path: string): Uint8Array | null
  /** A proof under a checkpoint that covers the entry. @throws {RedoubtError} `ERR_NOT_FOUND` beyond the log. */
  prove(index: number): Promise<InclusionEvidence>
  /** The entry with this index if `record` wrote it, else null. */
  entry(index: number): JsonObject | null
  entryBytes(index: number): Uint8Array | null
  openPersonal(index: number): Promise<readonly PersonalOfEntry[]>
  search(query: SearchQuery): SearchResult
  /**
   * Begins to take entries out as a file that whoever has it can verify with `verifyExport`; personal fields stay sealed. Nothing is
   * recorded of it here: the caller records the beginning before it asks for chunks.
   */
  beginExport(selection: ExportSelection): Promise<LogExport>
  health(): { readonly ok: boolean; readonly size: number; readonly published: number; readonly outside: readonly SinkState[] }
  /** Publishes a last checkpoint, waits a little for the outside places, and stops. */
  close(): Promise<void>
}

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

/** A log that is shorter than, or different from, what it once told the outside has been rolled back. */
async function refuseRollback(log: AppendLog, { outside = [], origin, signer, signedBefore = [] }: AuditLogOptions): Promise<void> {
  const keys = [logVerifierKey(origin, signer), ...signedBefore.map((publicKey) => verifierKeyOf('Ed25519', origin, publicKey))]
  for (const sink of outside) {
    // A place that cannot be asked is no reason to stop; the next push will tell.
    const text = await sink.latest?.().catch(() => null)
    const seen = text === undefined || text === null ? null : parseCheckpoint(text)
    if (seen === null || !keys.some((key) => isSignedBy(seen, key))) continue
    const behind = seen.size > log.published
    if (behind || !rootAt(log, seen.size).equals(seen.root))
      throw new RedoubtError(
        'ERR_AUDIT_CORRUPT',
        `the log is not the one of which \`${sink.name}\` holds a checkpoint of size ${seen.size}`,
      )
  }
}

function rootAt(log: AppendLog, size: number): Buffer {
  if (size === 0) return Buffer.from(emptyRoot())
  // Peaks of the smaller tree are nodes of the larger one.
  const nodes = publishedNodes(log)
  const range = CompactRange.restore(size, (height) => nodes(height, Math.floor(size / 2 ** height) - 1))
  return Buffer.from(range.root())
}

function publishedNodes(log: AppendLog): NodeReader {
  return tileNodes(log.published, (path) => log.resource(path))
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
    if (event.personal !== undefined && event.personal.length > 0) return this.#recordPersonal(event)
    try {
      return this.#log.appendText(this.#text(event, []), null)
    } catch (cause) {
      return Promise.reject(asRedoubtError(cause, 'ERR_AUDIT_UNAVAILABLE'))
    }
  }

  async #recordPersonal(event: AuditEvent): Promise<AuditReceipt> {
    const personal: PersonalCommitment[] = []
    const ciphertexts: Uint8Array[] = []
    try {
      for (const { subject, fields } of event.personal ?? []) {
        const { pseudonym, ciphertext } = await this.#options.sealer.seal(subject, Buffer.from(canonicalJson(fields)), SEALING_CONTEXT)
        personal.push({ pseudonym, sha256: hash('sha256', ciphertext, 'hex'), bytes: ciphertext.byteLength })
        ciphertexts.push(ciphertext)
      }
      const body = ciphertexts.length === 1 ? ciphertexts[0]! : Buffer.concat(ciphertexts)
      return await this.#log.appendText(this.#text(event, personal), body)
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

  async openPersonal(index: number): Promise<readonly PersonalOfEntry[]> {
    const entry = this.entry(index)
    const personal = entry === null ? [] : (personalOf(entry) ?? [])
    const body = personal.length === 0 ? null : this.#log.body(index)
    const parts = body && splitBody(body, personal)
    return Promise.all(
      personal.map(async ({ pseudonym, sha256 }, i) => {
        const ciphertext = parts?.[i]
        if (ciphertext === undefined) return { subject: pseudonym, fields: null }
        if (hash('sha256', ciphertext, 'hex') !== sha256)
          throw new RedoubtError('ERR_AUDIT_CORRUPT', `the sealed body of entry ${index} is not the one it commits to`)
        return { subject: pseudonym, fields: await this.#open(pseudonym, ciphertext) }
      }),
    )
  }

  async #open(pseudonym: string, ciphertext: Uint8Array): Promise<JsonObject | null> {
    try {
      const plaintext = await this.#options.sealer.open({ pseudonym, ciphertext }, SEALING_CONTEXT)
      return parseStrictJson(plaintext, BODY_JSON_BOUNDS) as JsonObject
    } catch (cause) {
      if (cause instanceof RedoubtError && cause.code === 'ERR_KEYS_DESTROYED') return null
      throw cause
    }
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
