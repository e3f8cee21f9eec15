import { RedoubtError } from '#foundation/core'
import type { DurableFolder } from '#foundation/storage'
import type { PendingFile } from './frontier.ts'
import type { ParallelWriter } from './parallel-writer.ts'
import { parseTilePath, TILE_WIDTH, tilePath, type TileName } from './tile-paths.ts'
import { bundlePrefix } from './entry-bundle.ts'
import { HASH_BYTES } from './merkle-hash.ts'

/**
 * The published side of the log folder: tiles, entry bundles and bodies laid out as C2SP tlog-tiles serves them.
 * Folders are made once; a new folder is durable in its parent before anything is signed over what is in it.
 */
export class LogFolder {
  readonly folder: DurableFolder
  readonly #made = new Set<string>()

  readonly #parallelWriter: ParallelWriter | undefined

  constructor(folder: DurableFolder, parallelWriter?: ParallelWriter) {
    this.folder = folder
    this.#parallelWriter = parallelWriter
  }

  /** @returns when all files, and their names, are durable. */
  async writeDurably(files: readonly PendingFile[]): Promise<void> {
    const folders = new Set<string>()
    for (const { path } of files) {
      const parent = path.slice(0, path.lastIndexOf('/'))
      this.#makeFolders(parent, folders)
      folders.add(parent)
    }
    if (this.#parallelWriter === undefined) {
      for (const file of files) this.#write(file)
      for (const parent of folders) this.folder.syncFolder(parent)
    } else {
      await this.#parallelWriter(files, [...folders])
    }
  }

  #write({ path, bytes }: PendingFile): void {
    const file = this.folder.open(path, { create: true })
    if (file === null) throw new RedoubtError('ERR_STORAGE_IO', 'a file of the audit log cannot be created')
    try {
      // What a crash left here under no checkpoint may be longer.
      if (file.size() > bytes.byteLength) file.truncate(bytes.byteLength)
      file.writeAt(bytes, 0)
      file.datasync()
    } finally {
      file.close()
    }
  }

  /** Reads a published resource; a partial one is cut from a wider one if that is what is left. */
  read(path: string): Uint8Array | null {
    const exact = this.folder.read(path)
    if (exact !== null) return exact
    const name = parseTilePath(path)
    if (name === null || name.width === TILE_WIDTH) return null
    const wider = this.#wider(name)
    if (wider === null) return null
    if (typeof name.kind === 'number') return wider.slice(0, name.width * HASH_BYTES)
    return name.kind === 'entries' ? (bundlePrefix(wider, name.width)?.slice() ?? null) : null
  }

  /** Removes files that a newer checkpoint has superseded. They can be derived, so this need not be durable. */
  removeAll(paths: Iterable<string>): void {
    for (const path of paths) if (this.folder.exists(path)) this.folder.remove(path)
  }

  /** Partial files beside the given one, which a crash may have left. */
  partialsBeside(name: TileName): string[] {
    const parent = `${tilePath({ ...name, width: TILE_WIDTH })}.p`
    return this.folder.list(parent).map((width) => `${parent}/${width}`)
  }

  #wider(name: TileName): Uint8Array | null {
    const full = tilePath({ ...name, width: TILE_WIDTH })
    const bytes = this.folder.read(full)
    if (bytes !== null) return bytes
    const widest = Math.max(0, ...this.folder.list(`${full}.p`).map(Number).filter(Number.isInteger))
    return widest > name.width ? this.folder.read(`${full}.p/${widest}`) : null
  }

  /** Its own name is durable once the folder it lies in is synced, which the caller does with the files. */
  #makeFolders(path: string, changed: Set<string>): void {
    if (this.#made.has(path)) return
    const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
    if (parent !== '') this.#makeFolders(parent, changed)
    this.folder.makeFolder(path)
    changed.add(parent)
    this.#made.add(path)
  }
}
