import { Worker } from 'node:worker_threads'
import { type ErrorCode, RedoubtError } from '#foundation/core'
import type { Example } from './examples.ts'
import type { FeatureKey } from './sentence-reader.ts'
import { type TextModel, unpackTextModel } from './text-model.ts'

/** What the thread is handed. */
export interface TextTrainerInput {
  readonly examples: readonly Example[]
  readonly key: FeatureKey
  readonly seed: number
  readonly falseAlarms: number
}
export type FromTextTrainer =
  | { readonly kind: 'progress'; readonly epoch: number; readonly epochs: number }
  | { readonly kind: 'done'; readonly file: Uint8Array }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string; readonly evidence: RedoubtError['evidence'] }

export interface TrainInThreadOptions {
  readonly seed: number
  readonly falseAlarms: number
  readonly signal?: AbortSignal
  /** Called after each epoch. */
  readonly progress?: (epoch: number, epochs: number) => void
  /** `LONGEST_TRAINING_MS` unless given. */
  readonly timeoutMs?: number
}

const LONGEST_TRAINING_MS = 600_000
const MAX_HEAP_MB = 1_024
const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

/**
 * As `trainText`, in a thread of its own, so that requests are answered meanwhile and that it ends.
 * @throws {RedoubtError} `ERR_TRAINING_FAILED` when it is not through in time; the signal's reason when it fires; what `trainText` throws.
 */
export async function trainInThread(examples: readonly Example[], key: FeatureKey, options: TrainInThreadOptions): Promise<TextModel> {
  const { seed, falseAlarms, signal, progress, timeoutMs = LONGEST_TRAINING_MS } = options
  signal?.throwIfAborted()
  const { base1, base2, salt1, salt2 } = key
  const workerData: TextTrainerInput = { examples, key: { base1, base2, salt1, salt2 }, seed, falseAlarms }
  const worker = new Worker(new URL(`./text-trainer.worker.${EXTENSION}`, import.meta.url), {
    workerData,
    name: 'text-trainer',
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  })
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const fail = (why: string, cause?: unknown): void => reject(new RedoubtError('ERR_TRAINING_FAILED', why, { cause }))
  const timer = setTimeout(() => fail(`the classifier was not trained within ${timeoutMs / 1000} s: give fewer examples`), timeoutMs)
  const abort = (): void => reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  worker.on('message', (message: FromTextTrainer) => {
    if (message.kind === 'done') resolve(message.file)
    else if (message.kind === 'progress') progress?.(message.epoch, message.epochs)
    else reject(new RedoubtError(message.code, message.message, { evidence: message.evidence }))
  })
  worker.on('error', (cause) => fail('the thread that trains failed', cause))
  worker.on('exit', () => fail('the thread that trains ended without a result'))
  try {
    return unpackTextModel(await promise)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
    await worker.terminate()
  }
}
