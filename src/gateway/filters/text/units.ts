/** What each UTF-16 unit is to a reader of prose, from Unicode's own properties. */
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
/** Between these the tables know no case and few signs: Chinese, Japanese, Korean and their neighbours. */
const UNCASED = 0x2e80
const UNCASED_END = 0xfb00

interface Tables {
  readonly kinds: Uint8Array
  readonly lowers: Uint16Array
}

/** Looks up a stretch of units at once: each class is one search, not one for each unit. Later ones have the last word. */
function look({ kinds, lowers }: Tables, from: number, end: number): void {
  let every = ''
  for (let unit = from; unit < end; unit++) every += String.fromCharCode(unit)
  const mark = (kind: number, characters: RegExp): void => {
    for (const run of every.matchAll(characters)) kinds.fill(kind, from + run.index, from + run.index + run[0].length)
  }
  mark(UNIT.digit, /\p{Nd}+/gu)
  mark(UNIT.letter, /[\p{L}\p{M}]+/gu)
  mark(UNIT.capital, /[\p{Lu}\p{Lt}]+/gu)
  mark(UNIT.space, /\s+/gu)
  mark(UNIT.invisible, /[\p{Default_Ignorable_Code_Point}\p{Cf}]+/gu)
  mark(UNIT.lineEnd, /[\n\r\u2028\u2029\v\f]+/gu)
  for (const run of every.matchAll(/[\p{Lu}\p{Lt}]/gu)) {
    const lower = run[0].toLowerCase()
    if (lower.length === 1) lowers[from + run.index] = lower.charCodeAt(0)
  }
}

function build(): Tables {
  const made = { kinds: new Uint8Array(UNITS).fill(UNIT.sign), lowers: Uint16Array.from({ length: UNITS }, (_, unit) => unit) }
  look(made, 0, UNCASED)
  look(made, UNCASED_END, UNITS)
  const { kinds } = made
  kinds.fill(UNIT.letter, UNCASED, UNCASED_END)
  kinds.fill(UNIT.sign, 0x3001, 0x3021)
  kinds[0x3000] = UNIT.space
  kinds.fill(UNIT.highSurrogate, 0xd800, 0xdc00)
  kinds.fill(UNIT.lowSurrogate, 0xdc00, 0xe000)
  return made
}

/** Made at the first question, not when the program starts: it takes some milliseconds, and most commands never ask. */
let tables: Tables | null = null

/** @param unit 0 … 65,535. */
export const kindOf = (unit: number): number => (tables ??= build()).kinds[unit]!

/** The lower-case form where it is one unit, else the unit itself. */
export const lowerOf = (unit: number): number => (tables ??= build()).lowers[unit]!

/** Letters, marks and digits: what words are made of. */
export const isWordUnit = (kind: number): boolean => kind === UNIT.letter || kind === UNIT.capital || kind === UNIT.digit
