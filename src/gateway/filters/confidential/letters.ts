import { lookAlike } from '../injection/confusables.ts'

/** The unit stands between words: space, punctuation, signs. */
export const SEPARATES = 0
/** The unit counts for nothing: invisible, or a mark on the letter before it. */
export const IGNORED = 1
/** The unit stands for several letters: see `lettersOf`. */
export const SEVERAL = 2

const UNKNOWN = 0xffff
const known = new Uint16Array(0x1_0000).fill(UNKNOWN)
const several = new Map<number, readonly number[]>()
/** Beyond the basic plane every character is looked up by itself; those met are kept, so many at most. */
const MOST_KEPT = 20_000
const NOTHING: readonly number[] = []

/**
 * What a UTF-16 unit is once a text is reduced to what it says: NFKD (UAX #15) without marks, lower case, look-alikes of other scripts as the basic Latin
 * letter, letters and digits alone. Unit for unit and without context, so that a text reads the same however it is cut.
 * @returns the letter, or `SEPARATES`, `IGNORED` or `SEVERAL`.
 */
export function letterOf(unit: number): number {
  const letter = known[unit]!
  return letter === UNKNOWN ? look(unit) : letter
}

/** The letters of a unit that is `SEVERAL`, or of a code point beyond the basic plane; empty for one that separates. */
export function lettersOf(codePoint: number): readonly number[] {
  const kept = several.get(codePoint)
  if (kept !== undefined) return kept
  const letters = reduced(codePoint)
  if (several.size < MOST_KEPT) several.set(codePoint, letters)
  return letters
}

const INVISIBLE = /^[\p{Default_Ignorable_Code_Point}\p{Cf}\p{M}]+$/u
const MARKS = /[\p{M}\p{Default_Ignorable_Code_Point}\p{Cf}]/gu
const WORD = /[\p{L}\p{N}]/gu

/** Whether the character only marks or hides: it neither parts words nor adds to them. */
export function isInvisible(codePoint: number): boolean {
  return INVISIBLE.test(String.fromCodePoint(codePoint))
}

function look(unit: number): number {
  let letter = SEPARATES
  if (isInvisible(unit)) letter = IGNORED
  else {
    const letters = reduced(unit)
    if (letters.length === 1) letter = letters[0]!
    else if (letters.length > 1) {
      several.set(unit, letters)
      letter = SEVERAL
    }
  }
  known[unit] = letter
  return letter
}

function reduced(codePoint: number): readonly number[] {
  // The block of tags writes ASCII that nobody sees and models read.
  const shown = codePoint >= 0xe0020 && codePoint <= 0xe007e ? codePoint - 0xe0000 : codePoint
  const plain = String.fromCodePoint(shown).normalize('NFKD').replaceAll(MARKS, '')
  // Up and down again: `ß` is `ss`, the final sigma a sigma.
  const folded = plain.toUpperCase().toLowerCase().normalize('NFKD').replaceAll(MARKS, '')
  const found = folded.match(WORD)
  if (found === null) return NOTHING
  const letters: number[] = []
  for (const letter of found) for (let i = 0; i < letter.length; i++) letters.push(basicLatin(letter.charCodeAt(i)))
  return letters
}

/** By what the small letter looks like, else by what the capital does: both are one letter, in every script. */
function basicLatin(unit: number): number {
  const capital = String.fromCharCode(unit).toUpperCase()
  const alike = lookAlike(unit) ?? (capital.length === 1 ? lookAlike(capital.charCodeAt(0)) : null)
  return alike === null ? unit : alike.toLowerCase().charCodeAt(0)
}
