import { RedoubtError } from '#foundation/core'
import type { TensorSpec } from '#assets/registry'
import type { RuntimeTensor } from './runtime-tensor.ts'
import { type InferTensor, MAX_CALL_ELEMENTS } from './tensors.ts'

/**
 * Holds what a model answers against what was signed: a process that was taken over cannot pass other tensors off as its own.
 * @throws {RedoubtError} `ERR_MODEL_CRASHED`
 */
export function checkOutputs(specs: readonly TensorSpec[], outputs: readonly RuntimeTensor[]): readonly InferTensor[] {
  if (outputs.length !== specs.length) throw wrongAnswer()
  let elements = 0
  for (const [i, output] of outputs.entries()) {
    const spec = specs[i]
    elements += output.data.length
    if (output.name !== spec?.name || output.datatype !== spec.datatype || elements > MAX_CALL_ELEMENTS) throw wrongAnswer()
  }
  return outputs
}

const wrongAnswer = (): RedoubtError => new RedoubtError('ERR_MODEL_CRASHED', 'the model gave an answer that does not fit its description')
