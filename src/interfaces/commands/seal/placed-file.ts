import { existsSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { newId, RedoubtError } from '#foundation/core'
import { type DurableFile, type LinkingFolder, nodeFolder } from '#foundation/storage'

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Where bytes go that must be whole before anyone sees them under their name. */
export interface PlacedFile {
  write(bytes: Uint8Array): void
  /** Makes them durable and gives them their name. @throws {RedoubtError} `ERR_USAGE` when the name is taken and `force` was not said. */
  place(): void
  /** Ends it: what was not placed is emptied and removed. */
  close(): void
}

/**
 * Writes beside `path`, readable by its owner alone. What was not placed does not stay: neither after an error nor after a signal that ends
 * the command; a kill or a power cut leaves the `.part` file. Under the name there is nothing, what was there before, or all of it.
 * @param folder the one that `path` is in; that of this host unless given.
 * @throws {RedoubtError} from every method `ERR_STORAGE_FULL`, `ERR_STORAGE_IO`.
 */
export function openPlacedFile(path: string, force: boolean, folder: LinkingFolder = folderOf(path)): PlacedFile {
  const name = basename(path)
  const refuseTaken = (): void => {
    if (!force && folder.exists(name)) throw taken(path)
  }
  refuseTaken()
  const unfinished = `${name}.${newId('part')}`
  const file = created(folder, unfinished)
  let size = 0
  /** From when on the content may be under the name too: then it is emptied nowhere. */
  let named = false
  const remove = (): void => {
    if (!folder.exists(unfinished)) return
    // What cannot be removed is at least empty.
    if (!named) quietly(() => file.truncate(0))
    if (!quietly(() => folder.remove(unfinished))) quietly(() => folder.remove(unfinished))
    quietly(() => folder.syncFolder(''))
  }
  const end = (): void => process.exit(1)
  process.on('exit', remove)
  for (const signal of ENDING_SIGNALS) process.on(signal, end)
  return {
    write(bytes) {
      file.writeAt(bytes, size)
      size += bytes.byteLength
    },
    place() {
      file.datasync()
      refuseTaken()
      named = true
      if (force) folder.rename(unfinished, name)
      else if (!linked()) {
        named = false
        throw taken(path)
      }
      folder.syncFolder('')
    },
    close() {
      for (const signal of ENDING_SIGNALS) process.off(signal, end)
      process.off('exit', remove)
      remove()
      file.close()
    },
  }

  /** A link fails where the name is taken, at the very moment; a file system without links is looked at just before. */
  function linked(): boolean {
    let had: boolean
    try {
      had = folder.link(unfinished, name)
    } catch (error) {
      if ((error as RedoubtError).code === 'ERR_STORAGE_FULL') throw error
      refuseTaken()
      folder.rename(unfinished, name)
      return true
    }
    return had
  }
}

/** What failed may have been done: an empty file that nobody finishes does not stay either. */
function created(folder: LinkingFolder, path: string): DurableFile {
  try {
    return folder.open(path, { create: true })!
  } catch (thrown) {
    quietly(() => folder.remove(path))
    throw thrown
  }
}

function folderOf(path: string): LinkingFolder {
  const folder = dirname(path)
  if (!existsSync(folder)) throw new RedoubtError('ERR_USAGE', `there is no folder \`${folder}\``)
  return nodeFolder(folder)
}

function quietly(act: () => void): boolean {
  try {
    act()
    return true
  } catch {
    return false
  }
}

const taken = (path: string): RedoubtError =>
  new RedoubtError('ERR_USAGE', `\`${path}\` is there already; say \`--force\` to replace it, or another name with \`--out\``)
