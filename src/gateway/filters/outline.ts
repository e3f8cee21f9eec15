/**
 * What a segment is made of, found in one loop over its units: its groups of letters and digits, and which shapes of values it may hold.
 * Recognisers ask it instead of looping on their own, and are not asked at all where no shape they know is there.
 */
export const SHAPE = {
  /** Nine digits or more. */
  nineDigits: 1,
  /** Twelve digits or more. */
  twelveDigits: 2,
  /** Twelve digits or more in one group. */
  longNumber: 4,
  /** Fourteen letters and digits or more in one group. */
  longGroup: 8,
  /** Two letters and two digits at the start of a group: how an IBAN begins. */
  ibanHead: 16,
  /** A dot with letters behind it, or `://`. */
  domain: 32,
  /** Five colons, five dashes or two dots, which part the bytes of a hardware address. */
  parts: 64,
  /** A word of four units or more that is not of one kind, nor of letters alone. */
  mixed: 128,
  /** Three groups of digits as in `2024-03-04` and `4.3.24`. */
  date: 256,
  /** A digit before and behind a colon. */
  clock: 512,
  /** A digit with `a` or `p` behind it, maybe after a space. */
  meridiem: 1024,
  /** A number of one to three digits. */
  shortNumber: 2048,
  /** Three letters or more together. */
  word: 4096,
  /** A capital letter. */
  capital: 8192,
  /** A space, a line end or a comma. */
  parted: 16_384,
  /** A word of sixteen units or more. */
  longWord: 32_768,
} as const
const ALL = 65_535

const ASCII = 128
const SIGN = 0
export const SMALL = 1
const CAPITAL = 2
export const DIGIT = 4
/** What ends a word of a password: white space, controls, brackets and commas. */
const SPACE = 8
const KINDS = Uint8Array.from({ length: ASCII }, (_, unit) => {
  const sign = String.fromCharCode(unit)
  if (/[a-z]/u.test(sign)) return SMALL
  if (/[A-Z]/u.test(sign)) return CAPITAL
  if (/\d/u.test(sign)) return DIGIT
  return unit <= 0x20 || sign === '(' || sign === ')' || sign === ',' ? SPACE : SIGN
})
/** Bits of what stands in a word, beside `SMALL`, `CAPITAL` and `DIGIT`. */
const OTHER = 8

const COLON = 0x3a
const DASH = 0x2d
const DOT = 0x2e
const SLASH = 0x2f
const WORD_UNITS = 4
const LETTERS = 3
const LONG_GROUP = 14
const LONG_WORD_UNITS = 16
const NUMBER_DIGITS = 12
const FIRST_SIZE = 512
/** Entries behind the last one that are no place of any text: whoever looks a group or two ahead need not ask whether they are there. */
const PAST = 6
const NOWHERE = -1

const SIGN_MASK = 31
/** The bit of a sign in `Outline.signs`, which some share: what it says is that a sign is not there. */
export const signBit = (sign: string): number => 1 << (sign.charCodeAt(0) & SIGN_MASK)

/** One for all segments: one is searched at a time, and arrays of its own for each cost more than reading it. */
export class Outline {
  /** Starts and ends, in turn, of the runs of ASCII letters and digits, up to `groupsEnd`. */
  groups = new Int32Array(FIRST_SIZE)
  groupsEnd = 0
  /** Of each group, which of `SMALL`, `CAPITAL` and `DIGIT` are in it. */
  kinds = new Uint8Array(FIRST_SIZE / 2)
  /** Starts and ends, in turn, of the runs of digits, up to `digitsEnd`. */
  digits = new Int32Array(FIRST_SIZE)
  digitsEnd = 0
  /** Union of `SHAPE`s; all of them for a text beyond ASCII, where units are not what they seem. */
  shape = 0
  isAscii = true
  /** Union of `signBit`s of the signs in it, brackets and commas apart. */
  signs = 0
  /** The number of the segment that was read last. */
  owner = 0

