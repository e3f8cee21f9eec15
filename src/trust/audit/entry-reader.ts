import { RedoubtError } from '#foundation/core'
import { parseBodyBundle, parseEntryPrefix } from './entry-bundle.ts'
import type { Frontier } from './frontier.ts'
import type { LogFolder } from './log-folder.ts'
import { TILE_WIDTH, tilePath } from './tile-paths.ts'

const CACHED_BUNDLES = 16

/** Entries and bodies of a log by index: the last from memory, older ones from the folder. After a recovery another one reads. */
export class EntryReader {
  readonly #frontier: Frontier
  readonly #files: LogFolder
  readonly #bundles = new Map<number, readonly Uint8Array[]>()

  constructor(frontier: Frontier, files: LogFolder) {
    this.#frontier = frontier
    this.#files = files
  }

  /** @returns null when there is no such entry; the bytes must not be changed. */
  entry(index: number): Uint8Array | null {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.#frontier.size) return null
    const number = Math.floor(index / TILE_WIDTH)
    const row = index % TILE_WIDTH
    const window = this.#frontier.window(number)
    if (window !== null) return window.entry(row)
    let entries = this.#bundles.get(number)
    if (entries === undefined) {
      const bytes = this.#files.read(tilePath({ kind: 'entries', index: number, width: TILE_WIDTH }))
      const parsed = bytes && parseEntryPrefix(bytes, TILE_WIDTH)
      if (parsed === null) throw new RedoubtError('ERR_AUDIT_CORRUPT', `the entry bundle ${number} is missing or not well-formed`)
      entries = parsed
      const oldest = this.#bundles.keys().next().value
      if (this.#bundles.size >= CACHED_BUNDLES && oldest !== undefined) this.#bundles.delete(oldest)
      this.#bundles.set(number, entries)
    }
    return entries[row] ?? null
  }

  /** @returns the sealed body, or null when the entry has none or it is gone. */
  body(index: number): Uint8Array | null {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.#frontier.size) return null
    const number = Math.floor(index / TILE_WIDTH)
    const window = this.#frontier.window(number)
    const bytes = window ? window.bodies() : this.#files.read(tilePath({ kind: 'bodies', index: number, width: TILE_WIDTH }))
    if (bytes === null || bytes.byteLength === 0) return null
    const body = parseBodyBundle(bytes, window ? window.count : TILE_WIDTH)?.[index % TILE_WIDTH]
    return body === undefined || body.byteLength === 0 ? null : body.slice()
  }
}
