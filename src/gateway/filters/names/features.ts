import { AFFIX, CASE, type Tokens } from './tokens.ts'
import { asName, asOrdinary, asOtherName, asPerson, asPersonOrPlace, asPlace, shippedWordLists } from './word-lists.ts'

/** Goes up when what is counted changes: weights of another version are refused. */
export const FEATURES_VERSION = 2
/** Buckets that features are hashed into (Weinberger et al. 2009, without signs). */
export const BUCKETS = 1 << 19
/** Tokens after the one looked at whose words count. */
export const RIGHT_CONTEXT = 2
/** Most features of a token. */
export const MOST_FEATURES = 48

/** Stands for the word outside the sentence. */
const OUTSIDE = 0x5bd1e995
/** What lists say of the word outside the sentence: unlike any that is there. */
const UNLISTED = 0xffff

function mix(template: number, a: number, b: number): number {
  let hash = Math.imul(a ^ Math.imul(template, 0x9e3779b1), 0x85ebca6b)
  hash ^= hash >>> 15
  hash = Math.imul(hash ^ b, 0xc2b2ae35)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0x27d4eb2f)
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1)
}

/**
 * Writes the buckets of token `i` to `out` from index 0: word, shape, affixes, what lists say of it, and up to two words
 * on either side within the sentence.
 * @param identity whether features that name this very word count; training leaves them out at times, so that context and shape are learned.
 * @param known tokens that are there: those after count as outside the sentence.
 * @returns how many.
 */
export function featuresOf(tokens: Tokens, i: number, known: number, out: Int32Array, identity: boolean): number {
  const { word, shape, first, prefix, suffix } = tokens
  const before = i > 0 && first[i] === 0 ? i - 1 : -1
  const before2 = before > 0 && first[before] === 0 ? before - 1 : -1
  const after = i + 1 < known && first[i + 1] === 0 ? i + 1 : -1
  const after2 = after > 0 && after + 1 < known && first[after + 1] === 0 ? after + 1 : -1
  const w0 = word[i]!
  const w1 = before < 0 ? OUTSIDE : word[before]!
  const w2 = before2 < 0 ? OUTSIDE : word[before2]!
  const x1 = after < 0 ? OUTSIDE : word[after]!
  const x2 = after2 < 0 ? OUTSIDE : word[after2]!
  const s0 = shape[i]!
  const s1 = before < 0 ? OUTSIDE : shape[before]!
  const y1 = after < 0 ? OUTSIDE : shape[after]!
  const c0 = tokens.case[i]!
  const c1 = before < 0 ? 7 : tokens.case[before]!
  const c2 = before2 < 0 ? 7 : tokens.case[before2]!
  const d1 = after < 0 ? 7 : tokens.case[after]!
  const d2 = after2 < 0 ? 7 : tokens.case[after2]!
  const glue = tokens.spaced[i]! | (after < 0 ? 0 : tokens.spaced[after]! << 1)
  let n = 0
  out[n++] = mix(1, 0, 0)
  if (identity) {
    out[n++] = mix(2, w0, 0)
    out[n++] = mix(3, w0, c0)
    out[n++] = mix(4, w0, w1)
    out[n++] = mix(5, w0, x1)
  }
  out[n++] = mix(6, w1, c0)
  out[n++] = mix(7, w2, c0)
  out[n++] = mix(8, x1, c0)
  out[n++] = mix(9, x2, c0)
  out[n++] = mix(10, w1, w2)
  out[n++] = mix(11, x1, x2)
  out[n++] = mix(12, w1, x1)
  out[n++] = mix(13, s0, first[i]!)
  out[n++] = mix(14, s0, s1)
  out[n++] = mix(15, s0, y1)
  out[n++] = mix(16, (c2 << 12) | (c1 << 9) | (c0 << 6) | (d1 << 3) | d2, first[i]!)
  out[n++] = mix(17, c0, glue)
  out[n++] = mix(18, tokens.length[i]!, c0)
  // Lists tell what an unseen word may be, and what kind of word stands beside it: a novelist, a town, a film.
  const listed = shippedWordLists()
  const known0 = listed(w0)
  const knownBefore = before < 0 ? UNLISTED : listed(w1)
  const knownAfter = after < 0 ? UNLISTED : listed(x1)
  const name0 = asName(known0)
  // Beside other words only people and places are told apart: of all the bits together most patterns are too rare to learn from.
  const who0 = asPersonOrPlace(known0)
  const whoBefore = (asPersonOrPlace(knownBefore) << 3) | c1
  const whoAfter = (asPersonOrPlace(knownAfter) << 3) | d1
  const ordinaryBefore = asOrdinary(knownBefore)
  const ordinaryBefore2 = asOrdinary(before2 < 0 ? UNLISTED : listed(w2))
  const ordinaryAfter = asOrdinary(knownAfter)
  const ordinaryAfter2 = asOrdinary(after2 < 0 ? UNLISTED : listed(x2))
  out[n++] = mix(50, ordinaryBefore, c0)
  out[n++] = mix(51, ordinaryBefore2, c0)
  out[n++] = mix(52, ordinaryAfter, c0)
  out[n++] = mix(53, ordinaryAfter2, c0)
  out[n++] = mix(54, (ordinaryBefore << 3) | c1, (ordinaryBefore2 << 3) | c2)
  out[n++] = mix(55, (ordinaryAfter << 3) | d1, (ordinaryAfter2 << 3) | d2)
  out[n++] = mix(56, whoBefore, c0)
  out[n++] = mix(57, whoAfter, c0)
  if (c0 === CASE.sign) return n
  out[n++] = mix(58, asOrdinary(known0), c0)
  out[n++] = mix(59, name0, c0)
  out[n++] = mix(60, asPerson(known0), c0)
  out[n++] = mix(61, asPlace(known0), c0)
  out[n++] = mix(62, asOtherName(known0), c0)
  out[n++] = mix(63, who0, whoBefore)
  out[n++] = mix(64, who0, whoAfter)
  out[n++] = mix(65, who0, ordinaryBefore)
  out[n++] = mix(66, who0, ordinaryAfter)
  const p = i * AFFIX
  for (let k = 1; k < AFFIX; k++) {
    if (prefix[p + k] !== 0) out[n++] = mix(20 + k, prefix[p + k]!, c0)
    if (suffix[p + k] !== 0) out[n++] = mix(30 + k, suffix[p + k]!, c0)
  }
  if (suffix[p + 2] !== 0) out[n++] = mix(40, suffix[p + 2]!, w1)
  if (before >= 0 && tokens.case[before] !== CASE.sign) out[n++] = mix(41, suffix[before * AFFIX + 2]!, c0)
  if (after >= 0 && tokens.case[after] !== CASE.sign) out[n++] = mix(42, suffix[after * AFFIX + 2]!, c0)
  return n
}
