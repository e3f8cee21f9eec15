import { createHash } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import { seededRandom, shuffle, type Random } from '../text/random.ts'
import { backwardStep, type Chain, factorsOf, forwardStep, toFactors } from './chain.ts'
import { BUCKETS } from './features.ts'
import type { LabelledSpan, LabelledText } from './labelled-text.ts'
import { createNamesModel, type NamesModel } from './model.ts'
import { type Sentence, sentencesOf } from './sentences.ts'
import { chooseCuts } from './cuts.ts'
import { NAME_ENTITIES, STRIDE, TAGS } from './tags.ts'

export interface Corpus {
  readonly name: string
  readonly train: readonly LabelledText[]
  /** Texts that take no part in the fit: the cuts are chosen on them. */
  readonly dev: readonly LabelledText[]
}

export interface TrainNamesOptions {
  readonly seed: number
  readonly epochs?: number
  /** Called after each epoch with the mean negative log-likelihood of a token, in nats. */
  readonly progress?: (epoch: number, epochs: number, loss: number) => void
}

const EPOCHS = 6
const LEARNING_RATE = 0.08
/** L2 decay of a weight each time it is updated. */
const DECAY = 2e-5
/** Share of tokens whose own word is hidden, so that unseen names are found by context, shape and affixes. */
const WORD_DROPOUT = 0.35
/** Share of other features that are hidden. */
const FEATURE_DROPOUT = 0.1
/** Share of sentences that are learned in lower case as well, as chats are written; and in capitals, as forms are. */
const LOWER_CASE = 0.25
const UPPER_CASE = 0.06
/** Gradients below this are not worth the memory traffic. */
const SMALLEST_GRADIENT = 1e-3
/** Largest weight that is told apart, in units of the log odds. */
const CLIP = 3

/**
 * Fits a conditional random field (Lafferty, McCallum & Pereira 2001) by AdaGrad (Duchi et al. 2011), one sentence at a time. The same
 * texts, options and code give the same bytes.
 * @throws {RedoubtError} `ERR_USAGE` if there is nothing to learn from or to choose the cuts on.
 */
export function trainNames(corpora: readonly Corpus[], options: TrainNamesOptions): NamesModel {
  const { seed, epochs = EPOCHS, progress } = options
  const random = seededRandom(seed)
  const sentences = corpora.flatMap(({ train }) => train.flatMap((labelled) => variants(labelled, random).flatMap(sentencesOf)))
  if (!sentences.some(({ tags }) => tags.some((tag) => tag > 0)))
    throw new RedoubtError('ERR_USAGE', 'the corpora mark no name to learn from')
  if (!corpora.some(({ dev }) => dev.some(({ spans }) => spans.length > 0)))
    throw new RedoubtError('ERR_USAGE', 'the corpora have no texts with names to choose the cuts on: add `dev.conll` or `dev.jsonl`')

  const fit = new Fit(random)
  for (let epoch = 0; epoch < epochs; epoch++) {
    shuffle(sentences, random)
    fit.rate = LEARNING_RATE * (1 - (0.8 * epoch) / epochs)
    let loss = 0
    let tokens = 0
    for (const sentence of sentences) {
      loss += fit.learn(sentence)
      tokens += sentence.tags.length
    }
    progress?.(epoch + 1, epochs, loss / tokens)
  }
  const { weights, scale } = fit.quantised()
  const provenance = { seed, epochs, corpora: corpora.map((corpus) => provenanceOf(corpus)) }
  const uncut = createNamesModel({ weights, scale, chain: fit.chain, cuts: NAME_ENTITIES.map(() => 0.5), provenance })
  return createNamesModel({
    ...uncut,
    cuts: chooseCuts(
      uncut,
      corpora.map(({ dev }) => dev),
    ),
  })
}

function variants({ text, spans }: LabelledText, random: Random): readonly LabelledText[] {
  const all = [{ text, spans }]
  const add = (changed: string, marked: readonly LabelledSpan[]): void =>
    void (changed.length === text.length && changed !== text && all.push({ text: changed, spans: marked }))
  // In lower case most organisations are ordinary words: `bank`, `city council`.
  if (random.next() < LOWER_CASE)
    add(
      text.toLowerCase(),
      spans.filter(({ entity }) => entity !== 'ORGANISATION'),
    )
  if (random.next() < UPPER_CASE) add(text.toUpperCase(), spans)
  return all
}

function provenanceOf({ name, train }: Corpus): { name: string; sha256: string; tokens: number } {
  const hash = createHash('sha256')
  let tokens = 0
  for (const { text, spans } of train) {
    hash.update(JSON.stringify([text, spans]))
    tokens += text.split(/\s+/u).length
  }
  return { name, sha256: hash.digest('hex'), tokens }
}

class Fit {
  rate = LEARNING_RATE
  readonly chain: Chain = { starts: new Float64Array(TAGS), steps: new Float64Array(TAGS * TAGS) }
  readonly #weights = new Float32Array(BUCKETS * STRIDE)
  readonly #squares = new Float32Array(BUCKETS * STRIDE).fill(1e-2)
  readonly #startSquares = new Float64Array(TAGS).fill(1)
  readonly #stepSquares = new Float64Array(TAGS * TAGS).fill(1)
  readonly #random: Random
  #scores = new Float64Array(0)
  #forward = new Float64Array(0)
  #backward = new Float64Array(0)
  #active = new Int32Array(0)
  #activeAt = new Int32Array(0)

  constructor(random: Random) {
    this.#random = random
  }

