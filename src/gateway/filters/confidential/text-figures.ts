import { RedoubtError } from '#foundation/core'
import type { LearnedDocument } from './learned-document.ts'
import type { SideFigures, TextCard } from './text-model.ts'

/** Fewest documents of either side: each fifth has to have two. */
const FEWEST_DOCUMENTS = 10
/** Fewest sentences of either side; of the public side at least so many that the wanted share of them is three. */
const FEWEST_SENTENCES = 100
const FEWEST_ALARMS = 3
/** So many sentences of one side may stand on the other. */
const MOST_ALIKE = 0.5
/** Standard normal quantiles: 95 % two-sided, 99 % one-sided. */
const Z95 = 1.96
const Z99 = 2.33

const SIDES = [
  [1, 'confidential'],
  [0, 'public'],
] as const
const of = (documents: readonly LearnedDocument[], label: number): readonly LearnedDocument[] =>
  documents.filter((document) => document.label === label)
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** @throws {RedoubtError} `ERR_TRAINING_EXAMPLES` with what there is, what is wanted, and what to do. */
export function demandEnough(documents: readonly LearnedDocument[], falseAlarms: number): void {
  for (const [label, side] of SIDES) {
    const own = of(documents, label)
    const sentences = sum(own.map(({ ownSentences }) => ownSentences))
    const fewest = label === 1 ? FEWEST_SENTENCES : Math.max(FEWEST_SENTENCES, Math.ceil(FEWEST_ALARMS / falseAlarms))
    if (own.length < FEWEST_DOCUMENTS)
      throw new RedoubtError(
        'ERR_TRAINING_EXAMPLES',
        `there are ${own.length} different ${side} documents to learn from, and at least ${FEWEST_DOCUMENTS} are wanted: give more, each as a file or a line`,
        { evidence: { side, documents: own.length, wanted: FEWEST_DOCUMENTS } },
      )
    if (alikeShare(own, of(documents, 1 - label)) > MOST_ALIKE)
      throw new RedoubtError(
        'ERR_TRAINING_EXAMPLES',
        `most sentences of the ${side} documents stand on the other side too: nothing tells the two apart; give public texts that are not confidential`,
        { evidence: { side } },
      )
    if (sentences < fewest)
      throw new RedoubtError(
        'ERR_TRAINING_EXAMPLES',
        `the ${side} documents have ${sentences} sentences that stand in one of them alone, and at least ${fewest} are wanted: give more${label === 0 ? ', or allow more false alarms' : ''}`,
        { evidence: { side, sentences, wanted: fewest } },
      )
  }
}

function alikeShare(own: readonly LearnedDocument[], others: readonly LearnedDocument[]): number {
  const known = new Set(others.flatMap(({ hashes }) => hashes))
  const mine = new Set(own.flatMap(({ hashes }) => hashes))
  return [...mine].filter((hash) => known.has(hash)).length / Math.max(1, mine.size)
}

/** The log odds that at most so large a share of unseen public sentences reaches. */
export function thresholdOf(documents: readonly LearnedDocument[], falseAlarms: number): number {
  const scores = of(documents, 0).flatMap(({ ownScores }) => ownScores)
  scores.sort((a, b) => b - a)
  // The next larger number: a score at the threshold is an alarm.
  return scores[Math.floor(falseAlarms * scores.length)]! + 1e-9
}

/** What the fits say of documents that they have not seen, at thresholds that these had no part in. */
export function figuresOf(
  folds: readonly (readonly LearnedDocument[])[],
  { seed, wantedFalseAlarms, strangeAlarms }: Pick<TextCard, 'seed' | 'wantedFalseAlarms' | 'strangeAlarms'>,
): TextCard {
  const counts = SIDES.map(() => ({ documents: 0, sentences: 0, flagged: 0, flaggedDocuments: 0, abstained: 0 }))
  folds.forEach((fold, i) => {
    const threshold = thresholdOf(
      folds.flatMap((other, k) => (k === i ? [] : other)),
      wantedFalseAlarms,
    )
    for (const document of fold) {
      const side = counts[document.label]!
      const { ownScores, ownFamiliarScores } = document
      const reaching = (scores: readonly number[]): number => scores.filter((score) => score >= threshold).length
      const flagged = reaching(ownFamiliarScores)
      side.documents++
      side.sentences += ownScores.length
      side.flagged += flagged
      side.abstained += reaching(ownScores) - flagged
      if (flagged > 0) side.flaggedDocuments++
    }
  })
  const [open, secret] = counts as [SideFigures, SideFigures]
  return {
    seed,
    wantedFalseAlarms,
    confidential: secret,
    public: open,
    recall: secret.flagged / secret.sentences,
    precision: secret.flagged / Math.max(1, secret.flagged + open.flagged),
    falseAlarms: open.flagged / open.sentences,
    strangeAlarms,
  }
}

/**
 * By sentences, found ones must be more than false alarms are, by intervals that do not meet; by documents, since sentences of one are alike, confidential ones must score
 * higher on average (Mann & Whitney 1947).
 * @throws {RedoubtError} `ERR_TRAINING_EXAMPLES` with the figures.
 */
export function demandBetterThanChance(documents: readonly LearnedDocument[], card: TextCard): void {
  const { confidential, public: open, recall, falseAlarms } = card
  const apart = interval(recall, confidential.sentences)[0] > interval(falseAlarms, open.sentences)[1]
  if (apart && rankScore(documents) >= Z99) return
  throw new RedoubtError(
    'ERR_TRAINING_EXAMPLES',
    `of documents it had not seen it found ${confidential.flagged} of ${confidential.sentences} confidential sentences and flagged ${open.flagged} of ${open.sentences} public ones: ` +
      'that is no better than chance; give more examples, and public ones that differ in what makes the others confidential',
    { evidence: { recall, falseAlarms } },
  )
}

/** Wilson's score interval, 95 %. */
function interval(share: number, n: number): readonly [number, number] {
  const middle = share + (Z95 * Z95) / (2 * n)
  const half = Z95 * Math.sqrt((share * (1 - share)) / n + (Z95 * Z95) / (4 * n * n))
  const scale = 1 + (Z95 * Z95) / n
  return [(middle - half) / scale, (middle + half) / scale]
}

/** How far the confidential documents rank above the public ones, in standard deviations of ranking by chance. */
function rankScore(documents: readonly LearnedDocument[]): number {
  const meanOf = ({ allScores }: LearnedDocument): number => sum(allScores.filter((score) => Number.isFinite(score))) / allScores.length
  const [secret, open] = [
    of(documents, 1).map(meanOf),
    of(documents, 0)
      .map(meanOf)
      .sort((a, b) => a - b),
  ]
  let above = 0
  for (const mean of secret) {
    let [low, high] = [0, open.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (open[middle]! < mean) low = middle + 1
      else high = middle
    }
    above += low
  }
  const pairs = secret.length * open.length
  return (above - pairs / 2) / Math.sqrt((pairs * (documents.length + 1)) / 12)
}
