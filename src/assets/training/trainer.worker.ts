import { parentPort, workerData } from 'node:worker_threads'
import { asRedoubtError } from '#foundation/core'
import { baselineOf } from './baseline.ts'
import { fit } from './fit.ts'
import type { HyperParameters } from './hyper-parameters.ts'
import type { ModelMetadata } from './null-encoding.ts'
import { writeModel } from './onnx-model.ts'
import type { FromTrainer } from './train.ts'
import type { TrainingTable } from './table.ts'

/** What the parent hands over; the table's buffers are moved, not copied. */
export interface TrainerInput {
  readonly table: TrainingTable
  readonly parameters: HyperParameters
  readonly seed: number
  readonly metadata: ModelMetadata
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
const say = (message: FromTrainer): void => parentPort?.postMessage(message)

try {
  const { table, parameters, seed, metadata } = workerData as TrainerInput
  const model = fit(table, parameters, seed, (epoch, of, loss) => say({ kind: 'progress', epoch, of, loss }))
  const baseline = baselineOf(table.columns, model.encoding)
  const onnx = writeModel(table.columns, model.encoding, model.network, { ...metadata, baseline })
  const { metrics, epochs, bestEpoch, fitRows } = model
  say({ kind: 'done', onnx, metrics, epochs, bestEpoch, fitRows, features: model.encoding.features })
} catch (thrown) {
  const error = asRedoubtError(thrown, 'ERR_TRAINING_FAILED')
  say({ kind: 'failed', code: error.code, message: error.message, evidence: error.evidence })
}
