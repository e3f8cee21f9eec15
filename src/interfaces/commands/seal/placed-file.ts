import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { newId, RedoubtError } from '#foundation/core'

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Where bytes go that must be whole before anyone sees them under their name. */
export interface PlacedFile {
  write(bytes: Uint8Array): void
  /** Makes them durable and gives them their name. @throws {RedoubtError} `ERR_USAGE` when the name is taken and `force` was not said. */
  place(): void
  /** Ends it: what was not placed is removed. */
  close(): void
}

/**
 * Writes beside `path`, readable by its owner alone. What was not placed does not stay: neither after an error nor after a signal that ends
 * the command; a kill or a power cut leaves the `.part` file.
 */
export function openPlacedFile(path: string, force: boolean): PlacedFile {
  const refuseTaken = (): void => {
    if (!force && existsSync(path)) throw taken(path)
  }
  refuseTaken()
  const unfinished = `${path}.${newId('part')}`
  const file = openSync(unfinished, 'wx', 0o600)
  const remove = (): void => rmSync(unfinished, { force: true })
  const end = (): void => process.exit(1)
  process.on('exit', remove)
  for (const signal of ENDING_SIGNALS) process.on(signal, end)
  return {
    write(bytes) {
      for (let at = 0; at < bytes.byteLength;) at += writeSync(file, bytes, at)
    },
    place() {
      fsyncSync(file)
      if (force) renameSync(unfinished, path)
      else linkOrRename(unfinished, path, refuseTaken)
      syncFolder(dirname(path))
    },
    close() {
      for (const signal of ENDING_SIGNALS) process.off(signal, end)
      process.off('exit', remove)
      closeSync(file)
      remove()
    },
  }
}

/** A link fails where the name is taken, at the very moment; a file system without links is looked at just before. */
function linkOrRename(from: string, to: string, refuseTaken: () => void): void {
  try {
    linkSync(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw taken(to)
    refuseTaken()
    renameSync(from, to)
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

const taken = (path: string): RedoubtError =>
  new RedoubtError('ERR_USAGE', `\`${path}\` is there already; say \`--force\` to replace it, or another name with \`--out\``)
