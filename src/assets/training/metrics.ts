/** Measures of a binary classifier on rows it was not fitted to. */
export interface Metrics {
  readonly rows: number
  readonly positives: number
  /** Share of rows whose label is predicted at the threshold 0.5. */
  readonly accuracy: number
  /** Area under the ROC curve; null when one class is absent. */
  readonly auc: number | null
  /** Mean −log P(label), nats. */
  readonly logLoss: number
}

export function measure(probabilities: ArrayLike<number>, labels: Uint8Array): Metrics {
  let right = 0
  let positives = 0
  let loss = 0
  for (let i = 0; i < labels.length; i++) {
    const p = probabilities[i]!
    const label = labels[i]!
    positives += label
    if (p >= 0.5 === (label === 1)) right++
    loss -= Math.log(Math.max(1e-12, label === 1 ? p : 1 - p))
  }
  return {
    rows: labels.length,
    positives,
    accuracy: right / labels.length,
    auc: areaUnderCurve(probabilities, labels),
    logLoss: loss / labels.length,
  }
}

/** Mann–Whitney statistic with mid-ranks for ties. */
function areaUnderCurve(scores: ArrayLike<number>, labels: Uint8Array): number | null {
  const order = Uint32Array.from(labels.keys()).sort((a, b) => scores[a]! - scores[b]!)
  let positives = 0
  let rankSum = 0
  for (let i = 0; i < order.length;) {
    let end = i
    let inTie = 0
    while (end < order.length && scores[order[end]!] === scores[order[i]!]) inTie += labels[order[end++]!]!
    rankSum += (inTie * (i + 1 + end)) / 2
    positives += inTie
    i = end
  }
  const negatives = order.length - positives
  return positives === 0 || negatives === 0 ? null : (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives)
}
