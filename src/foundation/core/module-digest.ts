import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** `.ts` when the sources run, `.js` in the distribution. */
export const RUNNING_EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

/**
 * Which code some modules are, as they run: sources and distribution differ on purpose.
 * @param beside URL of a module of the folder that the names are of.
 * @param names paths below that folder without their extension; the order counts.
 * @returns SHA-256, hex, over name, length and bytes of each.
 */
export function modulesDigest(beside: string, names: readonly string[]): string {
  const hash = createHash('sha256')
  for (const name of names) {
    const bytes = readFileSync(new URL(`./${name}.${RUNNING_EXTENSION}`, beside))
    hash.update(`${name}.${RUNNING_EXTENSION}\n${bytes.byteLength}\n`).update(bytes)
  }
  return hash.digest('hex')
}
