import type { DurableFolder } from './durable-folder.ts'

/** A folder of a folder, with the same guarantees; it is made, durably, with the first file. @param name without `/`; empty for the folder itself. */
export function subfolder(folder: DurableFolder, name: string): DurableFolder {
  if (name === '') return folder
  const at = (path: string): string => (path === '' ? name : `${name}/${path}`)
  return {
    open(path, options) {
      if (options?.create === true) {
        folder.makeFolder(name)
        folder.syncFolder('')
      }
      return folder.open(at(path), options)
    },
    read: (path) => folder.read(at(path)),
    list: (path) => folder.list(at(path)),
    exists: (path) => folder.exists(at(path)),
    makeFolder: (path) => folder.makeFolder(at(path)),
    rename: (from, to) => folder.rename(at(from), at(to)),
    remove: (path) => folder.remove(at(path)),
    syncFolder: (path) => folder.syncFolder(at(path)),
  }
}
