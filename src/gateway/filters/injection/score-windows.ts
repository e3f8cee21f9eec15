import { FeatureReader } from './features.ts'
import type { InjectionModel } from './model.ts'
import { SCALES, windowsEndingAt } from './windows.ts'

/** The most suspicious window of a text. */
export interface WindowScore {
  /** Log odds that it was written to steer a model; -Infinity for a text without tokens. */
  readonly logit: number
  /** Offsets in the text, end exclusive. */
  readonly start: number
  readonly end: number
}

/** Positions kept: one more than the longest window, as a power of two. */
const RING = 512

/**
 * The largest log odds over all windows. The model is linear, so that a window is the difference of two running sums: one pass, constant memory,
 * whatever the number of windows. Evidence is divided by the root of the window's tokens, else long texts would be attacks by length.
 */
export function scoreWindows(text: string, model: InjectionModel): WindowScore {
  const reader = new FeatureReader(text)
  const { weights, scale, biases } = model
  const sums = new Float64Array(RING)
  const starts = new Float64Array(RING)
  const windows = new Int32Array(2 * SCALES.length)
  let best = Number.NEGATIVE_INFINITY
  let bestStart = 0
  let bestEnd = 0
  let tokens = 0
  let sum = 0
  const weigh = (last: boolean): void => {
    const count = windowsEndingAt(tokens, last, windows)
    for (let w = 0; w < count; w++) {
      const from = windows[2 * w]!
      const logit = biases[windows[2 * w + 1]!]! + ((sum - sums[from % RING]!) * scale) / Math.sqrt(tokens - from)
      if (logit <= best) continue
      best = logit
      bestStart = starts[from % RING]!
      bestEnd = reader.end
    }
  }
  while (reader.next()) {
    starts[tokens % RING] = reader.start
    sums[tokens % RING] = sum
    const { features, count } = reader
    for (let k = 0; k < count; k++) sum += weights[features[k]!]!
    tokens++
    weigh(false)
  }
  if (tokens > 0) weigh(true)
  return { logit: best, start: bestStart, end: bestEnd }
}
