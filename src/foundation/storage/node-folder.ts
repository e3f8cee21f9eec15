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
  writeSync,
  writevSync,
} from 'node:fs'
import { join, normalize } from 'node:path'
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
    writeAt(bytes, position) {
      guarded(() => (bytes instanceof Uint8Array ? writeOne(fd, bytes, position) : writeAll(fd, bytes, position)))
    },
    truncate: (size) => guarded(() => ftruncateSync(fd, size)),
    datasync: () => guarded(() => fdatasyncSync(fd)),
    datasyncBeside: () =>
      new Promise((resolve, reject) => {
        fdatasync(fd, (cause) => (cause === null ? resolve() : reject(toError(cause))))
      }),
    close: () => guarded(() => closeSync(fd)),
  }
}

function writeOne(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.byteLength;) done += writeSync(fd, bytes, done, bytes.byteLength - done, position + done)
}

/** One call of the system for all; what it leaves over, at a signal or a full disk, is written one by one. */
function writeAll(fd: number, parts: readonly Uint8Array[], position: number): void {
  let done = writevSync(fd, parts, position)
  let at = position
  for (const part of parts) {
    const written = Math.min(done, part.byteLength)
    done -= written
    if (written < part.byteLength) writeOne(fd, part.subarray(written), at + written)
    at += part.byteLength
  }
}

function guarded<T>(call: () => T): T {
  try {
    return call()
  } catch (cause) {
    throw toError(cause)
  }
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
