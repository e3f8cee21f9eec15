import { isWordUnit, kindOf, UNIT } from '../text/units.ts'
import { LEET, lookAlike } from './confusables.ts'

/** A text as a reader, or a model, would take it, and where each of its units stood. */
export interface Folded {
  readonly text: string
  /** Index in the original of each unit, and one more for the end; null where they are the same. */
  readonly origin: Int32Array | null
  /** Characters of the block of tags (U+E0000 … U+E007F), which no one sees and models read. */
  readonly tags: number
}

const BEYOND_ASCII = /[^\0-\x7f]/u
/** The scripts, and the phonetic and other Latin letters, that have look-alikes. */
const OTHER_LETTERS = /[\u0180-\u02af\u0370-\u058f\u1c80-\u1dbf\ua640-\ua69f\ua730-\ua7ff]/u
/** Most units that one run beyond ASCII is normalised at a time. */
const LONGEST_RUN = 64
const TAG_HIGH = 0xdb40
const TAG_LOW_FIRST = 0xdc20
const TAG_LOW_LAST = 0xdc7e

/**
 * Drops invisible units, writes tags as the ASCII they stand for, applies NFKC (UAX #15), and writes look-alikes of other scripts as the basic
 * Latin letter in words that have one. Linear; a unit grows to at most 18. Lone surrogates stay.
 */
export function foldText(text: string): Folded {
  if (!BEYOND_ASCII.test(text)) return { text, origin: null, tags: 0 }
  const { length } = text
  let origin = new Int32Array(length + 1)
  let size = 0
  let out = ''
  let tags = 0
  const put = (written: string, from: number, end: number): void => {
    out += written
    if (size + written.length >= origin.length) {
      const larger = new Int32Array(2 * (size + written.length) + 1)
      larger.set(origin)
      origin = larger
    }
    for (let k = 0; k < written.length; k++) origin[size++] = Math.min(from + k, end - 1)
  }
  for (let i = 0; i < length;) {
    const unit = text.charCodeAt(i)
    let end = i + 1
    if (unit < 0x80) {
      while (end < length && text.charCodeAt(end) < 0x80) end++
      put(text.slice(i, end), i, end)
    } else if (unit === TAG_HIGH && end < length && kindOf(text.charCodeAt(end)) === UNIT.lowSurrogate) {
      const low = text.charCodeAt(end++)
      // The rest of the plane (variation selectors, the tags' own beginning and end) is invisible.
      if (low >= TAG_LOW_FIRST && low <= TAG_LOW_LAST) {
        put(String.fromCharCode(low - 0xdc00), i, end)
        tags++
      }
    } else if (kindOf(unit) !== UNIT.invisible) {
      while (end < length && end - i < LONGEST_RUN && runsOn(text.charCodeAt(end))) end++
      put(text.slice(i, end).normalize('NFKC'), i, end)
    }
    i = end
  }
  origin[size] = length
  return { text: OTHER_LETTERS.test(out) ? foldLookAlikes(out) : out, origin: origin.subarray(0, size + 1), tags }
}

const runsOn = (unit: number): boolean => unit >= 0x80 && unit !== TAG_HIGH && kindOf(unit) !== UNIT.invisible

/** Unit for unit, so that origins stay. */
function foldLookAlikes(text: string): string {
  let out = ''
  let from = 0
  while (from < text.length) {
    if (!isWordUnit(kindOf(text.charCodeAt(from)))) {
      let end = from + 1
      while (end < text.length && !isWordUnit(kindOf(text.charCodeAt(end)))) end++
      out += text.slice(from, end)
      from = end
      continue
    }
    let end = from
    let latin = false
    let foreign = false
    while (end < text.length && isWordUnit(kindOf(text.charCodeAt(end)))) {
      const unit = text.charCodeAt(end++)
      if (unit >= 0x80) foreign = true
      else if (unit >= 0x41) latin = true
    }
    const word = text.slice(from, end)
    out += latin && foreign ? [...unitsOf(word)].map((unit) => lookAlike(unit) ?? String.fromCharCode(unit)).join('') : word
    from = end
  }
  return out
}

function* unitsOf(text: string): Generator<number> {
  for (let i = 0; i < text.length; i++) yield text.charCodeAt(i)
}

/** Words that mix letters with digits that look like them: `1gn0re`; a letter or sign first, at least three letters. */
const LEET_WORD = /(?<![\w@$])[a-z@$!0134578]{4,20}(?![\w@$])/giu
/** Single letters with one space, dot or dash between: `i g n o r e`. */
const SPACED_LETTERS = /(?<!\w)(?:[a-z][ ._-]){3,30}[a-z](?!\w)/giu

/** The text with digits for letters and spaced letters undone; null where there is nothing to undo. Offsets are lost. */
export function undoDisguise(text: string): string | null {
  const undone = text
    .replaceAll(LEET_WORD, (word) => {
      const letters = word.replaceAll(/[^a-z]/giu, '').length
      if (
        letters === word.length ||
        letters < 3 ||
        word.length - letters > letters ||
        /[A-Z]{2}/u.test(word) ||
        /^\d+[a-z]{1,2}$/iu.test(word)
      )
        return word
      return word.replaceAll(/[0134578@$!]/gu, (sign) => LEET[sign] ?? sign)
    })
    .replaceAll(SPACED_LETTERS, (letters) => letters.replaceAll(/[ ._-]/gu, ''))
  return undone === text ? null : undone
}
