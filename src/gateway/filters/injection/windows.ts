/** Tokens of a window. A text shorter than a window is one window of its own. */
export const SCALES = [12, 32, 96, 256] as const
/** A window begins every so many of its own length. */
const STRIDES_A_WINDOW = 4

/** Index of the smallest scale that holds so many tokens. */
export function scaleOf(tokens: number): number {
  for (let scale = 0; scale < SCALES.length; scale++) if (tokens <= SCALES[scale]!) return scale
  return SCALES.length - 1
}

export interface Window {
  /** Tokens, end exclusive. */
  readonly from: number
  readonly to: number
  readonly scale: number
}

/**
 * The windows of a text of so many tokens that end at token `at` (exclusive): those whose stride has come. The last token ends one of each scale.
 * @returns how many were written to `out` as pairs of start and scale.
 */
export function windowsEndingAt(at: number, last: boolean, out: Int32Array): number {
  let count = 0
  for (let scale = 0; scale < SCALES.length; scale++) {
    const size = SCALES[scale]!
    if (at < size) {
      if (!last) break
      out[count++] = 0
      out[count++] = scaleOf(at)
      break
    }
    if (!last && at % (size / STRIDES_A_WINDOW) !== 0) continue
    out[count++] = at - size
    out[count++] = scale
  }
  return count / 2
}
