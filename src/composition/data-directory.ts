import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { RedoubtError } from '#foundation/core'

const SQLITE_BUSY = 5

/** The hold of one server on a directory. The kernel releases it when the process ends, however it ends. */
interface HeldDirectory {
  release(): void
}

export interface DataDirectory extends HeldDirectory {
  readonly path: string
  at(...parts: readonly string[]): string
}

/**
 * Makes the directory if need be and takes it for this process.
 * @throws {RedoubtError} `ERR_STORAGE_LOCKED` when another server has it.
 */
export function takeDataDirectory(path: string): DataDirectory {
  const held = take(path, 'data directory')
  return { path, at: (...parts) => join(path, ...parts), release: () => held.release() }
}

/**
 * The same of the secrets directory, in development, where the server writes keys of accounts into it: two servers that shared one
 * would each replace the other's key of the bootstrap account, and commands would act on neither or on the wrong one.
 * @throws {RedoubtError} `ERR_STORAGE_LOCKED` when another server has it.
 */
export function takeSecretsDirectory(path: string): HeldDirectory {
  return take(path, 'secrets directory')
}

function take(path: string, called: string): HeldDirectory {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    chmodSync(path, 0o700)
  } catch (cause) {
    throw new RedoubtError('ERR_STORAGE_IO', `the ${called} \`${path}\` cannot be used`, { cause })
  }
  // Node has no flock; an exclusive SQLite transaction takes the same kernel lock and never goes stale.
  let lock: DatabaseSync | null = null
  try {
    const file = join(path, 'lock')
    lock = new DatabaseSync(file)
    // Nothing is written, and no journal lies beside the lock.
    lock.exec('PRAGMA busy_timeout=0; PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE')
    chmodSync(file, 0o600)
  } catch (cause) {
    lock?.close()
    if ((cause as { errcode?: number }).errcode === SQLITE_BUSY)
      throw new RedoubtError('ERR_STORAGE_LOCKED', `another server uses the ${called} \`${path}\``, { cause })
    // A full or read-only disk, or a lock file that is none: saying that another server runs would send people looking for it.
    throw new RedoubtError('ERR_STORAGE_IO', `the ${called} \`${path}\` cannot be locked`, { cause })
  }
  const held = lock
  return { release: () => held.close() }
}
