/** Adam with decoupled weight decay. @see Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2 (AdamW) */
export interface Adam {
  /** One step against `gradient`, which is set to zero. */
  step(parameters: Float32Array, gradient: Float32Array, rate: number): void
}

const BETA1 = 0.9
const BETA2 = 0.999
const EPSILON = 1e-8

/** @param decays 1 where weight decay applies (weights), 0 where not (biases). */
export function createAdam(decays: Uint8Array, weightDecay: number): Adam {
  const first = new Float32Array(decays.length)
  const second = new Float32Array(decays.length)
  let power1 = 1
  let power2 = 1
  return {
    step(parameters, gradient, rate) {
      power1 *= BETA1
      power2 *= BETA2
      const scale = (rate * Math.sqrt(1 - power2)) / (1 - power1)
      const epsilon = EPSILON * Math.sqrt(1 - power2)
      const shrink = rate * weightDecay
      for (let i = 0; i < parameters.length; i++) {
        const g = gradient[i]!
        const m = BETA1 * first[i]! + (1 - BETA1) * g
        const v = BETA2 * second[i]! + (1 - BETA2) * g * g
        first[i] = m
        second[i] = v
        gradient[i] = 0
        const w = parameters[i]!
        parameters[i] = w - (scale * m) / (Math.sqrt(v) + epsilon) - shrink * decays[i]! * w
      }
    },
  }
}
