import { mayFollow, TAGS } from './tags.ts'

/**
 * The linear chain over the tags of a sentence (Lafferty, McCallum & Pereira 2001): `steps[from * TAGS + to]` are log potentials,
 * `starts[to]` those of a sentence's first token. What IOB2 forbids is impossible.
 */
export interface Chain {
  readonly starts: Float64Array
  readonly steps: Float64Array
}

/** The potentials as factors, with zeros for what is forbidden. */
export function factorsOf({ starts, steps }: Chain): Chain {
  const startFactors = new Float64Array(TAGS)
  const stepFactors = new Float64Array(TAGS * TAGS)
  for (let to = 0; to < TAGS; to++) {
    startFactors[to] = mayFollow(-1, to) ? Math.exp(starts[to]!) : 0
    for (let from = 0; from < TAGS; from++) stepFactors[from * TAGS + to] = mayFollow(from, to) ? Math.exp(steps[from * TAGS + to]!) : 0
  }
  return { starts: startFactors, steps: stepFactors }
}

/** Keeps the recursion above zero whatever the text says: a sum of nothing would blind the tagger to the end of the sentence. */
const SMALLEST_FACTOR = 1e-30

/** Turns the log potentials of a token, at `at`, into factors of which the largest is 1. */
export function toFactors(scores: Float64Array, at: number): void {
  let most = scores[at]!
  for (let t = 1; t < TAGS; t++) most = Math.max(most, scores[at + t]!)
  for (let t = 0; t < TAGS; t++) scores[at + t] = Math.max(SMALLEST_FACTOR, Math.exp(scores[at + t]! - most))
}

/**
 * One step of the forward recursion (Rabiner 1989, §III.A, with scaling): `forward` at `at` becomes the distribution of the tag of this token
 * given all before and itself. @param before where the step before lies; -1 at the start of a sentence.
 */
export function forwardStep(factors: Chain, scores: Float64Array, forward: Float64Array, before: number, at: number): void {
  let sum = 0
  for (let to = 0; to < TAGS; to++) {
    let value = 0
    if (before < 0) value = factors.starts[to]!
    else for (let from = 0; from < TAGS; from++) value += forward[before + from]! * factors.steps[from * TAGS + to]!
    value *= scores[at + to]!
    forward[at + to] = value
    sum += value
  }
  for (let t = 0; t < TAGS; t++) forward[at + t] = forward[at + t]! / sum
}

/** One step back: `backward` at `at` from that of the next token, scaled to sum 1. `after` is where the next token's `scores` and `next` lie. */
export function backwardStep(
  factors: Chain,
  scores: Float64Array,
  scoresAfter: number,
  next: Float64Array,
  nextAt: number,
  backward: Float64Array,
  at: number,
): void {
  let sum = 0
  for (let from = 0; from < TAGS; from++) {
    let value = 0
    for (let to = 0; to < TAGS; to++) value += factors.steps[from * TAGS + to]! * scores[scoresAfter + to]! * next[nextAt + to]!
    backward[at + from] = value
    sum += value
  }
  for (let t = 0; t < TAGS; t++) backward[at + t] = backward[at + t]! / sum
}
