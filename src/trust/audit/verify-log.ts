import { hash } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import { type Checkpoint, openCheckpoint } from './checkpoint.ts'
import { CompactRange } from './compact-range.ts'
import { findCosignature } from './cosignature.ts'
import { bundlePrefix, parseBodyBundle, parseEntryBundle } from './entry-bundle.ts'
import { parseEntry, personalOf, splitBody } from './event-entry.ts'
import { emptyRoot, HASH_BYTES, leafHash, sameHash } from './merkle-hash.ts'
import { parseVerifierKey } from './signed-note.ts'
import { CHECKPOINT_PATH, rowsAt, TILE_WIDTH, tilePath, type TileKind, widthAt } from './tile-paths.ts'

export interface VerifyLogOptions {
  /** Gives a resource by its tlog-tiles path, out of a folder or over HTTP, or null when it is not there. */
  read(path: string): Uint8Array | null | Promise<Uint8Array | null>
  /** The log's signed-note verifier key, got from somewhere else than the log. */
  readonly verifierKey: string
  /** A checkpoint kept from an earlier time, best with a witness's cosignature: what proves that the past was not rewritten. */
  readonly olderCheckpoint?: string
  /** Verifier keys of witnesses; each must have cosigned the older checkpoint, or the current one if no older one is given. */
  readonly witnesses?: readonly string[]
  /** `required`: sealed bodies lie beside the tree and none may be missing; `if-present` (default) checks those there are. */
  readonly bodies?: 'required' | 'if-present' | 'ignore'
}

export type FindingKind = 'checkpoint' | 'missing' | 'malformed' | 'mismatch' | 'rollback' | 'rewritten' | 'witness' | 'body'

export interface Finding {
  readonly kind: FindingKind
  /** Lower case, safe to show. */
  readonly message: string
  readonly path?: string
  readonly index?: number
}

export interface Verdict {
  readonly ok: boolean
  /** At most 100; the first ones. */
  readonly findings: readonly Finding[]
  readonly origin: string | null
  readonly size: number
  /** Root of the tree over the entries as they are, base64. */
  readonly root: string
  readonly checked: { readonly entries: number; readonly tiles: number; readonly bodies: number; readonly bodiesMissing: number }
  readonly witnesses: readonly { readonly name: string; readonly time: number }[]
}

const MAX_FINDINGS = 100

/**
 * Verifies a whole log offline, without secrets and without trusting anything in it: recomputes every tile from the entries
 * and the root from the tiles, and compares both with what is stored and signed. With an older checkpoint it also proves
 * that the log has only grown since; entries younger than that are vouched for by the log key alone.
 */
export async function verifyLog(options: VerifyLogOptions): Promise<Verdict> {
  const walk = new Walk(options)
  await walk.run()
  return walk.verdict()
}

class Walk {
  readonly #options: VerifyLogOptions
  readonly #findings: Finding[] = []
  readonly #range = new CompactRange()
  /** Rows of the tile being filled at each level. */
  readonly #rows: Uint8Array[][] = []
  readonly #tileIndex: number[] = []
  #filled: { readonly level: number; readonly index: number; readonly rows: readonly Uint8Array[] }[] = []
  #checkpoint: Checkpoint | null = null
  readonly #counts = { entries: 0, tiles: 0, bodies: 0, bodiesMissing: 0 }
  readonly #witnesses: { name: string; time: number }[] = []

  constructor(options: VerifyLogOptions) {
    this.#options = options
  }

