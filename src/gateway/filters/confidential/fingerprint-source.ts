import { REGISTERED_KINDS, type RegisteredKind, RedoubtError } from '#foundation/core'
import { type Fingerprints, NO_FINGERPRINTS } from './fingerprint-table.ts'

type SourceKind = Exclude<RegisteredKind, 'classifier'>
/** By their place in a file. */
const SOURCE_KINDS = REGISTERED_KINDS.filter((kind): kind is SourceKind => kind !== 'classifier')

/** What is kept of one registered thing: hashes under the house's key, and never a letter of it. */
export interface FingerprintSource {
  readonly kind: SourceKind
  /** Of 30 letters: of documents, public ones too, and of long texts in rows. */
  readonly passages: Fingerprints
  /** Of the words of each term. */
  readonly terms: Fingerprints
  /** Of neighbouring words of a row. */
  readonly rows: Fingerprints
  /** Of 16 letters: of canaries. */
  readonly canaries: Fingerprints
  /** Shorter hashes for a quick look: of the last word of each term and its length, or of each canary's grams. */
  readonly tails: Uint32Array
  /** Words of the longest term. */
  readonly longest: number
  /** Words of each fingerprint of a row. */
  readonly rowWords: number
  /** Hashes of words that are passed over between the values of rows: names of columns. */
  readonly skipped: Int32Array
}

export const EMPTY_SOURCE: Omit<FingerprintSource, 'kind'> = {
  passages: NO_FINGERPRINTS,
  terms: NO_FINGERPRINTS,
  rows: NO_FINGERPRINTS,
  canaries: NO_FINGERPRINTS,
  tails: new Uint32Array(0),
  longest: 0,
  rowWords: 0,
  skipped: new Int32Array(0),
}

const MAGIC = 0x52444246
const FORMAT = 1
/** Magic, format, kind, longest, row words, and six lengths. */
const HEAD = 11

/** Little-endian words of 32 bits: the head, then each list, halves of fingerprints apart. */
export function encodeSource(source: FingerprintSource): Uint8Array {
  const { passages, terms, rows, canaries, tails, skipped } = source
  const lists = [passages, terms, rows, canaries].flatMap(({ high, low }) => [high, low]).concat(tails, Uint32Array.from(skipped))
  const size = HEAD + lists.reduce((sum, list) => sum + list.length, 0)
  const words = new Uint32Array(size)
  words.set([MAGIC, FORMAT, SOURCE_KINDS.indexOf(source.kind), source.longest, source.rowWords])
  words.set([passages.high.length, terms.high.length, rows.high.length, canaries.high.length, tails.length, skipped.length], 5)
  let at = HEAD
  for (const list of lists) {
    words.set(list, at)
    at += list.length
  }
  return new Uint8Array(words.buffer)
}

/** @throws {RedoubtError} `ERR_STORAGE_CORRUPT` if it is not what `encodeSource` wrote. */
export function decodeSource(bytes: Uint8Array): FingerprintSource {
  const corrupt = (): RedoubtError => new RedoubtError('ERR_STORAGE_CORRUPT', 'fingerprints of confidential data are not what was written')
  if (bytes.byteLength % 4 !== 0 || bytes.byteLength < 4 * HEAD) throw corrupt()
  const words = new Uint32Array(bytes.slice().buffer)
  const kind = SOURCE_KINDS[words[2]!]
  const lengths = words.subarray(5, HEAD)
  const [passages, terms, rows, canaries, tails, skipped] = lengths as unknown as [number, number, number, number, number, number]
  const size = HEAD + 2 * (passages + terms + rows + canaries) + tails + skipped
  if (words[0] !== MAGIC || words[1] !== FORMAT || kind === undefined || size !== words.length) throw corrupt()
  let at = HEAD
  const take = (length: number): Uint32Array => words.subarray(at, (at += length))
  const pairs = (length: number): Fingerprints => ({ high: take(length), low: take(length) })
  return {
    kind,
    longest: words[3]!,
    rowWords: words[4]!,
    passages: pairs(passages),
    terms: pairs(terms),
    rows: pairs(rows),
    canaries: pairs(canaries),
    tails: take(tails),
    skipped: new Int32Array(take(skipped)),
  }
}
