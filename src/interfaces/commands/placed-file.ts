import { closeSync, constants, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { newId, RedoubtError } from '#foundation/core'

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Where bytes go that must be whole before anyone sees them under their name. */
export interface PlacedFile {
  /** Takes a copy. @returns a promise where the disk has to be waited for before the next bytes. */
  write(bytes: Uint8Array): Promise<void> | undefined
  /** Makes them durable and gives them their name. @throws {RedoubtError} `ERR_USAGE` when the name is taken and `force` was not said. */
  place(): Promise<void>
  /** Ends it: what was not placed is removed. */
  close(): Promise<void>
}

/**
 * Writes beside `path`, readable by its owner alone. What was not placed does not stay: neither after an error nor after a signal that ends
 * the command; a kill or a power cut leaves the `.part` file.
 * @param force replaces what is there; null where the command never does.
 */
export async function openPlacedFile(path: string, force: boolean | null): Promise<PlacedFile> {
  const { BlockWriter, Descriptor } = await import('#foundation/blocks')
  if (force !== true && existsSync(path)) throw taken(path, force)
  const unfinished = `${path}.${newId('part')}`
  const file = openSync(unfinished, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
  const descriptor = new Descriptor(file, constants.O_RDWR)
  const blocks = new BlockWriter(descriptor, 0)
  const remove = (): void => rmSync(unfinished, { force: true })
  const end = (): void => process.exit(1)
  process.on('exit', remove)
  for (const signal of ENDING_SIGNALS) process.on(signal, end)
  return {
    write: (bytes) => blocks.append(bytes),
    async place() {
      await blocks.end()
      fsyncSync(file)
      if (force === true) renameSync(unfinished, path)
      else linkOrRename(unfinished, path, force)
      syncFolder(dirname(path))
    },
    async close() {
      await blocks.close()
      for (const signal of ENDING_SIGNALS) process.off(signal, end)
      process.off('exit', remove)
      descriptor.close()
      closeSync(file)
      remove()
    },
  }
}

/** A link fails where the name is taken, at the very moment; a file system without links is looked at just before. */
function linkOrRename(from: string, to: string, force: false | null): void {
  try {
    linkSync(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST' || existsSync(to)) throw taken(to, force)
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

function taken(path: string, force: false | null): RedoubtError {
  const instead = force === null ? '' : '; say `--force` to replace it, or another name with `--out`'
  return new RedoubtError('ERR_USAGE', `\`${path}\` is there already${instead}`)
}
