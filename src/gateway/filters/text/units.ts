/** What each UTF-16 unit is to a reader of prose. Built once, in a few milliseconds, from Unicode's own properties. */
export const UNIT = {
  space: 0,
  lineEnd: 1,
  letter: 2,
  capital: 3,
  digit: 4,
  sign: 5,
  highSurrogate: 6,
  lowSurrogate: 7,
  invisible: 8,
} as const

const UNITS = 0x1_0000
const kinds = new Uint8Array(UNITS)
const lowers = new Uint16Array(UNITS)

/** From here on the tables know no case and no signs that matter here: Chinese, Japanese, Korean and beyond. */
const CASED_END = 0x2e80

for (let unit = 0; unit < UNITS; unit++) {
  lowers[unit] = unit
  if (unit >= 0xd800 && unit < 0xe000) {
    kinds[unit] = unit < 0xdc00 ? UNIT.highSurrogate : UNIT.lowSurrogate
    continue
  }
  if (unit >= CASED_END && unit < 0xfb00) {
    kinds[unit] = unit === 0x3000 ? UNIT.space : unit > 0x3000 && unit < 0x3021 ? UNIT.sign : UNIT.letter
    continue
  }
  const character = String.fromCharCode(unit)
  if (/[\n\r\u2028\u2029\v\f]/u.test(character)) kinds[unit] = UNIT.lineEnd
  else if (/\p{Default_Ignorable_Code_Point}|\p{Cf}/u.test(character)) kinds[unit] = UNIT.invisible
  else if (/\s/u.test(character)) kinds[unit] = UNIT.space
  else if (/\p{Lu}|\p{Lt}/u.test(character)) kinds[unit] = UNIT.capital
  else if (/[\p{L}\p{M}]/u.test(character)) kinds[unit] = UNIT.letter
  else if (/\p{Nd}/u.test(character)) kinds[unit] = UNIT.digit
  else kinds[unit] = UNIT.sign
  const lower = character.toLowerCase()
  if (lower.length === 1) lowers[unit] = lower.charCodeAt(0)
}

/** @param unit 0 … 65,535. */
export const kindOf = (unit: number): number => kinds[unit]!

/** The lower-case form where it is one unit, else the unit itself. */
export const lowerOf = (unit: number): number => lowers[unit]!

/** Letters, marks and digits: what words are made of. */
export const isWordUnit = (kind: number): boolean => kind === UNIT.letter || kind === UNIT.capital || kind === UNIT.digit
