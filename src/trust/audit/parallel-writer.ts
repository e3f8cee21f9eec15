import { closeSync, constants, fdatasync, fstatSync, fsync, ftruncateSync, open, write } from 'node:fs'
import { join } from 'node:path'
import { RedoubtError } from '#foundation/core'
import type { PendingFile } from './frontier.ts'

/**
 * Writes whole files, then syncs names in folders, beside the event loop. A file system journal commits the files of several
 * concurrent calls together, so this costs a fraction of one call after the other, and none of it delays an append.
 * Resolves when all of it is durable; rejects with a `RedoubtError` when any of it may not be.
 */
export type ParallelWriter = (files: readonly PendingFile[], folders: readonly string[]) => Promise<void>

/** Node's thread pool has four threads by default; one is left to the rest of the server. */
const CONCURRENT_CALLS = 3
const FILE_MODE = 0o600

/** For a log that lies in a folder of this host. @param root The folder that `nodeFolder` was given. */
export function parallelWriter(root: string): ParallelWriter {
  return async (files, folders) => {
    await all(files, ({ path, bytes }) => writeOne(join(root, path), bytes))
    await all(folders, (path) => syncFolder(join(root, path)))
  }
}

async function all<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(CONCURRENT_CALLS, items.length) }, worker))
}

/** What a crash left at the path, under no checkpoint, may be longer and is cut. */
function writeOne(path: string, bytes: Uint8Array): Promise<void> {
  return withFile(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, (fd, done) => {
    const from = (position: number): void =>
      write(fd, bytes, position, bytes.byteLength - position, position, (error, written) => {
        if (error) done(error)
        else if (position + written < bytes.byteLength) from(position + written)
        else cut()
      })
    const cut = (): void => {
      if (fstatSync(fd).size > bytes.byteLength) ftruncateSync(fd, bytes.byteLength)
      fdatasync(fd, done)
    }
    from(0)
  })
}

function syncFolder(path: string): Promise<void> {
  return withFile(path, constants.O_RDONLY | constants.O_DIRECTORY, fsync)
}

type Done = (error: NodeJS.ErrnoException | null) => void

function withFile(path: string, flags: number, work: (fd: number, done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle: Done = (error) => {
      if (error === null) return resolve()
      const full = error.code === 'ENOSPC' || error.code === 'EDQUOT'
      reject(new RedoubtError(full ? 'ERR_STORAGE_FULL' : 'ERR_STORAGE_IO', undefined, { cause: error }))
    }
    open(path, flags, FILE_MODE, (error, fd) => {
      if (error) return settle(error)
      work(fd, (problem) => {
        closeSync(fd)
        settle(problem)
      })
    })
  })
}
