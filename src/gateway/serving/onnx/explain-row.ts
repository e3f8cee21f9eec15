import onnxProto from 'onnx-proto'
import { parseStrictJsonText, RedoubtError } from '#foundation/core'
import { isVerifiedModel, type TensorSpec, type VerifiedModel } from '#assets/registry'
import { METADATA_KEY } from '#assets/training'
import { type Attribution, attribute } from './attribution.ts'
import { openSession } from './runtime-session.ts'
import { encodeInputs, type InferTensor } from './tensors.ts'

// The package is CommonJS whose names Node cannot see.
const { onnx } = onnxProto

export type ExplainedValue = string | number | null

/** Why a model scored a row as it did, in log-odds of the answer 1. */
export interface RowExplanation extends Omit<Attribution, 'contributions' | 'standardErrors'> {
  /** P(1) of the row. */
  readonly probability: number
  /** Largest first. */
  readonly contributions: readonly {
    readonly feature: string
    readonly value: ExplainedValue
    /** What it is compared with: the median, or the most frequent text, of the rows that the model learned from. */
    readonly baseline: ExplainedValue
    readonly contribution: number
    readonly standardError: number | null
  }[]
}

const MAX_METADATA_LENGTH = 4 * 1024 * 1024

/**
 * Explains one row by a model trained here: the contribution of each column to the log-odds, relative to a typical row of its training data.
 * @param values of the row, in the order of the model's inputs.
 * @throws {RedoubtError} `ERR_EXPLANATION` for a model that tells no baseline, `ERR_MODEL_SIGNATURE` for one that was not verified,
 *   `ERR_INPUT_INVALID`, `ERR_LIMIT_CALL_SIZE`.
 */
export async function explainRow(model: VerifiedModel, values: readonly ExplainedValue[]): Promise<RowExplanation> {
  if (!isVerifiedModel(model)) throw new RedoubtError('ERR_MODEL_SIGNATURE', 'only a verified model is explained')
  const { version, bytes } = model
  if (version.foreign)
    throw new RedoubtError(
      'ERR_EXPLANATION',
      'a model made elsewhere does not say what a typical row of its data is; explain it with the tools that made it',
    )
  const { file, logit, algorithm, baseline } = explainable(bytes, version.inputs)
  const { inputs } = version
  if (values.length !== inputs.length) throw new RedoubtError('ERR_INPUT_INVALID', 'the row does not have one value for each input')
  const session = await openSession(file)
  try {
    const score = async (sets: readonly ReadonlySet<number>[]): Promise<readonly number[]> => {
      const tensors = inputs.map((spec, column): InferTensor => ({
        name: spec.name,
        datatype: spec.datatype,
        shape: [sets.length, 1],
        data: sets.map((set) => (set.has(column) ? values[column]! : baseline[column]!)),
      }))
      const outputs = await session.run(encodeInputs(inputs, tensors, sets.length))
      const scores = Array.from((outputs.find(({ name }) => name === logit)?.data ?? []) as ArrayLike<number>, Number)
      if (scores.length !== sets.length || scores.some((each) => !Number.isFinite(each)))
        throw new RedoubtError('ERR_EXPLANATION', 'the model gives this row no finite score')
      return scores
    }
    const differing = inputs.flatMap((_, column) => (values[column] === baseline[column] ? [] : [column]))
    const { contributions, standardErrors, ...found } = await attribute({
      columns: inputs.length,
      differing,
      additive: algorithm === 'logistic',
      score,
    })
    return {
      ...found,
      probability: 1 / (1 + Math.exp(-found.score)),
      contributions: inputs
        .map(({ name }, column) => ({
          feature: name,
          value: values[column]!,
          baseline: baseline[column]!,
          contribution: contributions[column]!,
          standardError: standardErrors?.[column] ?? null,
        }))
        .toSorted((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution) || (a.feature < b.feature ? -1 : 1)),
    }
  } finally {
    await session.release().catch(() => undefined)
  }
}

interface Explainable {
  /** The model with the log-odds as one output more: a probability near 0 or 1 has lost what they say. */
  readonly file: Uint8Array
  readonly logit: string
  readonly algorithm: string
  readonly baseline: readonly ExplainedValue[]
}

function explainable(bytes: Uint8Array, inputs: readonly TensorSpec[]): Explainable {
  const model = onnx.ModelProto.decode(bytes)
  const { algorithm, features, baseline } = described(model.metadataProps.find(({ key }) => key === METADATA_KEY)?.value ?? '{}')
  const fits = (value: unknown, { datatype }: TensorSpec): boolean =>
    value === null || (datatype === 'BYTES' ? typeof value === 'string' : typeof value === 'number')
  if (
    !Array.isArray(features) ||
    !Array.isArray(baseline) ||
    baseline.length !== inputs.length ||
    inputs.some((spec, i) => features[i] !== spec.name || !fits(baseline[i], spec))
  )
    throw new RedoubtError('ERR_EXPLANATION', 'the model was trained before a typical row was kept with it; train it again')
  const graph = model.graph
  const logit = graph?.node?.find(({ opType, output }) => opType === 'Sigmoid' && output?.[0] === 'probability')?.input?.[0]
  const probability = graph?.output?.find(({ name }) => name === 'probability')
  if (!graph?.output || !logit || !probability) throw new RedoubtError('ERR_EXPLANATION', 'the model has no score that could be explained')
  graph.output.push({ ...probability, name: logit })
  return { file: onnx.ModelProto.encode(model).finish(), logit, algorithm: String(algorithm), baseline: baseline as ExplainedValue[] }
}

function described(text: string): { readonly algorithm?: unknown; readonly features?: unknown; readonly baseline?: unknown } {
  try {
    return parseStrictJsonText(text, { maxBytes: MAX_METADATA_LENGTH, maxDepth: 16 }) as object
  } catch {
    throw new RedoubtError('ERR_EXPLANATION', 'the model describes itself in a form that is not understood')
  }
}