  verdict(): Verdict {
    return {
      ok: this.#findings.length === 0,
      findings: this.#findings,
      origin: this.#checkpoint?.origin ?? null,
      size: this.#checkpoint?.size ?? 0,
      root: Buffer.from(this.#range.root()).toString('base64'),
      checked: { ...this.#counts },
      witnesses: this.#witnesses,
    }
  }

  async run(): Promise<void> {
    const stored = await this.#options.read(CHECKPOINT_PATH)
    if (stored === null) return this.#find('missing', 'the log has no checkpoint', { path: CHECKPOINT_PATH })
    const checkpoint = this.#open(Buffer.from(stored).toString(), 'the current checkpoint')
    const older = this.#options.olderCheckpoint === undefined ? null : this.#open(this.#options.olderCheckpoint, 'the older checkpoint')
    if (checkpoint === null) return
    this.#checkpoint = checkpoint
    this.#checkWitnesses(older ?? checkpoint)
    if (older !== null && older.size > checkpoint.size)
      this.#find('rollback', `the log has ${checkpoint.size} entries and once had ${older.size}`)
    if (older?.size === 0 && !sameHash(older.root, emptyRoot())) this.#find('rewritten', 'the older checkpoint has a wrong empty root')

    const windows = Math.ceil(checkpoint.size / TILE_WIDTH)
    for (let number = 0; number < windows; number++) {
      // A missing or unreadable bundle ends the walk: nothing behind it can be recomputed.
      if (!(await this.#window(number, checkpoint, older))) return
    }
    await this.#partials(checkpoint)
    if (!sameHash(this.#range.root(), checkpoint.root)) this.#find('mismatch', 'the entries do not give the root of the checkpoint')
  }

  async #window(number: number, checkpoint: Checkpoint, older: Checkpoint | null): Promise<boolean> {
    const width = widthAt('entries', number, checkpoint.size)
    const path = tilePath({ kind: 'entries', index: number, width })
    const bytes = await this.#read('entries', number, width)
    if (bytes === null) return (this.#find('missing', 'an entry bundle is missing', { path }), false)
    const entries = parseEntryBundle(bytes, width)
    if (entries === null) return (this.#find('malformed', `an entry bundle does not hold ${width} entries`, { path }), false)
    for (const entry of entries) {
      const leaf = leafHash(entry)
      this.#push(0, leaf)
      this.#range.append(leaf, (height, node) => {
        if (height % 8 === 0) this.#push(height / 8, node)
      })
      this.#counts.entries++
      if (older !== null && this.#range.size === older.size && !sameHash(this.#range.root(), older.root))
        this.#find('rewritten', `the first ${older.size} entries are not those of the older checkpoint`)
    }
    for (const { level, index, rows } of this.#filled) await this.#compare(level, index, rows)
    this.#filled = []
    if (this.#options.bodies !== 'ignore') await this.#bodies(number, width, entries)
    return true
  }

  #push(level: number, node: Uint8Array): void {
    const rows = (this.#rows[level] ??= [])
    rows.push(node)
    if (rows.length < TILE_WIDTH) return
    const index = this.#tileIndex[level] ?? 0
    this.#filled.push({ level, index, rows })
    this.#tileIndex[level] = index + 1
    this.#rows[level] = []
  }

  async #partials(checkpoint: Checkpoint): Promise<void> {
    for (const [level, rows] of this.#rows.entries())
      if (rows.length > 0) await this.#compare(level, Math.floor(rowsAt(level, checkpoint.size) / TILE_WIDTH), rows)
  }

  async #compare(level: number, index: number, rows: readonly Uint8Array[]): Promise<void> {
    const path = tilePath({ kind: level, index, width: rows.length })
    const bytes = await this.#read(level, index, rows.length)
    this.#counts.tiles++
    if (bytes === null) return this.#find('missing', 'a tile is missing', { path })
    if (!sameHash(bytes, Buffer.concat(rows))) this.#find('mismatch', 'a tile does not match the entries', { path })
  }

  async #bodies(number: number, width: number, entries: readonly Uint8Array[]): Promise<void> {
    const expected = entries.map((bytes) => {
      const entry = parseEntry(bytes)
      return entry === null ? [] : personalOf(entry)
    })
    if (expected.every((personal) => personal?.length === 0)) return
    const path = tilePath({ kind: 'bodies', index: number, width })
    // As in `#read`: the full ones may have taken the place of partial ones.
    const exact = await this.#options.read(path)
    const stored = exact ?? (await this.#options.read(tilePath({ kind: 'bodies', index: number, width: TILE_WIDTH })))
    const bodies = stored && parseBodyBundle(stored, exact === null ? TILE_WIDTH : width)
    if (stored !== null && bodies === null) return this.#find('malformed', 'a file of sealed bodies is not well-formed', { path })
    expected.forEach((personal, row) => {
      const index = number * TILE_WIDTH + row
      if (personal?.length === 0) return
      const body = bodies?.[row]
      if (personal === null) this.#find('body', 'an entry commits to its sealed body in an unknown form', { path, index })
      else if (body === undefined || body.byteLength === 0) {
        this.#counts.bodiesMissing++
        if (this.#options.bodies === 'required') this.#find('missing', 'a sealed body is missing', { path, index })
      } else {
        this.#counts.bodies++
        const parts = splitBody(body, personal)
        if (parts === null || personal.some(({ sha256 }, i) => hash('sha256', parts[i] ?? new Uint8Array(), 'hex') !== sha256))
          this.#find('body', 'a sealed body is not the one that the entry commits to', { path, index })
      }
    })
  }

  /** Reads a resource; a partial one may have been superseded by the full one while the log went on. */
  async #read(kind: TileKind, index: number, width: number): Promise<Uint8Array | null> {
    const exact = await this.#options.read(tilePath({ kind, index, width }))
    if (exact !== null || width === TILE_WIDTH) return exact
    const full = await this.#options.read(tilePath({ kind, index, width: TILE_WIDTH }))
    if (full === null) return null
    return kind === 'entries' ? bundlePrefix(full, width) : full.subarray(0, width * HASH_BYTES)
  }

  #open(text: string, which: string): Checkpoint | null {
    try {
      return openCheckpoint(text, this.#options.verifierKey)
    } catch (cause) {
      if (!(cause instanceof RedoubtError)) throw cause
      this.#find('checkpoint', `${which}: ${cause.message}`, { path: CHECKPOINT_PATH })
      return null
    }
  }

  #checkWitnesses(checkpoint: Checkpoint): void {
    for (const text of this.#options.witnesses ?? []) {
      const key = parseVerifierKey(text)
      const time = findCosignature(checkpoint, key)
      if (time === null) this.#find('witness', `the witness \`${key.name}\` did not cosign the checkpoint`)
      else this.#witnesses.push({ name: key.name, time })
    }
  }

  #find(kind: FindingKind, message: string, where: { readonly path?: string; readonly index?: number } = {}): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push({ kind, message, ...where })
  }
}
