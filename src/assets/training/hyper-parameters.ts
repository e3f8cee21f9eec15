import { z } from 'zod'
import { RedoubtError } from '#foundation/core'
import type { EncodingLimits } from './encoding.ts'

export const ALGORITHMS = ['logistic', 'mlp'] as const
export type Algorithm = (typeof ALGORITHMS)[number]

/** Everything that, with data, seed and code, determines a model. Recorded as the run's parameters. */
export interface HyperParameters {
  readonly hidden: readonly number[]
  readonly learningRate: number
  /** The rate falls to zero over this many epochs along half a cosine. */
  readonly maxEpochs: number
  /** Steps that even the smallest table gets; it then has more epochs, and more patience in proportion. */
  readonly minSteps: number
  /** Stop after this many epochs without a better loss on the stopping part. */
  readonly patience: number
  /** Rows per step: a 64th of the training rows within these bounds. */
  readonly minBatch: number
  readonly maxBatch: number
  readonly weightDecay: number
  /** Share of the running average of the parameters kept at each step; the average is the model. */
  readonly averaging: number
  /** Shares of the rows kept out of the fit: to stop it, and to measure the result. */
  readonly stoppingShare: number
  readonly heldOutShare: number
  readonly encoding: EncodingLimits
}

const ENCODING: EncodingLimits = {
  maxIntervals: 32,
  minIntervals: 8,
  rowsPerInterval: 800,
  maxDistinctKnots: 24,
  maxCategories: 256,
  minCategoryRows: 5,
  minCategoryShare: 0.0005,
  maxFeatures: 4096,
}

/** Chosen on splits of the training files of the shared tables; the test file took no part. */
export const HYPER_PARAMETERS: Readonly<Record<Algorithm, HyperParameters>> = {
  logistic: {
    hidden: [],
    learningRate: 0.02,
    maxEpochs: 30,
    minSteps: 500,
    patience: 5,
    minBatch: 16,
    maxBatch: 256,
    weightDecay: 0.03,
    averaging: 0.995,
    stoppingShare: 0.1,
    heldOutShare: 0.1,
    encoding: ENCODING,
  },
  mlp: {
    hidden: [64, 32],
    learningRate: 0.003,
    maxEpochs: 16,
    minSteps: 500,
    patience: 3,
    minBatch: 16,
    maxBatch: 256,
    weightDecay: 0.5,
    averaging: 0.995,
    stoppingShare: 0.1,
    heldOutShare: 0.1,
    encoding: ENCODING,
  },
}

/**
 * What whoever trains may choose in place of the above, within bounds under which a training ends and is still measured: at most four
 * hidden layers of 256, at most 200 epochs, and at least a twentieth of the rows to stop it and another to measure it.
 */
export const choicesSchema = z.strictObject({
  hidden: z.array(z.int().min(1).max(256)).min(1).max(4).optional(),
  learningRate: z.number().min(1e-6).max(1).optional(),
  maxEpochs: z.int().min(1).max(200).optional(),
  patience: z.int().min(1).max(200).optional(),
  maxBatch: z.int().min(16).max(4096).optional(),
  weightDecay: z.number().min(0).max(10).optional(),
  averaging: z.number().min(0).max(0.9999).optional(),
  stoppingShare: z.number().min(0.05).max(0.4).optional(),
  heldOutShare: z.number().min(0.05).max(0.4).optional(),
})
export type Choices = z.output<typeof choicesSchema>

/** @throws {RedoubtError} `ERR_INPUT_INVALID` for a choice out of bounds, or hidden layers in a logistic regression. */
export function withChoices(algorithm: Algorithm, choices: Choices): HyperParameters {
  const { success, data } = choicesSchema.safeParse(choices)
  if (!success) throw new RedoubtError('ERR_INPUT_INVALID', 'a hyper-parameter is out of its bounds')
  if (algorithm === 'logistic' && data.hidden !== undefined)
    throw new RedoubtError('ERR_INPUT_INVALID', 'a logistic regression has no hidden layers')
  const chosen = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined))
  return { ...HYPER_PARAMETERS[algorithm], ...chosen }
}
