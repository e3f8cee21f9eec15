import { CompactRange } from './compact-range.ts'
import { MAX_BODY_BYTES, MAX_ENTRY_BYTES } from './entry-bundle.ts'
import { HASH_BYTES } from './merkle-hash.ts'
import { partialPaths, rowsAt, TILE_WIDTH, tilePath } from './tile-paths.ts'

/** A file of the log that is complete and waits to be written. */
export interface PendingFile {
  readonly path: string
  readonly bytes: Uint8Array
}

/** A part of what waits to be written, as it was at one moment. */
export interface Pending {
  readonly files: readonly PendingFile[]
  readonly windows: number
  readonly tiles: number
}

/** Up to 256 consecutive entries and their bodies, in the form in which they go to disk. */
export class Window {
  readonly number: number
  count = 0
  bodyCount = 0
  #bundle: Buffer = Buffer.allocUnsafe(FIRST_BUNDLE_BYTES)
  #bundleBytes = 0
  /** Where each entry begins in the bundle. */
  readonly #starts: number[] = []
  #bodies: Buffer = EMPTY
  #bodiesBytes = 0

  constructor(number: number) {
    this.number = number
  }

  add(entry: Uint8Array, body: Uint8Array | null): void {
    this.#bundle = withRoom(this.#bundle, this.#bundleBytes, 2 + entry.byteLength)
    // Two single stores are cheaper than a checked 16-bit write, and this runs once per event.
    this.#bundle[this.#bundleBytes] = entry.byteLength >>> 8
    this.#bundle[this.#bundleBytes + 1] = entry.byteLength & 0xff
    this.#bundle.set(entry, this.#bundleBytes + 2)
    this.#starts.push(this.#bundleBytes + 2)
    this.#bundleBytes += 2 + entry.byteLength
    if (body !== null || this.bodyCount > 0) {
      if (this.bodyCount === 0) {
        this.#bodies = Buffer.alloc(FIRST_BUNDLE_BYTES)
        this.#bodiesBytes = 4 * this.count
      }
      const length = body?.byteLength ?? 0
      this.#bodies = withRoom(this.#bodies, this.#bodiesBytes, 4 + length)
      this.#bodies.writeUInt32BE(length, this.#bodiesBytes)
      if (body !== null) {
        this.#bodies.set(body, this.#bodiesBytes + 4)
        this.bodyCount++
      }
      this.#bodiesBytes += 4 + length
    }
    this.count++
  }

  /** A copy of the entry in this row, or null beyond the last. */
  entry(row: number): Uint8Array | null {
    const start = this.#starts[row]
    if (start === undefined) return null
    return Buffer.from(this.#bundle.subarray(start, (this.#starts[row + 1] ?? this.#bundleBytes + 2) - 2))
  }

  get bytes(): number {
    return this.#bundleBytes + this.#bodiesBytes
  }

  bundle(): Uint8Array {
    return this.#bundle.subarray(0, this.#bundleBytes)
  }

  /** Empty when no entry of the window has a body: then there is no file. */
  bodies(): Uint8Array {
    return this.#bodies.subarray(0, this.#bodiesBytes)
  }

  files(): PendingFile[] {
    const files = [{ path: tilePath({ kind: 'entries', index: this.number, width: this.count }), bytes: this.bundle() }]
    if (this.bodyCount > 0) files.push({ path: tilePath({ kind: 'bodies', index: this.number, width: this.count }), bytes: this.bodies() })
    return files
  }
}

const EMPTY = Buffer.alloc(0)
const FIRST_BUNDLE_BYTES = 73_728

function withRoom(buffer: Buffer, used: number, more: number): Buffer {
  if (used + more <= buffer.byteLength) return buffer
  const larger = Buffer.alloc(Math.max(2 * buffer.byteLength, used + more))
  buffer.copy(larger, 0, 0, used)
  return larger
}

/** What is restored from disk for a tree of some size. */
export interface FrontierSource {
  /** Root of the complete subtree at this height that the right edge of the tree needs. */
  peak(height: number): Uint8Array
  /** Content of the partial tile at this level; asked only where there is one. */
  partial(level: number): Uint8Array
  /** Entries and bodies of the last window, when it is partial. */
  last(): readonly { readonly entry: Uint8Array; readonly body: Uint8Array | null }[]
}

/**
 * The growing edge of the log in memory: the right edge of the tree, its partial tiles, the window being filled, and the
 * full windows and tiles that are not on disk yet.
 * INVARIANT: holds exactly the entries that are durable in the write-ahead log; nothing is added before its fdatasync.
 */
export class Frontier {
  readonly #range: CompactRange
  readonly #tiles: { readonly rows: Buffer; used: number; index: number }[] = []
  #window: Window
  /** Full windows not yet on disk, in order. */
  readonly #full: Window[] = []
  /** Full hash tiles not yet on disk. */
  readonly #fullTiles: PendingFile[] = []
  #backlogBytes = 0

