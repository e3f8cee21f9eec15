import { RedoubtError } from '#foundation/core'
import { packWeights, unpackWeights, type WeightsHead } from '../text/weights-file.ts'
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
  readonly card: TextCard
}

/** What weights of files are hashed with: no secret, so that a file can be tried without a server. */
export const OPEN_KEY = fingerprintKey(Buffer.from('redoubt confidential text, open key'))

export function packTextModel({ weights, scale, biases, cut, card }: TextModel): Buffer {
  const head = { kind: KIND, features: FEATURES_VERSION, scale, biases, cut, card }
  return packWeights(head, new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength))
}

/** @throws {RedoubtError} `ERR_USAGE` if the file is no classifier of confidential text of this version, or was altered. */
export function unpackTextModel(file: Uint8Array): TextModel {
  const { head, weights } = unpackWeights(file, KIND, FEATURES_VERSION, BUCKETS)
  const { scale, biases, cut, card } = head as unknown as WeightsHead & Omit<TextModel, 'weights'>
  const whole =
    weights.byteLength === BUCKETS &&
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
  const { seed, wantedFalseAlarms, recall, precision, falseAlarms } = card
  // What a file brings besides is not handed on.
  const known = {
    seed,
    wantedFalseAlarms,
    confidential: sideOf(card.confidential),
    public: sideOf(card.public),
    recall,
    precision,
    falseAlarms,
  }
  return { weights: new Int8Array(weights.buffer, weights.byteOffset, weights.byteLength), scale, biases: [...biases], cut, card: known }
}

const isNumber = (value: unknown): boolean => Number.isFinite(value)
const isSide = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false
  const { documents, sentences, flagged, flaggedDocuments } = value as Partial<SideFigures>
  return [documents, sentences, flagged, flaggedDocuments].every(isNumber)
}
function isCard(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const card = value as Partial<TextCard>
  const { seed, wantedFalseAlarms, recall, precision, falseAlarms } = card
  return [seed, wantedFalseAlarms, recall, precision, falseAlarms].every(isNumber) && isSide(card.confidential) && isSide(card.public)
}
const sideOf = ({ documents, sentences, flagged, flaggedDocuments }: SideFigures): SideFigures => ({
  documents,
  sentences,
  flagged,
  flaggedDocuments,
})
