import { RedoubtError, type AuditReceipt } from '#foundation/core'
import { replaceFile } from '#foundation/storage'
import { signCheckpoint } from './checkpoint.ts'
import { EntryReader } from './entry-reader.ts'
import { fitsBody, fitsEntry, type Frontier, type Pending, type PendingFile } from './frontier.ts'
import type { LogFolder } from './log-folder.ts'
import { OpenBatch } from './open-batch.ts'
import { type Recovered, recover, type RecoveryOptions } from './recovery.ts'
import { CHECKPOINT_PATH, parseTilePath, partialPaths, widthAt } from './tile-paths.ts'
import type { WalWriter } from './write-ahead-log.ts'

/** A batch never exceeds this, so that a commit blocks the loop for milliseconds at most. */
const MAX_BATCH_BYTES = 1_048_576
/** Full windows made durable together. */
const WINDOWS_PER_SYNC = 64
/** The background writer starts at this many full windows, so that a checkpoint finds little left to write. */
const BACKLOG_TO_START = 8
/** Appends wait for the background writer when this much is in memory. */
const BACKLOG_LIMIT_BYTES = 134_217_728
/** A checkpoint is due before its time when this many segments wait for one. */
const SEGMENTS_TO_PUBLISH = 4
/** At this many appends wait for it: recovery reads all of them, and must be quick. */
const SEGMENTS_LIMIT = 12

type AppendLogOptions = Omit<RecoveryOptions, 'acknowledged'>

/**
 * The log as an append port: group commit, tiles, checkpoints. One writer in one process.
 * Appends of one turn of the event loop share one fdatasync; they resolve in the order of their indices.
 */
export class AppendLog {
  readonly #options: AppendLogOptions
  #state: 'open' | 'failed' | 'closed' = 'open'
  #cause: unknown
  /** Counts recoveries, so that work begun before one stops after it. */
  #generation = 0
  #frontier: Frontier
  #wal: WalWriter
  #files: LogFolder
  #reader: EntryReader
  #note: string
  #published: number
  readonly #batch: OpenBatch
  #recovering: Promise<void> | null = null
  #publishing: Promise<unknown> = Promise.resolve()
  #draining: Promise<void> | null = null
  #publishSoon = false
  #catchingUp: Promise<void> | null = null
  #writing: Promise<unknown> = Promise.resolve()
  /** Called after each new checkpoint is durable. */
  onPublished: (note: string, size: number) => void = () => undefined
  readonly replayed: number

  private constructor(options: AppendLogOptions, recovered: Recovered) {
    this.#options = options
    this.replayed = recovered.replayed
    this.#frontier = recovered.frontier
    this.#wal = recovered.wal
    this.#files = recovered.files
    this.#reader = new EntryReader(recovered.frontier, recovered.files)
    this.#note = recovered.note
    this.#published = recovered.frontier.size
    this.#batch = new OpenBatch(Math.min(MAX_BATCH_BYTES, options.segmentBytes), () => this.#commit())
  }

  static async open(options: AppendLogOptions): Promise<AppendLog> {
    return new AppendLog(options, await recover(options))
  }

  get size(): number {
    return this.#frontier.size
  }

  get published(): number {
    return this.#published
  }

  /** The latest signed note, with the cosignatures known so far. */
  get note(): string {
    return this.#note
  }

  get healthy(): boolean {
    return this.#state === 'open'
  }

  append(entry: Uint8Array, body: Uint8Array | null): Promise<number> {
    if (this.#mustWait()) return this.#ready().then(() => this.append(entry, body))
    const problem = this.#admit(entry.byteLength, body)
    if (problem !== null) return Promise.reject(problem)
    return this.#batch.add(entry, body)
  }

  /** As `append`, for an entry that is still text, and with the receipt. */
  appendText(text: string, body: Uint8Array | null): Promise<AuditReceipt> {
    if (this.#mustWait()) return this.#ready().then(() => this.appendText(text, body))
    // Room is taken for the most bytes the text can have; only what it has is used.
    const atMost = text.length * 3
    const problem = this.#admit(fitsEntry(atMost) ? atMost : Buffer.byteLength(text), body)
    if (problem !== null) return Promise.reject(problem)
    return this.#batch.addText(text, body)
  }

  #mustWait(): boolean {
    return this.#state !== 'open' || this.#frontier.backlogBytes > BACKLOG_LIMIT_BYTES || this.#wal.unretired >= SEGMENTS_LIMIT
  }

  async #ready(): Promise<void> {
    if (this.#state === 'open') {
      this.#catchingUp ??= this.#catchUp().finally(() => (this.#catchingUp = null))
      await this.#catchingUp
    }
    await this.#reopened()
  }

