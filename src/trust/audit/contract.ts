import type { KeyObject } from 'node:crypto'
import type { AuditSink, Clock, JsonObject, Signer, SubjectSealer } from '#foundation/core'
import type { DurableFolder } from '#foundation/storage'
import type { CheckpointSink } from './checkpoint-sinks.ts'
import type { ExportSelection } from './export-format.ts'
import type { LogExport } from './export-log.ts'
import type { SinkState } from './outbox.ts'
import type { ParallelWriter } from './parallel-writer.ts'
import type { SearchQuery, SearchResult } from './search-index.ts'

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
