import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** `.ts` when the sources run, `.js` in the distribution. */
const EXTENSION = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const NOT_RUN = /\.(test|system|fixtures?)\.ts$/

let known: Promise<string> | null = null

/**
 * Which code this process runs: SHA-256, hex, over name, length and bytes of each of the server's own modules, read once. Sources and
 * distribution differ on purpose; packages are not in it, they are pinned by the lock file. What was changed in memory does not show.
 */
export function codeDigest(): Promise<string> {
  known ??= digestOf(ROOT, EXTENSION)
  known.catch(() => (known = null))
  return known
}

/** @param folder with a `/` at its end. */
export async function digestOf(folder: string, extension: string): Promise<string> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(extension) && !NOT_RUN.test(name)).toSorted()
  const hash = createHash('sha256')
  for (const name of names) {
    const bytes = await readFile(`${folder}${name}`)
    hash.update(`${name}\n${bytes.byteLength}\n`).update(bytes)
  }
  return hash.digest('hex')
}
