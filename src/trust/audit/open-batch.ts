import type { AuditReceipt } from '#foundation/core'
import { prefixedLeafHash } from './merkle-hash.ts'
import { BATCH_HEADER_BYTES, RECORD_OVERHEAD_BYTES } from './write-ahead-log.ts'

/** A batch is not held back for more records than this, nor longer: a client waits for it. */
const MOST_WAITED_FOR = 32
const LONGEST_WAIT_MS = 1

/** What was in a batch, and whoever waits for it. `bytes` are those of the open batch: they are used before anything is added to it. */
export interface TakenBatch {
  /** Room for the header of the write-ahead log, and the records. */
  readonly bytes: Buffer
  /** At least 1. */
  readonly records: number
  /** Hands each record on, in order, and resolves it. @param first index of the first record. */
  acknowledge(first: number, add: (entry: Uint8Array, body: Uint8Array | null, hash: Buffer) => void): void
  refuse(reason: Error): void
}

/** Records that wait to be made durable together, framed as the write-ahead log has them. */
export class OpenBatch {
  readonly #bytes: Buffer
  readonly #commit: () => void
  #used = BATCH_HEADER_BYTES
  #records = 0
  #resolves: ((value: never) => void)[] = []
  #rejects: ((reason: unknown) => void)[] = []
  /** Per record: whether the caller wants a receipt or the bare index. */
  #receipts: boolean[] = []
  #waitingSince = 0
  /** Records at the last look, and looks at this batch. */
  #counted = 0
  #turns = 0
  /** Records of the last batch; 0 when it held one alone. */
  #usual = 0

  /** @param commit called when what waits is due; takes it. */
  constructor(capacity: number, commit: () => void) {
    this.#bytes = Buffer.alloc(capacity)
    this.#commit = commit
  }

  /** Whether a record of so many bytes goes into an empty batch. */
  canHold(entryBytes: number, bodyBytes: number): boolean {
    return BATCH_HEADER_BYTES + RECORD_OVERHEAD_BYTES + entryBytes + bodyBytes <= this.#bytes.byteLength
  }

  hasRoom(entryBytes: number, bodyBytes: number): boolean {
    return this.#used + RECORD_OVERHEAD_BYTES + entryBytes + bodyBytes <= this.#bytes.byteLength
  }

  /** Room for it was asked for. */
  add(entry: Uint8Array, body: Uint8Array | null): Promise<number> {
    this.#bytes.set(entry, this.#used + RECORD_OVERHEAD_BYTES)
    this.#frame(entry.byteLength, body)
    this.#receipts.push(false)
    return new Promise<number>(this.#enlist)
  }

  /** As `add`, for an entry that is still text, and with the receipt. */
  addText(text: string, body: Uint8Array | null): Promise<AuditReceipt> {
    this.#frame(this.#bytes.write(text, this.#used + RECORD_OVERHEAD_BYTES), body)
    this.#receipts.push(true)
    return new Promise<AuditReceipt>(this.#enlist)
  }

  /** Empties it. @returns null when nothing waited. */
  take(): TakenBatch | null {
    const records = this.#records
    if (records === 0) return null
    const bytes = this.#bytes.subarray(0, this.#used)
    const resolves = this.#resolves
    const rejects = this.#rejects
    const receipts = this.#receipts
    this.#resolves = []
    this.#rejects = []
    this.#receipts = []
    this.#records = 0
    this.#turns = 0
    this.#used = BATCH_HEADER_BYTES
    return {
      bytes,
      records,
      acknowledge(first, add) {
        let at = BATCH_HEADER_BYTES
        for (let i = 0; i < records; i++) {
          const end = at + RECORD_OVERHEAD_BYTES + bytes.readUInt32LE(at)
          const bodyBytes = bytes.readUInt32LE(at + 4)
          const hash = prefixedLeafHash(bytes.subarray(at + RECORD_OVERHEAD_BYTES - 1, end))
          const body = bodyBytes === 0 ? null : bytes.subarray(end, end + bodyBytes)
          add(bytes.subarray(at + RECORD_OVERHEAD_BYTES, end), body, hash)
          const index = first + i
          resolves[i]!((receipts[i] ? { index, leafHash: hash.toString('base64') } : index) as never)
          at = end + bodyBytes
        }
      },
      refuse(reason) {
        for (const reject of rejects) reject(reason)
      },
    }
  }

  /** One shared executor instead of a closure for each record. */
  readonly #enlist = (resolve: (value: never) => void, reject: (reason: unknown) => void): void => {
    this.#resolves.push(resolve)
    this.#rejects.push(reject)
  }

  #frame(entryBytes: number, body: Uint8Array | null): void {
    const bytes = this.#bytes
    let at = this.#used
    bytes.writeUInt32LE(entryBytes, at)
    bytes.writeUInt32LE(body?.byteLength ?? 0, at + 4)
    bytes[at + 8] = 0
    at += RECORD_OVERHEAD_BYTES + entryBytes
    if (body !== null) {
      bytes.set(body, at)
      at += body.byteLength
    }
    this.#used = at
    if (this.#records++ > 0) return
    this.#waitingSince = performance.now()
    this.#counted = 1
    setImmediate(this.#commitWhenDue)
  }

  /**
   * Group commit. A record that comes alone is committed at the end of this turn of the event loop. Where the commits before held
   * several, those that are on their way are waited for, turn by turn, as long as each brings another: one fdatasync, which costs
   * as much as all the rest of a request, then serves twice as many.
   */
  readonly #commitWhenDue = (): void => {
    const records = this.#records
    if (records === 0) return
    const more = records > this.#counted || this.#turns++ === 0
    if (more && records < Math.min(2 * this.#usual, MOST_WAITED_FOR) && performance.now() - this.#waitingSince < LONGEST_WAIT_MS) {
      this.#counted = records
      setImmediate(this.#commitWhenDue)
      return
    }
    this.#usual = records === 1 ? 0 : records
    this.#commit()
  }
}
