import { BUCKETS } from './sentence-reader.ts'

/**
 * How much of a text is like what a classifier of confidential text learned from: the share of its pairs of words that stand in the confidential examples. A linear
 * classifier says something of any text; of one whose pairs it does not know, what it says is chance, and it abstains.
 */

/**
 * Sentences up to the one in question that are looked at together, at most: as many as the longest passage has. Fewer where that is more familiar, so that a
 * confidential passage behind other text is one.
 */
export const FAMILIAR_SENTENCES = 3
/** Most of the public sentences, of which the measure knows nothing, that may be as familiar as what is flagged: what is promised of texts of kinds that were not learned from, and are no nearer. */
export const MOST_STRANGE = 0.01
/** Most of the confidential sentences, each measured without its own document, that are given up for that. */
export const MOST_GIVEN_UP = 0.05
/** What knows half of its pairs is not strange, however alike the examples are: those that are filled in from forms are nearly the same. */
export const MOST_DEMANDED = 0.5

/** Which pairs stand in the confidential examples: a bit for each bucket. */
export const FAMILIAR_BYTES = BUCKETS >> 3

export const isFamiliar = (pairs: Uint8Array, bucket: number): boolean => ((pairs[bucket >> 3]! >> (bucket & 7)) & 1) === 1

/** The pairs of words of a document, in order, and how many words each of its sentences has. */
export interface PairsOfDocument {
  readonly label: 0 | 1
  readonly pairs: Int32Array
  readonly words: readonly number[]
  /** Whether a sentence is too short to be judged alone. */
  isShort(sentence: number): boolean
}

/** What examples say of familiarity. */
export interface Familiarity {
  readonly pairs: Uint8Array
  /** Share of known pairs below which the classifier abstains; 0 where it never does. */
  readonly least: number
  /** Share of the public sentences that are at least so familiar. */
  readonly strange: number
  /** Of each document, in the order given, by sentence: a confidential one is measured by the others alone. */
  readonly shares: readonly Float64Array[]
}

/** Finds the least share that keeps the first bound; where that would break the second, or demand more than `MOST_DEMANDED`, the largest that does not. */
export function familiarityOf(documents: readonly PairsOfDocument[]): Familiarity {
  // How many confidential documents have a pair; more than two are two.
  const counts = new Uint8Array(BUCKETS)
  for (const { label, pairs } of documents)
    if (label === 1) for (const pair of new Set(pairs)) counts[pair] = Math.min(2, counts[pair]! + 1)
  const shares = documents.map((document) => sharesOf(document, (pair) => counts[pair]! > document.label))
  const sorted = (label: 0 | 1): Float64Array => {
    const own = documents.flatMap((document, i) => (document.label === label ? [...shares[i]!] : []))
    return Float64Array.from(own).sort()
  }
  const open = sorted(0)
  const secret = sorted(1)
  const wanted = open[open.length - 1 - Math.floor(MOST_STRANGE * open.length)]! + Number.EPSILON
  const allowed = secret[Math.floor(MOST_GIVEN_UP * secret.length)]!
  const least = Math.min(wanted, allowed, MOST_DEMANDED)
  const known = new Uint8Array(FAMILIAR_BYTES)
  counts.forEach((count, bucket) => {
    if (count > 0) known[bucket >> 3]! |= 1 << (bucket & 7)
  })
  return { pairs: known, least, strange: open.filter((share) => share >= least).length / open.length, shares }
}

function sharesOf(document: PairsOfDocument, isKnown: (pair: number) => boolean): Float64Array {
  const { pairs, words } = document
  let at = 0
  const known = words.map((count) => {
    let sum = 0
    for (const end = at + count; at < end; at++) if (isKnown(pairs[at]!)) sum++
    return sum
  })
  const shares = Float64Array.from(words, (_, i) => {
    let [most, ours, all] = [0, 0, 0]
    for (let from = i; from >= Math.max(0, i - FAMILIAR_SENTENCES + 1); from--) {
      ours += known[from]!
      all += words[from]!
      most = Math.max(most, ours / Math.max(1, all))
    }
    return most
  })
  return shares.map((share, i) => (i > 0 && document.isShort(i) ? Math.max(share, shares[i - 1]!) : share))
}
