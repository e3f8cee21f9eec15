import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { join, normalize } from 'node:path'
import { Descriptor } from '#foundation/blocks'
import { RedoubtError } from '#foundation/core'
import type { DurableFile, LinkingFolder } from './durable-folder.ts'

const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

/** The file system of this host below `root`. Files are 0600, folders 0700; symbolic links are not followed on open. */
export function nodeFolder(root: string): LinkingFolder {
  mkdirSync(root, { recursive: true, mode: FOLDER_MODE })
  const at = (path: string): string => {
    const clean = normalize(path)
    if (clean.startsWith('..') || clean.startsWith('/') || path.includes('\0'))
      throw new RedoubtError('ERR_STORAGE_IO', 'a path leaves its folder')
    return join(root, clean)
  }
  return {
    open(path, options) {
      const full = at(path)
      if (!options?.create && !existsSync(full)) return null
      return guarded(() => {
        const flags = constants.O_RDWR | constants.O_NOFOLLOW | (options?.create ? constants.O_CREAT : 0)
        return nodeFile(openSync(full, flags, FILE_MODE))
      })
    },
    read(path) {
      const full = at(path)
      return existsSync(full) ? guarded(() => readFileSync(full)) : null
    },
    list(path) {
      const full = at(path)
      return existsSync(full) ? guarded(() => readdirSync(full).sort()) : []
    },
    exists: (path) => existsSync(at(path)),
    makeFolder: (path) => guarded(() => void mkdirSync(at(path), { recursive: true, mode: FOLDER_MODE })),
    rename: (from, to) => guarded(() => renameSync(at(from), at(to))),
    link(from, to) {
      return guarded(() => {
        try {
          linkSync(at(from), at(to))
          return true
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
          throw error
        }
      })
    },
    remove: (path) => guarded(() => rmSync(at(path), { force: true })),
    syncFolder(path) {
      guarded(() => {
        const fd = openSync(at(path), constants.O_RDONLY | constants.O_DIRECTORY)
        try {
          fsyncSync(fd)
        } finally {
          closeSync(fd)
        }
      })
    },
  }
}

function nodeFile(fd: number): DurableFile {
  const descriptor = new Descriptor(fd, constants.O_RDWR)
  return {
    size: () => guarded(() => fstatSync(fd).size),
    readAt(into, position) {
      return guarded(() => {
        let done = 0
        while (done < into.byteLength) {
          const n = readSync(fd, into, done, into.byteLength - done, position + done)
          if (n === 0) break
          done += n
        }
        return done
      })
    },
    writeAt: (bytes, position) => guarded(() => descriptor.writeAt(bytes, position)),
    writeBeside: (bytes, position) => descriptor.writeBeside(bytes, position).catch(rethrow),
    readBeside: (into, position) => descriptor.readBeside(into, position).catch(rethrow),
    truncate: (size) => guarded(() => ftruncateSync(fd, size)),
    datasync: () => guarded(() => fdatasyncSync(fd)),
    datasyncBeside: () =>
      new Promise((resolve, reject) => {
        fdatasync(fd, (cause) => (cause === null ? resolve() : reject(toError(cause))))
      }),
    close() {
      guarded(() => {
        descriptor.close()
        closeSync(fd)
      })
    },
  }
}

function guarded<T>(call: () => T): T {
  try {
    return call()
  } catch (cause) {
    throw toError(cause)
  }
}

function rethrow(cause: unknown): never {
  throw toError(cause)
}

function toError(cause: unknown): RedoubtError {
  if (cause instanceof RedoubtError) return cause
  const code = (cause as NodeJS.ErrnoException).code
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  return new RedoubtError(
    full ? 'ERR_STORAGE_FULL' : 'ERR_STORAGE_IO',
    full ? 'the disk is full' : `the storage failed with ${code ?? 'an unknown error'}`,
    { cause },
  )
}
