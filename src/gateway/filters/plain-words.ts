import { BIC_LETTERS, BOUNDARY, classify, COMMA, DOT, GAP, LETTER, LINE, LONG_WORD, OTHER, SIGN } from './characters.ts'
import { mayBeStreetWord } from './joining-words.ts'

const SEPARATOR = 0
const PLAIN = 1
const CAPITAL = 2
const ANYTHING = 3
const SKIPPED = Uint8Array.from({ length: 128 }, (_, unit) => {
  const kind = classify(unit)
  if (kind === BOUNDARY || kind === GAP || kind === COMMA || kind === LINE) return SEPARATOR
  if (unit >= 0x41 && unit <= 0x5a) return CAPITAL
  return kind === LETTER || kind === DOT || kind === OTHER || kind === SIGN ? PLAIN : ANYTHING
})

const DOT_UNIT = 0x2e

/**
 * Most of any text: short words that begin with a small letter and hold letters, apostrophes and a last dot, and single ones with a capital
 * letter. They have none of the traits of a value, so the search passes over them without opening a segment.
 * @param units with a zero behind `to`; @param from where no segment is open. @returns the start of the first word that is not such a one, or whose end is not there yet.
 */
export function skipPlainWords(units: Uint16Array, from: number, to: number): number {
  let word = from
  for (let i = from; i < to;) {
    let unit = units[i]!
    while (unit >= 0x61 && unit <= 0x7a) unit = units[++i]!
    if (i - word >= LONG_WORD || i >= to) return word
    const what = unit < 0x80 ? SKIPPED[unit]! : ANYTHING
    if (what === SEPARATOR) word = ++i
    else if (what === CAPITAL && i === word) {
      const next = nextAfterName(units, i, to)
      if (next === 0) return word
      word = i = next
    } else if (what === ANYTHING || i - word + 1 >= LONG_WORD || (unit === DOT_UNIT && isLetter(units[i + 1]!))) return word
    else i++
  }
  return word
}

/**
 * One word of letters with a capital letter, as at the start of a sentence, behind which a word in small letters or something that is in no value
 * follows. What joins several words to one value begins with more than that, unless the word is a kind of street.
 * @returns where the text goes on behind it; 0 if it is not such a word, or is not there as a whole.
 */
function nextAfterName(units: Uint16Array, start: number, to: number): number {
  let end = start + 1
  const last = Math.min(to - 2, start + LONG_WORD - 1)
  while (end < last && isLetter(units[end]!)) end++
  if (end >= last) return 0
  const unit = units[end]!
  const next = units[end + 1]!
  const isOver = unit < 0x80 && (classify(unit) === BOUNDARY || classify(unit) === LINE)
  const goesOnInSmall = unit === SPACE_UNIT && next >= 0x61 && next <= 0x7a
  if (!(isOver || goesOnInSmall) || mayBeStreetWord(units, start, end)) return 0
  return capitalsIn(units, start, end) < BIC_LETTERS ? end + 1 : 0
}

const SPACE_UNIT = 0x20

/** `A` to `Z` and `a` to `z`. */
function isLetter(unit: number): boolean {
  const small = unit | 0x20
  return small >= 0x61 && small <= 0x7a
}

function capitalsIn(units: Uint16Array, start: number, end: number): number {
  let capitals = 0
  for (let i = start; i < end; i++) if (units[i]! <= 0x5a) capitals++
  return capitals
}

/** Whether a word with `unit` in it, after a unit of kind `last`, may still be one that `skipPlainWords` passes over. */
export function isPlainUnit(unit: number, last: number): boolean {
  return unit < 0x80 && SKIPPED[unit] !== ANYTHING && !(last === DOT && classify(unit) === LETTER)
}

/** Whether the whole text is words without any trait of a value, so that there is nothing to search it for. */
export function isPlain(text: string): boolean {
  let word = 0
  let capitals = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    const what = unit < 0x80 ? SKIPPED[unit]! : ANYTHING
    if (what === SEPARATOR) word = i + 1
    else if (
      what === ANYTHING ||
      i - word + 1 >= LONG_WORD ||
      (unit === DOT_UNIT && i + 1 < text.length && isLetter(text.charCodeAt(i + 1)))
    )
      return false
    if (what === CAPITAL && ++capitals >= BIC_LETTERS) return false
  }
  return true
}
