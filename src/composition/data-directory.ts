import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { RedoubtError } from '#foundation/core'

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
  const lock = new DatabaseSync(join(path, 'lock'))
  try {
    lock.exec('PRAGMA busy_timeout=0; PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE')
  } catch (cause) {
    lock.close()
    throw new RedoubtError('ERR_STORAGE_LOCKED', `another server uses the data directory \`${path}\``, { cause })
  }
  return {
    path,
    at: (...parts) => join(path, ...parts),
    release: () => lock.close(),
  }
}
