import { createHash } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import { LEARNING_RATE, LogisticFit, quantised } from '../text/logistic-fit.ts'
import { type Random, seededRandom, shuffle } from '../text/random.ts'
import { BUCKETS, FeatureReader } from './features.ts'
import type { LabelledRow } from './labelled-rows.ts'
import type { InjectionModel } from './model.ts'
import { foldText } from './normalise.ts'
import { scoreWindows } from './score-windows.ts'
import { SCALES, scaleOf, type Window, windowsEndingAt } from './windows.ts'

export interface LabelledFile {
  readonly name: string
  readonly rows: readonly LabelledRow[]
}

export interface TrainInjectionOptions {
  readonly seed: number
  readonly epochs?: number
  /** Rows that take no part in any fit; the harmless ones help to set the threshold. */
  readonly calibration?: readonly LabelledRow[]
  /** Called after each epoch with the mean logistic loss of a row's most suspicious window, in nats. */
  readonly progress?: (epoch: number, epochs: number, loss: number) => void
}

const EPOCHS = 14
/** Epochs in which whole texts are learned, before windows are chosen by what was learned. */
const WARM_UP = 4
/** Fits that are averaged. */
const FOLDS = 5
/** Alarms on harmless text at the threshold. */
export const FALSE_ALARMS = 0.01
/** Fewest harmless rows that say what one of a hundred is. */
const FEWEST_HARMLESS = 800
/** Tokens of a row that are learned from. */
const LONGEST_ROW = 4096

/**
 * Fits a logistic regression on windows of text. A row is labelled as a whole, but only some window of an attack is one: so each step takes the row's most
 * suspicious window (multiple instance learning: Andrews et al. 2002, here by stochastic gradient). Five fits, each without one row of five, are averaged;
 * the threshold comes from what each says about the harmless rows it has not seen. Same rows, options and code, same bytes.
 * @throws {RedoubtError} `ERR_USAGE` if attacks are missing, or there are too few harmless rows to set the threshold.
 */
export function trainInjection(files: readonly LabelledFile[], options: TrainInjectionOptions): InjectionModel {
  const { seed, epochs = EPOCHS, calibration = [], progress } = options
  const random = seededRandom(seed)
  const rows = files.flatMap((file) => file.rows)
  const harmless = rows.filter(({ label }) => label === 0).length
  if (harmless === rows.length || harmless < FEWEST_HARMLESS)
    throw new RedoubtError(
      'ERR_USAGE',
      `attacks and at least ${FEWEST_HARMLESS} harmless rows are wanted; there are ${rows.length - harmless} and ${harmless}`,
    )
  const provenance = { seed, epochs, files: files.map((file) => provenanceOf(file)) }
  const examples = shuffle(
    rows.map((row) => exampleOf(row)),
    random,
  )
  const held = calibration.map((row) => exampleOf(row))
  const weights = new Float64Array(BUCKETS)
  const biases = SCALES.map(() => 0)
  const logits: number[] = []
  for (let fold = 0; fold < FOLDS; fold++) {
    const learned = examples.filter(({ tokens }, i) => i % FOLDS !== fold && tokens > 0)
    const fit = new Fit(random)
    const { logistic } = fit
    for (let epoch = 0; epoch < epochs; epoch++) {
      shuffle(learned, random)
      logistic.rate = LEARNING_RATE * (1 - (0.8 * epoch) / epochs)
      let loss = 0
      for (const example of learned) loss += fit.learn(example, epoch < WARM_UP)
      progress?.(fold * epochs + epoch + 1, FOLDS * epochs, loss / learned.length)
    }
    for (let k = 0; k < BUCKETS; k++) weights[k] = weights[k]! + logistic.weights[k]! / FOLDS
    logistic.biases.forEach((bias, scale) => (biases[scale] = biases[scale]! + bias / FOLDS))
    const model: InjectionModel = { ...quantised(logistic.weights), biases: [...logistic.biases], cut: 0, provenance }
    const unseen = [...examples, ...held].filter((_, i) => i % FOLDS === fold)
    for (const { label, text } of unseen) if (label === 0) logits.push(scoreWindows(text, model).logit)
  }
  logits.sort((a, b) => b - a)
  // The next larger number: a score of exactly 0.5 is an alarm.
  const cut = logits[Math.floor(FALSE_ALARMS * logits.length)]! + 1e-9
  return { ...quantised(weights), biases, cut, provenance }
}

