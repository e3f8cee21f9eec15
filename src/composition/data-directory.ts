import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { RedoubtError } from '#foundation/core'

const SQLITE_BUSY = 5

/** The hold of one server on its data directory. The kernel releases it when the process ends, however it ends. */
export interface DataDirectory {
  readonly path: string
  at(...parts: readonly string[]): string
  release(): void
}

/**
 * Makes the directory if need be and takes it for this process.
 * @throws {RedoubtError} `ERR_STORAGE_LOCKED` when another server has it.
 */
export function takeDataDirectory(path: string): DataDirectory {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    chmodSync(path, 0o700)
  } catch (cause) {
    throw new RedoubtError('ERR_STORAGE_IO', `the data directory \`${path}\` cannot be used`, { cause })
  }
  // Node has no flock; an exclusive SQLite transaction takes the same kernel lock and never goes stale.
  let lock: DatabaseSync | null = null
  try {
    lock = new DatabaseSync(join(path, 'lock'))
    lock.exec('PRAGMA busy_timeout=0; PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE')
  } catch (cause) {
    lock?.close()
    if ((cause as { errcode?: number }).errcode === SQLITE_BUSY)
      throw new RedoubtError('ERR_STORAGE_LOCKED', `another server uses the data directory \`${path}\``, { cause })
    // A full or read-only disk, or a lock file that is none: saying that another server runs would send people looking for it.
    throw new RedoubtError('ERR_STORAGE_IO', `the data directory \`${path}\` cannot be locked`, { cause })
  }
  const held = lock
  return {
    path,
    at: (...parts) => join(path, ...parts),
    release: () => held.close(),
  }
}
