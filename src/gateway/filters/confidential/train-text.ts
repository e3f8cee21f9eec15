import { FALSE_ALARMS, LEAST_FALSE_ALARMS, MOST_FALSE_ALARMS, RedoubtError } from '#foundation/core'
import { LEARNING_RATE, LogisticFit, quantised } from '../text/logistic-fit.ts'
import { type Random, seededRandom, shuffle } from '../text/random.ts'
import type { Example } from './examples.ts'
import { familiarityOf } from './familiarity.ts'
import { LearnedDocument } from './learned-document.ts'
import { BUCKETS, type FeatureKey } from './sentence-reader.ts'
import { demandBetterThanChance, demandEnough, figuresOf, thresholdOf } from './text-figures.ts'
import { PASSAGE_SENTENCES, type TextModel } from './text-model.ts'

/** Fits that are averaged, each without a fifth of the documents. */
const FOLDS = 5
const EPOCHS = 8
/** How often a step learns from one sentence, in place of a longer passage. */
const ALONE = 0.5
/** The rarer side counts for more, so many times at most. */
const MOST_WEIGHT = 10

export interface TrainTextOptions {
  readonly seed: number
  /** `LEAST_FALSE_ALARMS` … `MOST_FALSE_ALARMS`; `FALSE_ALARMS` unless given. */
  readonly falseAlarms?: number
  /** Called after each epoch. @param loss mean logistic loss of a passage, in nats. */
  readonly progress?: (epoch: number, epochs: number, loss: number) => void
}

/**
 * Fits a classifier of confidential text on whole documents. Five fits, each without one document of five, are averaged; what each says of the documents it has not
 * seen sets the threshold and gives the figures, and the figures of a fifth are taken at the threshold that the other four set. Same examples, key, options and
 * code, same bytes.
 * @throws {RedoubtError} `ERR_TRAINING_EXAMPLES`, with numbers, for too few examples, for two sides that are the same, and where the figures are no better than chance.
 */
export function trainText(examples: readonly Example[], key: FeatureKey, options: TrainTextOptions): TextModel {
  const { seed, falseAlarms = FALSE_ALARMS, progress } = options
  if (!(falseAlarms >= LEAST_FALSE_ALARMS && falseAlarms <= MOST_FALSE_ALARMS))
    throw new RedoubtError('ERR_INPUT_INVALID', `false alarms are a share from ${LEAST_FALSE_ALARMS} to ${MOST_FALSE_ALARMS}`)
  const documents = distinctDocuments(examples, key)
  demandEnough(documents, falseAlarms)
  const familiarity = familiarityOf(documents)
  const sharesOf = new Map(documents.map((document, i) => [document, familiarity.shares[i]!]))
  const random = seededRandom(seed)
  const folds = foldsOf(documents, random)
  const weights = new Float64Array(BUCKETS)
  const biases = Array.from({ length: PASSAGE_SENTENCES }, () => 0)
  for (let fold = 0; fold < FOLDS; fold++) {
    const fit = new LogisticFit(random, BUCKETS, PASSAGE_SENTENCES)
    const passages = new Passages(
      folds.flatMap((part, i) => (i === fold ? [] : part)),
      random,
    )
    for (let epoch = 0; epoch < EPOCHS; epoch++) {
      fit.rate = LEARNING_RATE * (1 - (0.8 * epoch) / EPOCHS)
      const loss = passages.learn(fit)
      progress?.(fold * EPOCHS + epoch + 1, FOLDS * EPOCHS, loss)
    }
    for (let k = 0; k < BUCKETS; k++) weights[k] = weights[k]! + fit.weights[k]! / FOLDS
    fit.biases.forEach((bias, n) => (biases[n] = biases[n]! + bias / FOLDS))
    const fitted = { ...quantised(fit.weights), biases: [...fit.biases] }
    for (const document of folds[fold]!) {
      const shares = sharesOf.get(document)!
      document.score(fitted, key, (sentence) => shares[sentence]! < familiarity.least)
    }
  }
  const card = figuresOf(folds, { seed, wantedFalseAlarms: falseAlarms, strangeAlarms: familiarity.strange })
  demandBetterThanChance(documents, card)
  const { pairs: familiar, least: leastFamiliar } = familiarity
  return { ...quantised(weights), biases, cut: thresholdOf(documents, falseAlarms), familiar, leastFamiliar, card }
}

/** A document that is there twice would be learned and measured with at once. */
function distinctDocuments(examples: readonly Example[], key: FeatureKey): readonly LearnedDocument[] {
  const known = new Map<string, LearnedDocument>()
  for (const example of examples) {
    const document = new LearnedDocument(example, key)
    if (document.sentences > 0) known.set(`${example.label} ${document.hashes.join(' ')}`, document)
  }
  const documents = [...known.values()]
  const documentsOf = new Map<string, number>()
  for (const { hashes } of documents) for (const hash of new Set(hashes)) documentsOf.set(hash, (documentsOf.get(hash) ?? 0) + 1)
  for (const document of documents) document.markShared((hash) => documentsOf.get(hash)! > 1)
  return documents
}

/** Of each side a fifth goes in each. */
function foldsOf(documents: readonly LearnedDocument[], random: Random): readonly (readonly LearnedDocument[])[] {
  const folds: LearnedDocument[][] = Array.from({ length: FOLDS }, () => [])
  for (const label of [0, 1]) {
    const side = shuffle(
      documents.filter((document) => document.label === label),
      random,
    )
    side.forEach((document, i) => folds[i % FOLDS]!.push(document))
  }
  return folds
}

/** The passages of some documents, in a new order each time. */
class Passages {
  readonly #ends: (readonly [document: LearnedDocument, sentence: number])[]
  readonly #weights: readonly [number, number]
  readonly #random: Random

  constructor(documents: readonly LearnedDocument[], random: Random) {
    this.#ends = documents.flatMap((document) => Array.from({ length: document.sentences }, (_, i) => [document, i] as const))
    const confidential = this.#ends.filter(([{ label }]) => label === 1).length
    const weightOf = (count: number): number => Math.min(MOST_WEIGHT, this.#ends.length / (2 * count))
    this.#weights = [weightOf(this.#ends.length - confidential), weightOf(confidential)]
    this.#random = random
  }

  /** One step for a passage that ends with each sentence. @returns the mean loss. */
  learn(fit: LogisticFit): number {
    shuffle(this.#ends, this.#random)
    let loss = 0
    for (const [document, sentence] of this.#ends) {
      const most = Math.min(PASSAGE_SENTENCES, sentence + 1)
      const wanted = this.#random.next() < ALONE ? 1 : 1 + this.#random.below(most)
      const n = Math.min(most, document.isShort(sentence) ? Math.max(2, wanted) : wanted)
      loss += fit.step({ ...document.passage(sentence - n + 1, sentence + 1), bias: n - 1, weight: this.#weights[document.label] })
    }
    return loss / this.#ends.length
  }
}