  /** One step of stochastic gradient descent. @returns the negative log-likelihood of the sentence's tags, in nats. */
  learn(sentence: Sentence): number {
    const { tags } = sentence
    const { length } = tags
    this.#makeRoom(sentence)
    this.#choose(sentence)
    const scores = this.#scores
    const forward = this.#forward
    const backward = this.#backward
    for (let i = 0; i < length; i++) this.#score(i)
    const factors = factorsOf(this.chain)
    for (let i = 0; i < length; i++) {
      toFactors(scores, i * TAGS)
      forwardStep(factors, scores, forward, i === 0 ? -1 : (i - 1) * TAGS, i * TAGS)
    }
    const last = (length - 1) * TAGS
    backward.fill(1, last, last + TAGS)
    for (let i = length - 2; i >= 0; i--) backwardStep(factors, scores, (i + 1) * TAGS, backward, (i + 1) * TAGS, backward, i * TAGS)

    // Posteriors are taken before any parameter changes. The loss is that of each tag given the text: close to the chain's own, and cheap.
    let loss = 0
    const gradient = new Float64Array(TAGS)
    const stepGradient = new Float64Array(TAGS * TAGS)
    const pair = new Float64Array(TAGS * TAGS)
    for (let i = 0; i < length; i++) {
      let total = 0
      for (let t = 0; t < TAGS; t++) total += gradient[t] = forward[i * TAGS + t]! * backward[i * TAGS + t]!
      for (let t = 0; t < TAGS; t++) gradient[t] = gradient[t]! / total
      loss -= Math.log(Math.max(1e-12, gradient[tags[i]!]!))
      gradient[tags[i]!] = gradient[tags[i]!]! - 1
      if (i === 0) this.#adapt(this.chain.starts, this.#startSquares, gradient)
      else {
        let sum = 0
        for (let from = 0; from < TAGS; from++)
          for (let to = 0; to < TAGS; to++)
            sum += pair[from * TAGS + to] =
              forward[(i - 1) * TAGS + from]! * factors.steps[from * TAGS + to]! * scores[i * TAGS + to]! * backward[i * TAGS + to]!
        for (let k = 0; k < pair.length; k++) stepGradient[k] = stepGradient[k]! + pair[k]! / sum
        const gold = tags[i - 1]! * TAGS + tags[i]!
        stepGradient[gold] = stepGradient[gold]! - 1
      }
      this.#update(i, gradient)
    }
    this.#adapt(this.chain.steps, this.#stepSquares, stepGradient)
    return loss
  }

  quantised(): { readonly weights: Int8Array; readonly scale: number } {
    const scale = CLIP / 127
    const weights = new Int8Array(BUCKETS * STRIDE)
    for (let k = 0; k < weights.length; k++) weights[k] = Math.max(-127, Math.min(127, Math.round(this.#weights[k]! / scale)))
    return { weights, scale }
  }

  #makeRoom({ tags, buckets, identity }: Sentence): void {
    if (this.#scores.length < tags.length * TAGS) {
      this.#scores = new Float64Array(tags.length * TAGS * 2)
      this.#forward = new Float64Array(tags.length * TAGS * 2)
      this.#backward = new Float64Array(tags.length * TAGS * 2)
      this.#activeAt = new Int32Array(tags.length * 2 + 1)
    }
    if (this.#active.length < buckets.length + identity.length) this.#active = new Int32Array((buckets.length + identity.length) * 2)
  }

  /** Draws which features of each token count this time. */
  #choose({ tags, at, buckets, identityAt, identity }: Sentence): void {
    const random = this.#random
    let n = 0
    for (let i = 0; i < tags.length; i++) {
      this.#activeAt[i] = n
      for (let k = at[i]!; k < at[i + 1]!; k++) if (random.next() >= FEATURE_DROPOUT) this.#active[n++] = buckets[k]!
      if (random.next() < WORD_DROPOUT) continue
      for (let k = identityAt[i]!; k < identityAt[i + 1]!; k++) this.#active[n++] = identity[k]!
    }
    this.#activeAt[tags.length] = n
  }

  #score(i: number): void {
    const scores = this.#scores
    const weights = this.#weights
    const to = i * TAGS
    scores.fill(0, to, to + TAGS)
    for (let k = this.#activeAt[i]!; k < this.#activeAt[i + 1]!; k++) {
      const from = this.#active[k]! * STRIDE
      for (let t = 0; t < TAGS; t++) scores[to + t] = scores[to + t]! + weights[from + t]!
    }
  }

  #update(i: number, gradient: Float64Array): void {
    const weights = this.#weights
    const squares = this.#squares
    for (let t = 0; t < TAGS; t++) {
      const g = gradient[t]!
      if (g < SMALLEST_GRADIENT && g > -SMALLEST_GRADIENT) continue
      for (let k = this.#activeAt[i]!; k < this.#activeAt[i + 1]!; k++) {
        const at = this.#active[k]! * STRIDE + t
        const step = g + DECAY * weights[at]!
        squares[at] = squares[at]! + step * step
        weights[at] = weights[at]! - (this.rate * step) / Math.sqrt(squares[at])
      }
    }
  }

  #adapt(values: Float64Array, squares: Float64Array, gradient: Float64Array): void {
    for (let k = 0; k < values.length; k++) {
      const g = gradient[k]!
      if (g === 0) continue
      squares[k] = squares[k]! + g * g
      values[k] = values[k]! - (this.rate * g) / Math.sqrt(squares[k]!)
    }
  }
}
