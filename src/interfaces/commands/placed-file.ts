import { existsSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { newId, RedoubtError } from '#foundation/core'
import type { DurableFile, LinkingFolder } from '#foundation/storage'

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Where bytes go that must be whole before anyone sees them under their name. */
export interface PlacedFile {
  /** Takes a copy. @returns a promise where the disk has to be waited for before the next bytes. */
  write(bytes: Uint8Array): Promise<void> | undefined
  /** Makes them durable and gives them their name. @throws {RedoubtError} `ERR_USAGE` when the name is taken and `force` was not said. */
  place(): Promise<void>
  /** Ends it: what was not placed is emptied and removed. */
  close(): Promise<void>
}

/**
 * Writes beside `path`, readable by its owner alone. What was not placed does not stay: neither after an error nor after a signal that ends
 * the command; a kill or a power cut leaves the `.part` file. Under the name there is nothing, what was there before, or all of it.
 * @param force replaces what is there; null where the command never does.
 * @param given the folder that `path` is in; that of this host unless given.
 * @throws {RedoubtError} from every method `ERR_STORAGE_FULL`, `ERR_STORAGE_IO`.
 */
export async function openPlacedFile(path: string, force: boolean | null, given?: LinkingFolder): Promise<PlacedFile> {
  const { BlockWriter } = await import('#foundation/blocks')
  const folder = given ?? (await folderOf(path))
  const name = basename(path)
  const refuseTaken = (): void => {
    if (force !== true && folder.exists(name)) throw taken(path, force)
  }
  refuseTaken()
  const unfinished = `${name}.${newId('part')}`
  const file = created(folder, unfinished)
  const blocks = new BlockWriter(file, 0)
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
    write: (bytes) => blocks.append(bytes),
    async place() {
      await blocks.end()
      file.datasync()
      named = true
      if (force === true) folder.rename(unfinished, name)
      else if (!linked()) {
        named = false
        throw taken(path, force)
      }
      folder.syncFolder('')
    },
    async close() {
      await blocks.close()
      for (const signal of ENDING_SIGNALS) process.off(signal, end)
      process.off('exit', remove)
      remove()
      file.close()
    },
  }

  /** A link fails where the name is taken, at the very moment; a file system without links is looked at just before. */
  function linked(): boolean {
    try {
      return folder.link(unfinished, name)
    } catch (error) {
      if ((error as RedoubtError).code === 'ERR_STORAGE_FULL') throw error
      refuseTaken()
      folder.rename(unfinished, name)
      return true
    }
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

async function folderOf(path: string): Promise<LinkingFolder> {
  const folder = dirname(path)
  if (!existsSync(folder)) throw new RedoubtError('ERR_USAGE', `there is no folder \`${folder}\``)
  const { nodeFolder } = await import('#foundation/storage')
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

function taken(path: string, force: false | null | true): RedoubtError {
  const instead = force === null ? '' : '; say `--force` to replace it, or another name with `--out`'
  return new RedoubtError('ERR_USAGE', `\`${path}\` is there already${instead}`)
}
