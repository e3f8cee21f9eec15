import type { SparseRows } from './encoding.ts'
import type { Random } from './random.ts'

/**
 * A feed-forward network with one logistic output: `widths` = [features, hidden …, 1]. No hidden layer is logistic regression.
 * All parameters lie in one array, so that optimiser, copy and average are one loop; `layers` says where each part lies.
 */
export interface Network {
  readonly widths: readonly number[]
  readonly layers: readonly Layer[]
  readonly parameters: Float32Array
}

interface Layer {
  readonly inputs: number
  readonly outputs: number
  /** Offset of weights [inputs × outputs], row-major. */
  readonly weights: number
  readonly bias: number
}

export function createNetwork(widths: readonly number[], random: Random): Network {
  const layers: Layer[] = []
  let size = 0
  for (let l = 0; l + 1 < widths.length; l++) {
    const inputs = widths[l]!
    const outputs = widths[l + 1]!
    layers.push({ inputs, outputs, weights: size, bias: size + inputs * outputs })
    size += inputs * outputs + outputs
  }
  const parameters = new Float32Array(size)
  layers.forEach((layer, l) => {
    // A linear model starts at zero: its loss is convex. He initialisation otherwise, the sparse first layer counted as 32 active inputs.
    if (layers.length === 1) return
    const scale = Math.sqrt(2 / (l === 0 ? Math.min(32, layer.inputs) : layer.inputs))
    const factor = l === layers.length - 1 ? 0.5 : 1
    for (let i = layer.weights; i < layer.bias; i++) parameters[i] = random.normal() * scale * factor
  })
  return { widths, layers, parameters }
}

/** Memory for one batch, reused. */
export interface Workspace {
  readonly capacity: number
  /** Output of each layer, [capacity × outputs]; the last holds logits. */
  readonly outputs: readonly Float32Array[]
  /** Gradient of the loss by each layer's output. */
  readonly deltas: readonly Float32Array[]
}

export function createWorkspace(network: Network, capacity: number): Workspace {
  const buffers = (): Float32Array[] => network.layers.map((layer) => new Float32Array(capacity * layer.outputs))
  return { capacity, outputs: buffers(), deltas: buffers() }
}

export const sigmoid = (logit: number): number => 1 / (1 + Math.exp(-logit))

/** Leaves the logits of `rows` rows in the last output of the workspace. */
export function forward(network: Network, input: SparseRows, rows: number, workspace: Workspace): Float32Array {
  const { layers, parameters } = network
  layers.forEach((layer, l) => {
    const out = workspace.outputs[l]!
    if (l === 0) sparseForward(parameters, layer, input, rows, out)
    else denseForward(parameters, layer, workspace.outputs[l - 1]!, rows, out)
    if (l + 1 < layers.length) rectify(out, rows * layer.outputs)
  })
  return workspace.outputs[layers.length - 1]!
}

function rectify(values: Float32Array, count: number): void {
  for (let i = 0; i < count; i++) if (values[i]! < 0) values[i] = 0
}

function sparseForward(p: Float32Array, layer: Layer, input: SparseRows, rows: number, out: Float32Array): void {
  const { outputs, weights, bias } = layer
  const { starts, features, values } = input
  for (let r = 0; r < rows; r++) {
    const to = r * outputs
    for (let j = 0; j < outputs; j++) out[to + j] = p[bias + j]!
    for (let e = starts[r]!; e < starts[r + 1]!; e++) {
      const from = weights + features[e]! * outputs
      const value = values[e]!
      for (let j = 0; j < outputs; j++) out[to + j] = out[to + j]! + value * p[from + j]!
    }
  }
}

function denseForward(p: Float32Array, layer: Layer, input: Float32Array, rows: number, out: Float32Array): void {
  const { inputs, outputs, weights, bias } = layer
  for (let r = 0; r < rows; r++) {
    const to = r * outputs
    for (let j = 0; j < outputs; j++) out[to + j] = p[bias + j]!
    for (let i = 0; i < inputs; i++) {
      const value = input[r * inputs + i]!
      // About half of the rectified units are silent.
      if (value === 0) continue
      const from = weights + i * outputs
      for (let j = 0; j < outputs; j++) out[to + j] = out[to + j]! + value * p[from + j]!
    }
  }
}

/**
 * Adds the gradient of the mean logistic loss over the batch to `gradient`; call after `forward` with the same arguments.
 * @returns the summed loss, in nats.
 */
export function backward(
  network: Network,
  input: SparseRows,
  labels: Uint8Array,
  rows: number,
  workspace: Workspace,
  gradient: Float32Array,
): number {
  const { layers, parameters } = network
  const last = layers.length - 1
  const logits = workspace.outputs[last]!
  const top = workspace.deltas[last]!
  let loss = 0
  for (let r = 0; r < rows; r++) {
    const z = logits[r]!
    loss += logisticLoss(z, labels[r]!)
    top[r] = (sigmoid(z) - labels[r]!) / rows
  }
  for (let l = last; l >= 0; l--) {
    const layer = layers[l]!
    const delta = workspace.deltas[l]!
    if (l === 0) sparseBackward(layer, input, rows, delta, gradient)
    else denseBackward(parameters, layer, workspace.outputs[l - 1]!, rows, delta, workspace.deltas[l - 1]!, gradient)
  }
  return loss
}

/** −log P(label), stable for any logit. */
export function logisticLoss(logit: number, label: number): number {
  const signed = label === 1 ? -logit : logit
  return Math.max(0, signed) + Math.log1p(Math.exp(-Math.abs(signed)))
}

function sparseBackward(layer: Layer, input: SparseRows, rows: number, delta: Float32Array, gradient: Float32Array): void {
  const { outputs, weights, bias } = layer
  const { starts, features, values } = input
  for (let r = 0; r < rows; r++) {
    const from = r * outputs
    for (let j = 0; j < outputs; j++) gradient[bias + j] = gradient[bias + j]! + delta[from + j]!
    for (let e = starts[r]!; e < starts[r + 1]!; e++) {
      const to = weights + features[e]! * outputs
      const value = values[e]!
      for (let j = 0; j < outputs; j++) gradient[to + j] = gradient[to + j]! + value * delta[from + j]!
    }
  }
}

function denseBackward(
  p: Float32Array,
  layer: Layer,
  input: Float32Array,
  rows: number,
  delta: Float32Array,
  below: Float32Array,
  gradient: Float32Array,
): void {
  const { inputs, outputs, weights, bias } = layer
  for (let r = 0; r < rows; r++) {
    const from = r * outputs
    for (let j = 0; j < outputs; j++) gradient[bias + j] = gradient[bias + j]! + delta[from + j]!
    for (let i = 0; i < inputs; i++) {
      const value = input[r * inputs + i]!
      // A silent unit passes no gradient in either direction (ReLU).
      if (value === 0) {
        below[r * inputs + i] = 0
        continue
      }
      const at = weights + i * outputs
      let sum = 0
      for (let j = 0; j < outputs; j++) {
        const d = delta[from + j]!
        sum += d * p[at + j]!
        gradient[at + j] = gradient[at + j]! + value * d
      }
      below[r * inputs + i] = sum
    }
  }
}