function provenanceOf({ name, rows }: LabelledFile): InjectionModel['provenance']['files'][number] {
  const hash = createHash('sha256')
  for (const { text, label } of rows) hash.update(JSON.stringify([text, label]))
  return { name, sha256: hash.digest('hex'), rows: rows.length, attacks: rows.filter(({ label }) => label === 1).length }
}

interface Example {
  /** As it reads. */
  readonly text: string
  readonly label: 0 | 1
  readonly tokens: number
  /** Buckets of token `i` lie at `at[i]` … `at[i + 1]`. */
  readonly at: Int32Array
  readonly buckets: Int32Array
}

function exampleOf({ text: raw, label }: LabelledRow): Example {
  const { text } = foldText(raw)
  const reader = new FeatureReader(text)
  const buckets: number[] = []
  const at = [0]
  while (at.length <= LONGEST_ROW && reader.next()) {
    for (let k = 0; k < reader.count; k++) buckets.push(reader.features[k]!)
    at.push(buckets.length)
  }
  return { text, label, tokens: at.length - 1, at: Int32Array.from(at), buckets: Int32Array.from(buckets) }
}

class Fit {
  readonly logistic: LogisticFit
  readonly #random: Random
  readonly #pairs = new Int32Array(2 * SCALES.length)

  constructor(random: Random) {
    this.#random = random
    this.logistic = new LogisticFit(random, BUCKETS, SCALES.length)
  }

  /** @returns the loss of the row's window. */
  learn(example: Example, whole: boolean): number {
    const chosen = whole ? this.#someWindow(example) : this.#mostSuspicious(example)
    const loss = this.#step(example, chosen)
    // Every window of a harmless text is harmless.
    if (example.label === 0 && example.tokens > SCALES[0]) this.#step(example, this.#someWindow(example))
    return loss
  }

  #someWindow({ tokens }: Example): Window {
    const longest = Math.min(tokens, SCALES[SCALES.length - 1]!)
    const fitting = SCALES.filter((size) => size <= longest)
    const size = fitting.length === 0 || this.#random.next() < 0.4 ? longest : this.#random.pick(fitting)
    const from = this.#random.below(tokens - size + 1)
    return { from, to: from + size, scale: scaleOf(size) }
  }

  #mostSuspicious({ tokens, at, buckets }: Example): Window {
    const { weights, biases } = this.logistic
    const sums = new Float64Array(tokens + 1)
    for (let i = 0; i < tokens; i++) {
      let sum = sums[i]!
      for (let k = at[i]!; k < at[i + 1]!; k++) sum += weights[buckets[k]!]!
      sums[i + 1] = sum
    }
    let best = Number.NEGATIVE_INFINITY
    let window: Window = { from: 0, to: tokens, scale: scaleOf(tokens) }
    for (let to = 1; to <= tokens; to++) {
      const count = windowsEndingAt(to, to === tokens, this.#pairs)
      for (let w = 0; w < count; w++) {
        const from = this.#pairs[2 * w]!
        const scale = this.#pairs[2 * w + 1]!
        const logit = biases[scale]! + (sums[to]! - sums[from]!) / Math.sqrt(to - from)
        if (logit <= best) continue
        best = logit
        window = { from, to, scale }
      }
    }
    return window
  }

  #step({ label, at, buckets }: Example, { from, to, scale }: Window): number {
    return this.logistic.step({ label, buckets, from: at[from]!, to: at[to]!, tokens: to - from, bias: scale })
  }
}
