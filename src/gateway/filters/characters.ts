/**
 * What each UTF-16 unit means for the search, in one table look-up. No recogniser's value contains a BOUNDARY unit, and a value
 * contains a GAP only between two units that join (see `segment-machine.ts`): that is what lets a stream be cut by content alone.
 */
export const BOUNDARY = 0
export const LETTER = 1
export const DIGIT = 2
/** Space that may group a number: `4111 1111 …`. */
export const GAP = 3
export const DASH = 4
export const AT = 5
export const COLON = 6
export const DOT = 7
/** `(` and `+`, which begin telephone numbers. */
export const OPEN = 8
export const CLOSE = 9
/** `_ % / '`: inside values, never grouping numbers. */
export const OTHER = 10
/** Invisible units, used to hide values from filters: part of the word, dropped before it is looked at. */
export const INVISIBLE = 11
/** `! # $ & * ; = ? ^ ~`: inside addresses of the web, passwords and magnetic stripes; at the end of a word, the end of a value. */
export const SIGN = 12
/** Parts `March 4, 2024` and the lines of a postal address when space follows, and values of a list otherwise. */
export const COMMA = 13
/** Line ends, which only the lines of a postal address cross. */
export const LINE = 14

const ASCII = new Uint8Array(128)
for (let unit = 0; unit < 128; unit++) {
  const character = String.fromCharCode(unit)
  if (/[a-z]/iu.test(character)) ASCII[unit] = LETTER
  else if (/\d/u.test(character)) ASCII[unit] = DIGIT
  else if (character === ' ' || character === '\t') ASCII[unit] = GAP
  else if (character === '-') ASCII[unit] = DASH
  else if (character === '@') ASCII[unit] = AT
  else if (character === ':') ASCII[unit] = COLON
  else if (character === '.') ASCII[unit] = DOT
  else if (character === '(' || character === '+') ASCII[unit] = OPEN
  else if (character === ')') ASCII[unit] = CLOSE
  else if ("_%/'".includes(character)) ASCII[unit] = OTHER
  else if ('!#$&*;=?^~'.includes(character)) ASCII[unit] = SIGN
  else if (character === ',') ASCII[unit] = COMMA
  else if (character === '\n' || character === '\r') ASCII[unit] = LINE
}

/** ISO 9362: the shortest code that may be of capital letters alone (`TRAIT.capitals`). */
export const BIC_LETTERS = 8
/** Shortest word that may hold a value although it has neither a digit nor a sign that values need (`TRAIT.long`). */
export const LONG_WORD = 16
export function isUpperCaseUnit(unit: number): boolean {
  if (unit < 0x80) return unit >= 0x41 && unit <= 0x5a
  const character = String.fromCharCode(unit)
  return character !== character.toLowerCase()
}

/**
 * Zeros of the writing systems with decimal digits in one unit (Unicode 17, general category Nd), and of digits in signs, which begin with 1 (No): in
 * circles, brackets, with a full stop. Raised and lowered ones are none: they are marks of notes and powers behind numbers.
 */
const ZEROS = [
  0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946,
  0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
] // prettier-ignore
const ONES = [0x2460, 0x2474, 0x2488, 0x24f5, 0x2776, 0x2780, 0x278a]
/** The ASCII digit of each unit that is another one; 0 for all others. */
const DIGITS = new Uint8Array(0x10000)
for (const zero of ZEROS) for (let i = 0; i < 10; i++) DIGITS[zero + i] = 0x30 + i
for (const one of ONES) for (let i = 0; i < 9; i++) DIGITS[one + i] = 0x31 + i
for (const zero of [0x24ea, 0x24ff]) DIGITS[zero] = 0x30

