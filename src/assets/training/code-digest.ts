import { modulesDigest } from '#foundation/core'

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

/** @returns SHA-256, hex, of the modules above as they run. */
export const codeDigest = (): string => modulesDigest(import.meta.url, TRAINING_MODULES)
