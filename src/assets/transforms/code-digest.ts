import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** Every module that decides what comes out of a transform; a test compares the list with the folder. */
export const TRANSFORM_MODULES = [
  'apply-steps',
  'code-digest',
  'definition',
  'expression/compile',
  'expression/functions',
  'expression/parse',
  'expression/syntax',
  'expression/tokens',
  'expression/typed',
  'inherited-scan',
  'join-index',
  'plan',
  'rows',
  'run-transform',
  'thread-answers',
  'transform-work',
  'transform.worker',
  'worker-port',
] as const

/** `.ts` when the sources run, `.js` in the distribution. */
export const RUNNING_EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

/** @returns SHA-256, hex, over name, length and bytes of each module as it runs: sources and distribution differ on purpose. */
export function codeDigest(): string {
  const hash = createHash('sha256')
  for (const name of TRANSFORM_MODULES) {
    const bytes = readFileSync(new URL(`./${name}.${RUNNING_EXTENSION}`, import.meta.url))
    hash.update(`${name}.${RUNNING_EXTENSION}\n${bytes.byteLength}\n`).update(bytes)
  }
  return hash.digest('hex')
}
