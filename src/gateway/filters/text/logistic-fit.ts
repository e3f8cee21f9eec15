import type { Random } from './random.ts'

export const LEARNING_RATE = 0.1
const DECAY = 1e-4
/** Share of features hidden at each step, so that no single phrase decides. */
const DROPOUT = 0.3
/** Largest weight told apart. */
const CLIP = 2

/** A window of text that one step learns from. */
export interface LearnedWindow {
  readonly label: 0 | 1
  /** Its features are `buckets[from]` … `buckets[to - 1]`. */
  readonly buckets: Int32Array
  readonly from: number
  readonly to: number
  readonly tokens: number
  /** Which bias is its own. */
  readonly bias: number
  /** How much it counts, 1 for as it is. */
  readonly weight?: number
}

/**
 * A logistic regression on hashed features, fitted step by step (AdaGrad: Duchi, Hazan & Singer 2011) with dropout. Evidence is divided by the root of a
 * window's tokens, else long texts would be what they are by length. Same random numbers and steps, same weights.
 */
export class LogisticFit {
  rate = LEARNING_RATE
  readonly weights: Float32Array
  readonly biases: Float64Array
  readonly #squares: Float32Array
  readonly #biasSquares: Float64Array
  readonly #random: Random
  #active = new Int32Array(1024)

  constructor(random: Random, buckets: number, biases: number) {
    this.#random = random
    this.weights = new Float32Array(buckets)
    this.biases = new Float64Array(biases)
    this.#squares = new Float32Array(buckets).fill(1e-3)
    this.#biasSquares = new Float64Array(biases).fill(1)
  }

  /** @returns the loss of the window before the step, in nats. */
  step({ label, buckets, from, to, tokens, bias, weight = 1 }: LearnedWindow): number {
    const { weights } = this
    const squares = this.#squares
    const norm = 1 / (Math.sqrt(tokens) * (1 - DROPOUT))
    if (this.#active.length < to - from) this.#active = new Int32Array(2 * (to - from))
    const active = this.#active
    let count = 0
    let sum = 0
    for (let k = from; k < to; k++) {
      if (this.#random.next() < DROPOUT) continue
      const bucket = buckets[k]!
      active[count++] = bucket
      sum += weights[bucket]!
    }
    const logit = this.biases[bias]! + sum * norm
    const error = weight * (1 / (1 + Math.exp(-logit)) - label)
    const gradient = error * norm
    for (let k = 0; k < count; k++) {
      const bucket = active[k]!
      const step = gradient + DECAY * weights[bucket]!
      squares[bucket] = squares[bucket]! + step * step
      weights[bucket] = weights[bucket]! - (this.rate * step) / Math.sqrt(squares[bucket])
    }
    this.#biasSquares[bias] = this.#biasSquares[bias]! + error * error
    this.biases[bias] = this.biases[bias]! - (this.rate * error) / Math.sqrt(this.#biasSquares[bias])
    const signed = label === 1 ? -logit : logit
    return Math.max(0, signed) + Math.log1p(Math.exp(-Math.abs(signed)))
  }
}

/** Weights in eight bits. @returns them in units of `scale`. */
export function quantised(weights: Float32Array | Float64Array): { readonly weights: Int8Array; readonly scale: number } {
  const scale = CLIP / 127
  return { weights: Int8Array.from(weights, (weight) => Math.max(-127, Math.min(127, Math.round(weight / scale)))), scale }
}
