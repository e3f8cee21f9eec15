import { RedoubtError } from '#foundation/core'
import { createAdam } from './adam.ts'
import { allocateSparse, encodeRows, type Encoding, learnEncoding, type SparseRows } from './encoding.ts'
import type { HyperParameters } from './hyper-parameters.ts'
import { measure, type Metrics } from './metrics.ts'
import { backward, createNetwork, createWorkspace, forward, logisticLoss, type Network, sigmoid, type Workspace } from './network.ts'
import { seededRandom, shuffle } from './random.ts'
import { splitRows } from './split.ts'
import type { TrainingTable } from './table.ts'

export interface FittedModel {
  readonly encoding: Encoding
  readonly network: Network
  /** On the held-out part; null when there were too few rows to keep one out. */
  readonly metrics: Metrics | null
  /** Epochs run, and the one whose parameters are the model. */
  readonly epochs: number
  readonly bestEpoch: number
  readonly fitRows: number
}

/** Rows scored at once when no gradient is needed. */
const SCORING_BATCH = 512

/**
 * Learns encoding and weights from the table. Deterministic: table, hyper-parameters and seed give the same bits on one
 * version of the platform. The encoding, too, is learned from the fitting part alone.
 * @throws {RedoubtError} `ERR_TRAINING_FAILED` when the loss is not finite.
 */
export function fit(
  table: TrainingTable,
  parameters: HyperParameters,
  seed: number,
  progress: (epoch: number, of: number, loss: number) => void = () => undefined,
): FittedModel {
  const random = seededRandom(seed)
  const split = splitRows(table.labels, { stopping: parameters.stoppingShare, heldOut: parameters.heldOutShare }, random)
  const rows = split.fit
  const encoding = learnEncoding(table, rows, parameters.encoding)
  const network = createNetwork([encoding.features, ...parameters.hidden, 1], random)
  const batch = Math.min(parameters.maxBatch, Math.max(parameters.minBatch, Math.ceil(rows.length / 64)))
  const steps = Math.ceil(rows.length / batch)
  // A small table gets more epochs, or it would end after a handful of steps.
  const epochs = Math.max(parameters.maxEpochs, Math.ceil(parameters.minSteps / steps))
  const patience = Math.ceil((parameters.patience * epochs) / parameters.maxEpochs)
  const total = steps * epochs

  const adam = createAdam(decayMask(network), parameters.weightDecay)
  const gradient = new Float32Array(network.parameters.length)
  const average: Network = { ...network, parameters: network.parameters.slice() }
  const workspace = createWorkspace(network, Math.max(batch, SCORING_BATCH))
  const sparse = allocateSparse(encoding, workspace.capacity)
  const labels = new Uint8Array(workspace.capacity)
  let best = { loss: Infinity, epoch: 0, parameters: network.parameters.slice() }
  let step = 0
  let epoch = 0

  while (epoch < epochs && epoch - best.epoch < patience) {
    epoch++
    shuffle(rows, random)
    let trainingLoss = 0
    for (let from = 0; from < rows.length; from += batch) {
      const to = Math.min(rows.length, from + batch)
      encodeRows(table, encoding, rows, from, to, sparse)
      for (let i = from; i < to; i++) labels[i - from] = table.labels[rows[i]!]!
      forward(network, sparse, to - from, workspace)
      trainingLoss += backward(network, sparse, labels, to - from, workspace, gradient)
      const rate = (parameters.learningRate * (1 + Math.cos((Math.PI * step) / total))) / 2
      adam.step(network.parameters, gradient, rate)
      step++
      follow(average.parameters, network.parameters, Math.min(parameters.averaging, step / (step + 9)))
    }
    const loss =
      split.stopping.length > 0 ? meanLoss(average, table, encoding, split.stopping, workspace, sparse) : trainingLoss / rows.length
    if (!Number.isFinite(loss)) throw new RedoubtError('ERR_TRAINING_FAILED', `the loss is not finite after epoch ${epoch}`)
    if (loss < best.loss) best = { loss, epoch, parameters: average.parameters.slice() }
    progress(epoch, epochs, loss)
  }

  const model: Network = { ...network, parameters: best.parameters }
  const metrics =
    split.heldOut.length > 0
      ? measure(
          score(model, table, encoding, split.heldOut, workspace, sparse),
          table.labels.length > 0 ? Uint8Array.from(split.heldOut, (row) => table.labels[row]!) : new Uint8Array(),
        )
      : null
  return { encoding, network: model, metrics, epochs: epoch, bestEpoch: best.epoch, fitRows: rows.length }
}

/** P(label = 1) of every row of a table, by the trainer's own forward pass. */
export function predict(model: Pick<FittedModel, 'network' | 'encoding'>, table: TrainingTable): Float32Array {
  const workspace = createWorkspace(model.network, SCORING_BATCH)
  return score(
    model.network,
    table,
    model.encoding,
    Uint32Array.from({ length: table.rows }, (_, i) => i),
    workspace,
    allocateSparse(model.encoding, SCORING_BATCH),
  )
}

function score(
  network: Network,
  table: TrainingTable,
  encoding: Encoding,
  rows: Uint32Array,
  workspace: Workspace,
  sparse: SparseRows,
): Float32Array {
  const probabilities = new Float32Array(rows.length)
  eachLogit(network, table, encoding, rows, workspace, sparse, (i, logit) => (probabilities[i] = sigmoid(logit)))
  return probabilities
}

function meanLoss(
  network: Network,
  table: TrainingTable,
  encoding: Encoding,
  rows: Uint32Array,
  workspace: Workspace,
  sparse: SparseRows,
): number {
  let sum = 0
  eachLogit(network, table, encoding, rows, workspace, sparse, (i, logit) => (sum += logisticLoss(logit, table.labels[rows[i]!]!)))
  return sum / rows.length
}

function eachLogit(
  network: Network,
  table: TrainingTable,
  encoding: Encoding,
  rows: Uint32Array,
  workspace: Workspace,
  sparse: SparseRows,
  visit: (i: number, logit: number) => void,
): void {
  for (let from = 0; from < rows.length; from += SCORING_BATCH) {
    const to = Math.min(rows.length, from + SCORING_BATCH)
    encodeRows(table, encoding, rows, from, to, sparse)
    const logits = forward(network, sparse, to - from, workspace)
    for (let i = from; i < to; i++) visit(i, logits[i - from]!)
  }
}

function decayMask(network: Network): Uint8Array {
  const mask = new Uint8Array(network.parameters.length)
  for (const layer of network.layers) mask.fill(1, layer.weights, layer.bias)
  return mask
}

function follow(average: Float32Array, current: Float32Array, kept: number): void {
  for (let i = 0; i < average.length; i++) average[i] = kept * average[i]! + (1 - kept) * current[i]!
}