  async #catchUp(): Promise<void> {
    await this.#drain()
    // Failing here shows in the state, which whoever waits looks at next.
    if (this.#wal.unretired >= SEGMENTS_LIMIT) await this.publish().catch(() => undefined)
  }

  /** Makes room in the batch, or says why the record cannot be taken. */
  #admit(entryBytes: number, body: Uint8Array | null): RedoubtError | null {
    const bodyBytes = body?.byteLength ?? 0
    if (!fitsEntry(entryBytes) || !fitsBody(bodyBytes) || !this.#batch.canHold(entryBytes, bodyBytes))
      return new RedoubtError('ERR_AUDIT_ENTRY_TOO_LARGE')
    if (!this.#batch.hasRoom(entryBytes, bodyBytes)) {
      this.#commit()
      if (this.#state !== 'open') return this.#unavailable()
    }
    return null
  }

  #commit(): void {
    const batch = this.#batch.take()
    if (batch === null) return
    const frontier = this.#frontier
    const first = frontier.size
    try {
      this.#wal.write(batch.bytes, first, batch.records)
    } catch (cause) {
      this.#fail(cause)
      batch.refuse(this.#unavailable())
      return
    }
    batch.acknowledge(first, (entry, body, hash) => frontier.add(entry, body, hash))
    this.#keepUp()
  }

  /** Starts the background writer or a checkpoint when they are due. */
  #keepUp(): void {
    if (this.#frontier.backlog >= BACKLOG_TO_START && this.#draining === null) void this.#drain()
    if (this.#wal.unretired >= SEGMENTS_TO_PUBLISH && !this.#publishSoon) {
      this.#publishSoon = true
      this.publish().then(
        () => (this.#publishSoon = false),
        () => (this.#publishSoon = false),
      )
    }
  }

  /** Brings the full windows there are to disk; one at a time. Never rejects: a failure shows in the state. */
  #drain(): Promise<void> {
    this.#draining ??= this.#writeFull().finally(() => (this.#draining = null))
    return this.#draining
  }

  async #writeFull(): Promise<void> {
    const generation = this.#generation
    const frontier = this.#frontier
    while (generation === this.#generation && this.#state === 'open' && frontier.backlog > 0) {
      await this.#exclusive(() => this.#attempt(generation, () => this.#writePending(frontier, frontier.pending(WINDOWS_PER_SYNC), [])))
    }
  }

  /** One writer of tiles at a time, first come, first served: a checkpoint waits for one slice of the background writer at most. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#writing.then(work)
    this.#writing = next.catch(() => undefined)
    return next
  }

  async #writePending(frontier: Frontier, pending: Pending, partials: readonly PendingFile[]): Promise<void> {
    await this.#files.writeDurably([...pending.files, ...partials])
    frontier.written(pending)
  }

  /** @returns whether it worked, in the state in which it began; if not, the log has failed and will recover. */
  async #attempt(generation: number, work: () => void | Promise<void>): Promise<boolean> {
    if (generation !== this.#generation || this.#state !== 'open') return false
    try {
      await work()
    } catch (cause) {
      if (generation === this.#generation) this.#fail(cause)
      return false
    }
    return generation === this.#generation && (this.#state as string) === 'open'
  }

  /** Publishes a checkpoint over everything acknowledged so far. @returns the signed note. */
  publish(): Promise<string> {
    const next = this.#publishing.then(
      () => this.#publish(),
      () => this.#publish(),
    )
    this.#publishing = next.catch(() => undefined)
    return next
  }

  async #publish(): Promise<string> {
    if (this.#state !== 'open') await this.#reopened()
    this.#commit()
    if (this.#state !== 'open') throw this.#unavailable()
    const generation = this.#generation
    const frontier = this.#frontier
    let size = 0
    let root: Uint8Array = new Uint8Array()
    // INVARIANT: tiles, bundles and bodies up to `size` are durable before anything is signed over them.
    const durable = await this.#exclusive(() =>
      this.#attempt(generation, async () => {
        size = frontier.size
        if (size === this.#published) return
        root = frontier.root()
        await this.#writePending(frontier, frontier.pending(Infinity), frontier.partials(this.#published))
      }),
    )
    if (!durable) return this.#superseded()
    if (size === this.#published) return this.#note
    const note = await signCheckpoint(this.#options.origin, size, root, this.#options.signer)
    const stored = await this.#attempt(generation, () => {
      replaceFile(this.#options.folder, CHECKPOINT_PATH, Buffer.from(note))
      const keep = new Set(partialPaths(size))
      this.#files.removeAll(partialPaths(this.#published).filter((path) => !keep.has(path)))
      this.#wal.retire(size)
    })
    if (!stored) return this.#superseded()
    this.#note = note
    this.#published = size
    this.onPublished(note, size)
    return note
  }

  /** A recovery that came in between has published for itself, and at least as much. */
  #superseded(): string {
    if (this.#state !== 'open') throw this.#unavailable()
    return this.#note
  }

  /**
   * Adds cosignature lines to the published note if it is still the latest. They are served and go into proofs, but stay out
   * of the folder: there every byte is vouched for by the log key, and the witness keeps what it signed.
   * @returns the note with them, or null.
   */
  addCosignatures(note: string, lines: string): string | null {
    const text = (whole: string): string => whole.slice(0, whole.lastIndexOf('\n\n') + 1)
    if (text(note) !== text(this.#note)) return null
    const fresh = lines.split('\n').filter((line) => line !== '' && !this.#note.includes(`${line}\n`))
    this.#note += fresh.map((line) => `${line}\n`).join('')
    return this.#note
  }

  #fail(cause: unknown): void {
    if (this.#state !== 'open') return
    this.#state = 'failed'
    this.#cause = cause
    try {
      this.#wal.close()
    } catch {
      // The file is given up either way; recovery opens a new one.
    }
    this.#batch.take()?.refuse(this.#unavailable())
  }

  #unavailable(): RedoubtError {
    return new RedoubtError('ERR_AUDIT_UNAVAILABLE', 'the audit log cannot be written', { cause: this.#cause })
  }

  /** Resolves when the log is open again. A failed write may have taken effect, so all state is read from disk anew. */
  #reopened(): Promise<void> {
    if (this.#state === 'open') return Promise.resolve()
    if (this.#state === 'closed') return Promise.reject(new RedoubtError('ERR_AUDIT_UNAVAILABLE', 'the audit log is closed'))
    this.#recovering ??= this.#recover().finally(() => (this.#recovering = null))
    return this.#recovering
  }

  async #recover(): Promise<void> {
    let recovered: Recovered
    try {
      recovered = await recover({ ...this.#options, acknowledged: { size: this.#frontier.size, root: this.#frontier.root() } })
    } catch (cause) {
      this.#cause = cause
      throw this.#unavailable()
    }
    if (this.#state !== 'failed') {
      recovered.wal.close()
      throw this.#unavailable()
    }
    this.#generation++
    this.#frontier = recovered.frontier
    this.#wal = recovered.wal
    this.#files = recovered.files
    this.#reader = new EntryReader(recovered.frontier, recovered.files)
    this.#note = recovered.note
    this.#published = recovered.frontier.size
    this.#state = 'open'
    this.onPublished(this.#note, this.#published)
  }

  /** @returns null when there is no such entry; the bytes must not be changed. */
  entry(index: number): Uint8Array | null {
    return this.#reader.entry(index)
  }

  /** @returns the sealed body, or null when the entry has none or it is gone. */
  body(index: number): Uint8Array | null {
    return this.#reader.body(index)
  }

  /** @returns the published resource of C2SP tlog-tiles at this path, or null. Bodies are none. */
  resource(path: string): Uint8Array | null {
    if (path === CHECKPOINT_PATH) return Buffer.from(this.#note)
    const name = parseTilePath(path)
    if (name === null || name.kind === 'bodies' || name.width > widthAt(name.kind, name.index, this.#published)) return null
    return this.#files.read(path)
  }

  /** Stops without a last checkpoint; what is acknowledged is in the write-ahead log. */
  close(): void {
    if (this.#state === 'open') {
      this.#commit()
      this.#wal.close()
    }
    this.#state = 'closed'
  }
}
