import { parentPort, workerData } from 'node:worker_threads'
import { asRedoubtError } from '#foundation/core'
import { packTextModel } from './text-model.ts'
import type { FromTextTrainer, TextTrainerInput } from './train-in-thread.ts'
import { trainText } from './train-text.ts'

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
const say = (message: FromTextTrainer): void => parentPort?.postMessage(message)

try {
  const { examples, key, seed, falseAlarms } = workerData as TextTrainerInput
  const model = trainText(examples, key, {
    seed,
    falseAlarms,
    progress: (epoch, epochs) => say({ kind: 'progress', epoch, epochs }),
  })
  say({ kind: 'done', file: new Uint8Array(packTextModel(model)) })
} catch (thrown) {
  const { code, message, evidence } = asRedoubtError(thrown, 'ERR_TRAINING_FAILED')
  say({ kind: 'failed', code, message, evidence })
}
