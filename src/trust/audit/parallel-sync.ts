import { closeSync, constants, fdatasync, fsync, openSync } from 'node:fs'
import { join } from 'node:path'
import { RedoubtError } from '#foundation/core'

/**
 * Makes written files, then names in folders, durable without blocking the event loop. A file system journal commits the
 * files of several concurrent calls together, so this costs a fraction of one call after the other.
 * Rejects with a `RedoubtError` when any of it may not be durable.
 */
export type ParallelSync = (files: readonly string[], folders: readonly string[]) => Promise<void>

/** Node's thread pool has four threads by default; one is left to the rest of the server. */
const CONCURRENT_CALLS = 3

/** For a log that lies in a folder of this host. @param root The folder that `nodeFolder` was given. */
export function parallelSync(root: string): ParallelSync {
  return async (files, folders) => {
    await all(files, (path) => syncOne(join(root, path), fdatasync, 0))
    await all(folders, (path) => syncOne(join(root, path), fsync, constants.O_DIRECTORY))
  }
}

async function all(paths: readonly string[], sync: (path: string) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let path = paths[next++]; path !== undefined; path = paths[next++]) await sync(path)
  }
  await Promise.all(Array.from({ length: Math.min(CONCURRENT_CALLS, paths.length) }, worker))
}

function syncOne(path: string, call: typeof fdatasync, flags: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => reject(new RedoubtError('ERR_STORAGE_IO', 'the storage failed to sync', { cause }))
    let fd: number
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | flags)
    } catch (cause) {
      fail(cause)
      return
    }
    call(fd, (error) => {
      closeSync(fd)
      if (error) fail(error)
      else resolve()
    })
  })
}