/** The ASCII unit that a look-alike stands for, the unit itself if it is none, or -1 for an invisible one. */
export function foldUnit(unit: number): number {
  if (unit < 0x80) return unit
  if (unit === 0xad || (unit >= 0x200b && unit <= 0x200f) || unit === 0x2060 || unit === 0xfeff) return -1
  // Joiners, selectors of a form, and the frame of a key, in which digits stand as signs.
  if (unit === 0x34f || unit === 0x61c || unit === 0x180e || (unit >= 0x2061 && unit <= 0x2064)) return -1
  if ((unit >= 0xfe00 && unit <= 0xfe0f) || unit === 0x20e3) return -1
  // Marks of the direction of writing.
  if ((unit >= 0x202a && unit <= 0x202e) || (unit >= 0x2066 && unit <= 0x2069)) return -1
  if (unit === 0xa0 || (unit >= 0x2000 && unit <= 0x200a) || unit === 0x202f || unit === 0x205f || unit === 0x3000) return 0x20
  // `—` and `―` set words apart: `call me—415-555-0132—today`.
  if (unit === 0x2014 || unit === 0x2015) return 0x20
  if ((unit >= 0x2010 && unit <= 0x2013) || unit === 0x2043 || unit === 0x2212 || unit === 0xfe58 || unit === 0xfe63) return 0x2d
  if (unit >= 0xff01 && unit <= 0xff5e) return unit - 0xfee0
  if (unit === 0x2019) return 0x27
  const digit = DIGITS[unit]!
  return digit === 0 ? unit : digit
}

/** Scripts written with spaces between words; all others (and surrogates) are boundaries, so that they stream unit by unit. */
function isLetterBeyondAscii(unit: number): boolean {
  return (
    unit >= 0xaa &&
    (unit < 0xe00
      ? unit >= 0xc0 || unit === 0xaa || unit === 0xb5 || unit === 0xba
      : (unit >= 0x10a0 && unit < 0x1100) || (unit >= 0x1e00 && unit < 0x2000))
  )
}

/** First unit of the mathematical digits, U+1D7CE to U+1D7FF, which are of two. It is invisible as far as units are looked at one by one; the second one is read as the digit. */
export const MATHEMATICAL = 0xd835
const MATHEMATICAL_FROM = 0xdfce

/** The ASCII digit of a mathematical one by its two units; -1 if they are none. */
export const mathematicalDigit = (first: number, second: number): number =>
  first === MATHEMATICAL && second >= MATHEMATICAL_FROM && second <= 0xdfff ? 0x30 + ((second - MATHEMATICAL_FROM) % 10) : -1

function classifyBeyondAscii(unit: number): number {
  if (unit === MATHEMATICAL) return INVISIBLE
  const folded = foldUnit(unit)
  if (folded < 0) return INVISIBLE
  if (folded < 0x80) return ASCII[folded]!
  return isLetterBeyondAscii(unit) ? LETTER : BOUNDARY
}

export function classify(unit: number): number {
  return unit < 0x80 ? ASCII[unit]! : classifyBeyondAscii(unit)
}

export function isWordKind(kind: number): boolean {
  return kind !== BOUNDARY && kind !== GAP && kind !== INVISIBLE && kind !== COMMA && kind !== LINE
}

export function isDigitUnit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39
}

/** Letters and digits of any script; NaN (outside the text) is none. */
export function isAlphanumericUnit(unit: number): boolean {
  const kind = unit >= 0 ? classify(unit) : BOUNDARY
  return kind === LETTER || kind === DIGIT
}

export interface Folded {
  readonly text: string
  /** Index in the original of each unit of `text`, and one more for its end; null when they are the same. */
  readonly origin: readonly number[] | null
}

/** Writes look-alikes as ASCII and drops invisible units, keeping where each unit came from. */
export function fold(text: string): Folded {
  const units: number[] = []
  const origin: number[] = []
  for (let i = 0; i < text.length; i++) {
    const digit = mathematicalDigit(text.charCodeAt(i), text.charCodeAt(i + 1))
    const unit = digit < 0 ? foldUnit(text.charCodeAt(i)) : digit
    if (unit < 0) continue
    units.push(unit)
    origin.push(i)
    if (digit >= 0) i++
  }
  origin.push(text.length)
  return { text: String.fromCharCode(...units), origin: units.length === text.length ? null : origin }
}