  /** @param units holds the text from `base` on, and a zero behind it. */
  read(owner: number, units: Uint16Array, base: number, length: number): void {
    this.owner = owner
    if (length + 1 + PAST > this.groups.length) this.#grow(2 * (length + 1 + PAST))
    const { groups, digits, kinds: kindsOf } = this
    const end = base + length
    let shape = 0
    let isAscii = true
    let signs = 0
    let count = 0
    let colons = 0
    let dashes = 0
    let dots = 0
    let word = base
    let wordKinds = 0
    let groupsEnd = 0
    let digitsEnd = 0
    for (let i = base; i < end;) {
      const unit = units[i]!
      const kind = unit < ASCII ? KINDS[unit]! : SIGN
      if (kind === SPACE) {
        if (unit === 0x20 || unit === 0x0a || unit === 0x2c) shape |= SHAPE.parted
        word = ++i
        wordKinds = 0
        continue
      }
      if (kind === SIGN) {
        signs |= 1 << (unit & SIGN_MASK)
        if (unit === DOT) dots++
        else if (unit === DASH) dashes++
        else if (unit === COLON) {
          colons++
          if (units[i + 1] === SLASH && units[i + 2] === SLASH) shape |= SHAPE.domain
        } else if (unit >= ASCII) isAscii = false
        wordKinds |= OTHER
        i++
      } else {
        const start = i
        let kinds = 0
        let next: number = kind
        do {
          const from = i
          kinds |= next
          if (next === DIGIT) {
            while (isDigit(units[++i]!));
            digits[digitsEnd] = from - base
            digits[digitsEnd + 1] = i - base
            digitsEnd += 2
            count += i - from
            if (i - from >= NUMBER_DIGITS) shape |= SHAPE.longNumber
            next = groupKind(units[i]!)
          } else {
            while (((next = groupKind(units[++i]!)) & LETTER) !== 0) kinds |= next
            if (i - from >= LETTERS) shape |= SHAPE.word
            if (i - from === 2 && from === start && next === DIGIT && isDigit(units[i + 1]!)) shape |= SHAPE.ibanHead
          }
        } while (next !== 0)
        groups[groupsEnd] = start - base
        groups[groupsEnd + 1] = i - base
        kindsOf[groupsEnd >> 1] = kinds
        groupsEnd += 2
        if ((kinds & CAPITAL) !== 0) shape |= SHAPE.capital
        if (i - start >= LONG_GROUP) shape |= SHAPE.longGroup
        if ((kinds & LETTER) !== 0 && start > base && units[start - 1] === DOT) shape |= SHAPE.domain
        wordKinds |= kinds
      }
      const size = i - word
      if (size >= WORD_UNITS) {
        if (wordKinds > CAPITAL && (wordKinds & (wordKinds - 1)) !== 0 && wordKinds !== LETTER) shape |= SHAPE.mixed
        if (size >= LONG_WORD_UNITS) shape |= SHAPE.longWord
      }
    }
    if (count >= 9) shape |= SHAPE.nineDigits
    if (count >= NUMBER_DIGITS) shape |= SHAPE.twelveDigits
    if (colons >= 5 || dashes >= 5 || dots >= 2) shape |= SHAPE.parts
    for (let i = 0; i < PAST; i++) groups[groupsEnd + i] = digits[digitsEnd + i] = NOWHERE
    this.groupsEnd = groupsEnd
    this.digitsEnd = digitsEnd
    this.shape = isAscii ? shape | shapeOfNumbers(units, base, digits, digitsEnd) : ALL
    this.isAscii = isAscii
    this.signs = signs
  }

  #grow(size: number): void {
    this.groups = new Int32Array(size)
    this.kinds = new Uint8Array(size / 2)
    this.digits = new Int32Array(size)
  }
}

export const OUTLINE = new Outline()

const LETTER = SMALL | CAPITAL

const isDigit = (unit: number): boolean => unit >= 0x30 && unit <= 0x39

const groupKind = (unit: number): number => (unit < ASCII ? KINDS[unit]! & (LETTER | DIGIT) : 0)

/** `- . /`, which part the numbers of a day. */
const isDaySign = (unit: number): boolean => unit === DASH || unit === DOT || unit === SLASH

function shapeOfNumbers(units: Uint16Array, base: number, digits: Int32Array, digitsEnd: number): number {
  let shape = 0
  for (let at = 0; at < digitsEnd; at += 2) {
    const start = digits[at]!
    const end = digits[at + 1]!
    const size = end - start
    if (size <= 3) shape |= SHAPE.shortNumber
    const unit = units[base + end]!
    if (unit === COLON && digits[at + 2] === end + 1) shape |= SHAPE.clock
    const letter = (unit === 0x20 ? units[base + end + 1]! : unit) | 0x20
    if (letter === 0x61 || letter === 0x70) shape |= SHAPE.meridiem
    if ((size <= 2 || size === 4) && isDaySign(unit) && digits[at + 2] === end + 1) {
      const second = digits[at + 3]!
      if (second - end <= 3 && isDaySign(units[base + second]!) && digits[at + 4] === second + 1) shape |= SHAPE.date
    }
  }
  return shape
}
