import { Worker } from 'node:worker_threads'
import { type ErrorCode, type JsonObject, RedoubtError, RUNNING_EXTENSION } from '#foundation/core'
import type { DatasetVersion, RowGroup } from '#assets/datasets'
import { codeDigest } from './code-digest.ts'
import { type Algorithm, type Choices, withChoices } from './hyper-parameters.ts'
import type { Metrics } from './metrics.ts'
import { type ModelMetadata, NULL_ENCODING, type TensorSpec } from './null-encoding.ts'
import { inputSpecs } from './onnx-model.ts'
import { collectTable, type TrainingTable } from './table.ts'
import type { TrainerInput } from './trainer.worker.ts'

export interface TrainingOptions {
  readonly dataset: DatasetVersion
  /** The row groups of the version that may be learned from, in order: what the reader of data sets lets through. */
  readonly groups: AsyncIterable<RowGroup>
  readonly algorithm: Algorithm
  /** Hyper-parameters in place of the algorithm's own. */
  readonly choices?: Choices
  /** Columns that are no features beside label and subject. */
  readonly leaveOut?: readonly string[]
  /** A safe integer; the same seed gives the same model. */
  readonly seed: number
  readonly signal?: AbortSignal
  /** After each epoch: how many are done, the most there will be, loss on the stopping part in nats. */
  readonly progress?: (epoch: number, of: number, loss: number) => void
}

export interface TrainedModel {
  readonly onnx: Uint8Array
  readonly metrics: {
    /** On rows that took no part in the training; null when the table is too small to keep some out. */
    readonly accuracy: number | null
    readonly auc: number | null
    readonly logLoss: number | null
    readonly heldOutRows: number
    readonly fitRows: number
    readonly epochs: number
    readonly bestEpoch: number
  }
  readonly parameters: JsonObject
  readonly codeDigest: string
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
}

export type FromTrainer =
  | { readonly kind: 'progress'; readonly epoch: number; readonly of: number; readonly loss: number }
  | {
      readonly kind: 'done'
      readonly onnx: Uint8Array
      readonly metrics: Metrics | null
      readonly epochs: number
      readonly bestEpoch: number
      readonly fitRows: number
      readonly features: number
    }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string; readonly evidence: RedoubtError['evidence'] }

type Done = Extract<FromTrainer, { kind: 'done' }>

/** A served model has these, whatever it was trained on. */
export const OUTPUTS: readonly TensorSpec[] = [
  { name: 'label', datatype: 'INT64', shape: [-1, 1] },
  { name: 'probability', datatype: 'FP32', shape: [-1, 1] },
]

/**
 * Trains a binary classifier in a thread of its own and writes it as ONNX with the preprocessing inside. The subject column
 * is no feature. Rows leave the memory of this process in no form but the model.
 * @throws {RedoubtError} `ERR_TRAINING_LABEL`, `ERR_DATA_COLUMN`, `ERR_INPUT_TOO_LARGE`, `ERR_INPUT_INVALID` (seed, choices), `ERR_TRAINING_FAILED`;
 *   the signal's reason when it fires, after the thread is gone.
 */
export async function train(options: TrainingOptions): Promise<TrainedModel> {
  const { dataset, algorithm, seed, signal, choices = {}, leaveOut = [] } = options
  if (!Number.isSafeInteger(seed)) throw new RedoubtError('ERR_INPUT_INVALID', 'the seed is not a safe integer')
  const parameters = withChoices(algorithm, choices)
  signal?.throwIfAborted()
  const digest = codeDigest()
  const table = await collectTable(dataset, options.groups, signal, leaveOut)
  const specs = table.columns.map(({ name, type }) => ({ name, type }))
  const metadata: ModelMetadata = {
    format: 1,
    algorithm,
    features: specs.map((spec) => spec.name),
    classes: [0, 1],
    nullEncoding: NULL_ENCODING,
    dataset: { name: dataset.name, version: dataset.version, digest: dataset.digest },
    seed,
  }
  const done = await runTrainer({ table, parameters, seed, metadata }, options)
  return {
    onnx: done.onnx,
    metrics: {
      accuracy: done.metrics?.accuracy ?? null,
      auc: done.metrics?.auc ?? null,
      logLoss: done.metrics?.logLoss ?? null,
      heldOutRows: done.metrics?.rows ?? 0,
      fitRows: done.fitRows,
      epochs: done.epochs,
      bestEpoch: done.bestEpoch,
    },
    parameters: {
      ...parameters,
      encoding: { ...parameters.encoding },
      algorithm,
      seed,
      features: done.features,
      columns: specs.length,
      // How many: the pipeline's digest commits to their names, and whoever sees a model need not know of columns that are hidden.
      ...(leaveOut.length === 0 ? {} : { leftOut: leaveOut.length }),
    },
    codeDigest: digest,
    inputs: inputSpecs(specs),
    outputs: OUTPUTS,
  }
}

/** Runs the worker to its one result; whatever else happens to it is a failure, and it is gone when this settles. */
async function runTrainer(input: TrainerInput, { signal, progress }: TrainingOptions): Promise<Done> {
  signal?.throwIfAborted()
  const worker = new Worker(new URL(`./trainer.worker.${RUNNING_EXTENSION}`, import.meta.url), {
    workerData: input,
    transferList: buffersOf(input.table),
    name: 'trainer',
    // Nothing of the parent's environment, where secrets may be referenced.
    env: {},
  })
  const { promise, resolve, reject } = Promise.withResolvers<Done>()
  const abort = (): void => reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  worker.on('message', (message: FromTrainer) => {
    if (message.kind === 'done') resolve(message)
    else if (message.kind === 'progress') progress?.(message.epoch, message.of, message.loss)
    else reject(new RedoubtError(message.code, message.message, { evidence: message.evidence }))
  })
  worker.on('error', (cause) => reject(new RedoubtError('ERR_TRAINING_FAILED', 'the training thread failed', { cause })))
  worker.on('exit', () => reject(new RedoubtError('ERR_TRAINING_FAILED', 'the training thread ended without a result')))
  try {
    return await promise
  } finally {
    signal?.removeEventListener('abort', abort)
    await worker.terminate()
  }
}

function buffersOf(table: TrainingTable): ArrayBuffer[] {
  const arrays = [table.labels, ...table.columns.map((column) => (column.type === 'text' ? column.codes : column.values))]
  return arrays.map((array) => array.buffer as ArrayBuffer)
}
