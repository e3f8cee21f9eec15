import { RedoubtError } from '#foundation/core'
import { packWeights, unpackWeights, type WeightsHead } from '../text/weights-file.ts'
import { FAMILIAR_BYTES } from './familiarity.ts'
import { fingerprintKey } from './keyed-hash.ts'
import { BUCKETS, FEATURES_VERSION } from './sentence-reader.ts'

const KIND = 'confidential'
/** Sentences of the longest passage that is judged as one. */
export const PASSAGE_SENTENCES = 3

/** Counts of one side of what was learned from. */
export interface SideFigures {
  readonly documents: number
  /** Sentences, each counted once, of documents that the fit in question had not seen; none that stands in another document too. */
  readonly sentences: number
  /** Of those, how many the threshold flags that the other documents set. */
  readonly flagged: number
  readonly flaggedDocuments: number
  /** Of those, how many reach that threshold and are too unlike the confidential examples to be flagged. */
  readonly abstained: number
}

/** What may be told of a classifier: counts and shares, no word of what it learned from. */
export interface TextCard {
  readonly seed: number
  /** The share of public sentences that the threshold is set for. */
  readonly wantedFalseAlarms: number
  readonly confidential: SideFigures
  readonly public: SideFigures
  /** Of the confidential sentences, the flagged ones. */
  readonly recall: number
  /** Of the flagged sentences, the confidential ones, as many of either side as there were. */
  readonly precision: number
  /** Of the public sentences, the flagged ones. */
  readonly falseAlarms: number
  /** Of the public sentences, those that are as familiar as what is flagged: a bound for kinds of text that are no nearer to the confidential examples, whatever the weights say. */
  readonly strangeAlarms: number
}

/** A linear classifier of passages: weights of hashed words and letters. */
export interface TextModel {
  /** [BUCKETS], in units of `scale`. */
  readonly weights: Int8Array
  readonly scale: number
  /** One for passages of one sentence, of two, … */
  readonly biases: readonly number[]
  /** The log odds from which on a passage is held to be confidential: its score is 0.5. */
  readonly cut: number
  /** [BUCKETS / 8], a bit for each pair of words that stands in a confidential example. */
  readonly familiar: Uint8Array
  /** Share of such pairs, 0 … 1, below which it abstains. */
  readonly leastFamiliar: number
  readonly card: TextCard
}

/** What weights of files are hashed with: no secret, so that a file can be tried without a server. */
export const OPEN_KEY = fingerprintKey(Buffer.from('redoubt confidential text, open key'))

export function packTextModel({ weights, scale, biases, cut, familiar, leastFamiliar, card }: TextModel): Buffer {
  const head = { kind: KIND, features: FEATURES_VERSION, scale, biases, cut, leastFamiliar, card }
  return packWeights(head, Buffer.concat([new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength), familiar]))
}

/** @throws {RedoubtError} `ERR_USAGE` if the file is no classifier of confidential text of this version, or was altered. */
export function unpackTextModel(file: Uint8Array): TextModel {
  const { head, weights } = unpackWeights(file, KIND, FEATURES_VERSION, BUCKETS + FAMILIAR_BYTES)
  const { scale, biases, cut, leastFamiliar, card } = head as unknown as WeightsHead & Omit<TextModel, 'weights'>
  const whole =
    weights.byteLength === BUCKETS + FAMILIAR_BYTES &&
    leastFamiliar >= 0 &&
    leastFamiliar <= 1 &&
    Number.isFinite(scale) &&
    Number.isFinite(cut) &&
    Array.isArray(biases) &&
    biases.length === PASSAGE_SENTENCES &&
    biases.every((bias) => Number.isFinite(bias)) &&
    isCard(card)
  if (!whole)
    throw new RedoubtError(
      'ERR_USAGE',
      'the model of `confidential` cannot be read: parts of it are missing; train it again with `redoubt filter train`',
    )
  const { seed, wantedFalseAlarms, recall, precision, falseAlarms, strangeAlarms } = card
  // What a file brings besides is not handed on.
  const known = {
    seed,
    wantedFalseAlarms,
    confidential: sideOf(card.confidential),
    public: sideOf(card.public),
    recall,
    precision,
    falseAlarms,
    strangeAlarms,
  }
  const familiar = Uint8Array.from(weights.subarray(BUCKETS))
  return {
    weights: new Int8Array(weights.buffer, weights.byteOffset, BUCKETS),
    scale,
    biases: [...biases],
    cut,
    familiar,
    leastFamiliar,
    card: known,
  }
}

const isNumber = (value: unknown): boolean => Number.isFinite(value)
const isSide = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false
  const { documents, sentences, flagged, flaggedDocuments, abstained } = value as Partial<SideFigures>
  return [documents, sentences, flagged, flaggedDocuments, abstained].every(isNumber)
}
function isCard(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const card = value as Partial<TextCard>
  const { seed, wantedFalseAlarms, recall, precision, falseAlarms, strangeAlarms } = card
  return (
    [seed, wantedFalseAlarms, recall, precision, falseAlarms, strangeAlarms].every(isNumber) &&
    isSide(card.confidential) &&
    isSide(card.public)
  )
}
const sideOf = ({ documents, sentences, flagged, flaggedDocuments, abstained }: SideFigures): SideFigures => ({
  documents,
  sentences,
  flagged,
  flaggedDocuments,
  abstained,
})
