import { lstatSync, type Stats } from 'node:fs'
import { join } from 'node:path'

/**
 * Whether a folder that happens to be here is one that a server of this user made: a checkout of someone's repository or a shared folder
 * may hold files of the same names, and whoever wrote them would choose the server that tokens are sent to. A server keeps its folder for
 * its user alone; neither a checkout nor an unpacked archive is made so, unless someone means it to.
 * @param uid of the user; undefined where the system knows none, and nothing is told apart.
 * @returns null when it is, or what is wrong with it.
 */
export function strangeIn(folder: string, files: readonly string[], uid: number | undefined): string | null {
  const present = files.map((name) => join(folder, name)).filter((path) => statOf(path) !== null)
  if (present.length === 0 || uid === undefined) return null
  for (const path of [folder, ...present]) {
    const stats = statOf(path)
    if (stats === null || stats.isSymbolicLink()) return `\`${path}\` is a link`
    if (stats.uid !== uid) return `\`${path}\` belongs to another user`
    if ((stats.mode & 0o022) !== 0) return `others may write to \`${path}\``
  }
  return (statOf(folder)!.mode & 0o077) === 0 ? null : `\`${folder}\` is open to others, which a server’s data directory is not`
}

function statOf(path: string): Stats | null {
  try {
    return lstatSync(path)
  } catch {
    return null
  }
}
