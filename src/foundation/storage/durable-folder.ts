/**
 * The port through which every durable byte outside SQL is written: the log, the keyring, sealed objects.
 * Guarantees an adapter MUST give, and callers MUST NOT exceed:
 * - `writeAt` and `truncate` are visible to this process at once, `writeBeside` when it resolves, and durable only after `datasync` on the same file.
 * - A new name, a rename and a removal are durable only after `syncFolder` of the folder that holds the name.
 * - `rename` replaces atomically: a reader, and a power cut, see the old content or the new, never a mixture.
 * - Between syncs a power cut may keep any subset of the writes, in any order, and any prefix of one write.
 * - A failed call may have taken effect or not; the caller finds out by reading.
 * Calls are synchronous unless they say `Beside`: group commit is the caller's, and one fdatasync is cheaper than a hop to a thread pool.
 * Paths are relative, `/`-separated, without `..`.
 * @throws {RedoubtError} `ERR_STORAGE_FULL` when the disk is full, `ERR_STORAGE_IO` otherwise.
 */
export interface DurableFolder {
  /** @returns null when there is no such file and `create` is not set. */
  open(path: string, options?: { readonly create?: boolean }): DurableFile | null
  /** @returns the whole content, or null when there is no such file. */
  read(path: string): Uint8Array | null
  /** Names directly in the folder, sorted; empty when there is no such folder. */
  list(path: string): string[]
  exists(path: string): boolean
  makeFolder(path: string): void
  rename(from: string, to: string): void
  remove(path: string): void
  syncFolder(path: string): void
}

/** A folder that can give a file a second name. */
export interface LinkingFolder extends DurableFolder {
  /** Atomic, durable as a new name is. @returns false where the name is taken: nothing is replaced. */
  link(from: string, to: string): boolean
}

export interface DurableFile {
  size(): number
  /** @returns how many bytes were read; fewer than asked only at the end of the file. */
  readAt(into: Uint8Array, position: number): number
  /** @param bytes several are written one after the other, as one write. */
  writeAt(bytes: Uint8Array | readonly Uint8Array[], position: number): void
  /**
   * As `writeAt`, beside the caller, who MUST NOT touch `bytes` nor close the file until it resolves. Blocks of `#foundation/blocks` go around the
   * page cache where the file system can do that; that makes nothing durable: `datasync` does.
   */
  writeBeside(bytes: Uint8Array, position: number): Promise<void>
  /** As `readAt`, beside the caller, who MUST NOT touch `into` nor close the file until it resolves; around the page cache as `writeBeside`. */
  readBeside(into: Uint8Array, position: number): Promise<number>
  truncate(size: number): void
  datasync(): void
  /** As `datasync`, beside the caller: many files are made durable at once in a fraction of the time of one after another. */
  datasyncBeside(): Promise<void>
  close(): void
}

/** Writes a whole file so that a power cut leaves the old content or the new: temporary name, datasync, rename, sync of the folder. */
export function replaceFile(folder: DurableFolder, path: string, bytes: Uint8Array): void {
  const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
  const temporary = `${path}.new`
  if (folder.exists(temporary)) folder.remove(temporary)
  const file = folder.open(temporary, { create: true })!
  try {
    file.writeAt(bytes, 0)
    file.datasync()
  } finally {
    file.close()
  }
  folder.rename(temporary, path)
  folder.syncFolder(parent)
}