  private constructor(range: CompactRange, window: Window) {
    this.#range = range
    this.#window = window
  }

  static restore(size: number, source: FrontierSource): Frontier {
    const window = new Window(Math.floor(size / TILE_WIDTH))
    const frontier = new Frontier(
      CompactRange.restore(size, (height) => source.peak(height)),
      window,
    )
    for (let level = 0; rowsAt(level, size) > 0; level++) {
      const used = rowsAt(level, size) % TILE_WIDTH
      const tile = frontier.#tile(level)
      tile.index = Math.floor(rowsAt(level, size) / TILE_WIDTH)
      tile.used = used
      if (used > 0) tile.rows.set(source.partial(level))
    }
    if (size % TILE_WIDTH > 0) for (const { entry, body } of source.last()) window.add(entry, body)
    return frontier
  }

  get size(): number {
    return this.#range.size
  }

  root(): Uint8Array {
    return this.#range.root()
  }

  /** How many full windows wait to be written. */
  get backlog(): number {
    return this.#full.length
  }

  get backlogBytes(): number {
    return this.#backlogBytes
  }

  add(entry: Uint8Array, body: Uint8Array | null, hash: Uint8Array): void {
    this.#window.add(entry, body)
    this.#push(0, hash)
    this.#range.append(hash, this.#completed)
    if (this.#window.count === TILE_WIDTH) {
      this.#full.push(this.#window)
      this.#backlogBytes += this.#window.bytes
      this.#window = new Window(this.#window.number + 1)
    }
  }

  readonly #completed = (height: number, hash: Uint8Array): void => {
    if (height % 8 === 0) this.#push(height / 8, hash)
  }

  #push(level: number, hash: Uint8Array): void {
    const tile = this.#tile(level)
    tile.rows.set(hash, tile.used * HASH_BYTES)
    tile.used++
    if (tile.used === TILE_WIDTH) {
      this.#fullTiles.push({ path: tilePath({ kind: level, index: tile.index, width: TILE_WIDTH }), bytes: Buffer.from(tile.rows) })
      tile.used = 0
      tile.index++
    }
  }

  #tile(level: number): { readonly rows: Buffer; used: number; index: number } {
    return (this.#tiles[level] ??= { rows: Buffer.alloc(TILE_WIDTH * HASH_BYTES), used: 0, index: 0 })
  }

  /** The next full windows and the full tiles; they stay readable here until `written`. */
  pending(windows: number): Pending {
    const some = this.#full.slice(0, windows)
    const files = [...some.flatMap((window) => window.files()), ...this.#fullTiles]
    return { files, windows: some.length, tiles: this.#fullTiles.length }
  }

  /** Forgets what `pending` gave, once it is durable. */
  written({ windows, tiles }: Pending): void {
    for (const window of this.#full.splice(0, windows)) this.#backlogBytes -= window.bytes
    this.#fullTiles.splice(0, tiles)
  }

  /**
   * Copies of the partial files of the tree as it is now.
   * INVARIANT: without those that the published tree has too; a file under a signed checkpoint is never written again.
   * @param published Size of the published tree.
   */
  partials(published: number): PendingFile[] {
    const tiles = this.#tiles.flatMap(({ rows, used, index }, level) =>
      used === 0 ? [] : [{ path: tilePath({ kind: level, index, width: used }), bytes: rows.subarray(0, used * HASH_BYTES) }],
    )
    const files = this.#window.count === 0 ? tiles : [...this.#window.files(), ...tiles]
    const signed = new Set(partialPaths(published))
    return files.filter(({ path }) => !signed.has(path)).map(({ path, bytes }) => ({ path, bytes: Uint8Array.from(bytes) }))
  }

  /** The window with this number if it is not on disk as a full one. */
  window(number: number): Window | null {
    if (number === this.#window.number) return this.#window
    const first = this.#full[0]
    return first === undefined ? null : (this.#full[number - first.number] ?? null)
  }
}

export function fitsEntry(bytes: number): boolean {
  return bytes <= MAX_ENTRY_BYTES
}

export function fitsBody(bytes: number): boolean {
  return bytes <= MAX_BODY_BYTES
}
