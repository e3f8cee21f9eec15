import { modulesDigest } from '#foundation/core'

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

/** @returns SHA-256, hex, of the modules above as they run. */
export const codeDigest = (): string => modulesDigest(import.meta.url, TRANSFORM_MODULES)
