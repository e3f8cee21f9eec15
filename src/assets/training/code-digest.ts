import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** Every module that decides what a trained model is; a test compares the list with the folder. */
export const TRAINING_MODULES = [
  'adam',
  'baseline',
  'code-digest',
  'encoding',
  'fit',
  'hyper-parameters',
  'metrics',
  'network',
  'null-encoding',
  'onnx-graph',
  'onnx-model',
  'random',
  'split',
  'table',
  'train',
  'trainer.worker',
] as const

/** `.ts` when the sources run, `.js` in the distribution. */
export const RUNNING_EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

/** @returns SHA-256, hex, over name, length and bytes of each module as it runs: sources and distribution differ on purpose. */
export function codeDigest(): string {
  const hash = createHash('sha256')
  for (const name of TRAINING_MODULES) {
    const bytes = readFileSync(new URL(`./${name}.${RUNNING_EXTENSION}`, import.meta.url))
    hash.update(`${name}.${RUNNING_EXTENSION}\n${bytes.byteLength}\n`).update(bytes)
  }
  return hash.digest('hex')
}
