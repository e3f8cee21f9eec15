import { isWordUnit, kindOf, lowerOf, UNIT } from '../text/units.ts'

/** A longer word is read as several: no name is as long, and what is held back stays bounded. */
export const LONGEST_TOKEN = 40
/** So much white space ends a sentence: columns, not prose. */
const WIDE_GAP = 4
/** So many units of white space and invisible ones between two tokens end a sentence as well. */
export const WIDEST_GAP = 16
/** Longest prefix and suffix that is looked at. */
export const AFFIX = 4

export const CASE = { lower: 0, title: 1, upper: 2, mixed: 3, number: 4, alphanumeric: 5, sign: 6 } as const

/** A full stop after these does not end a sentence. Lower case. */
const ABBREVIATIONS = new Set(
  (
    'mr mrs ms dr prof st sr jr vs no art nr hr fr frl dipl ing med phil bzw ca co corp inc ltd mme mlle me sig dott avv dhr mevr ir mw jkvr ' +
    'sra srta dra rev hon capt lt col gen sgt gov sen rep dept fig para sec vol ed al etc str av ave blvd rd mt ft'
  ).split(' '),
)
const LONGEST_ABBREVIATION = 5

const FNV_OFFSET = 0x811c9dc5 | 0
const FNV_PRIME = 0x01000193
const HOLD = 256

/**
 * The words and signs of a text in order, as columns of numbers. Only the latest are kept: `forget` moves them to the front, and
 * indices count from there.
 */
export class Tokens {
  size = 0
  #capacity = HOLD
  /** Offsets in the whole text, end exclusive. */
  start = new Float64Array(HOLD)
  end = new Float64Array(HOLD)
  /** Hash of the lower-case form. */
  word = new Int32Array(HOLD)
  /** Hashes of the first and last 1 … `AFFIX` units in lower case; 0 where the word is shorter. */
  prefix = new Int32Array(HOLD * AFFIX)
  suffix = new Int32Array(HOLD * AFFIX)
  /** Hash of the kinds of units, runs written once or twice. */
  shape = new Int32Array(HOLD)
  case = new Uint8Array(HOLD)
  length = new Uint8Array(HOLD)
  /** 1 where white space stands before. */
  spaced = new Uint8Array(HOLD)
  /** 1 where a sentence begins. */
  first = new Uint8Array(HOLD)
  /** First unit in lower case; tells signs apart. */
  initial = new Uint16Array(HOLD)

  grow(): void {
    if (this.size < this.#capacity) return
    const capacity = (this.#capacity *= 2)
    const larger = <T extends Float64Array | Int32Array | Uint8Array | Uint16Array>(column: T, width = 1): T => {
      const copy = new (column.constructor as new (size: number) => T)(capacity * width)
      copy.set(column)
      return copy
    }
    this.start = larger(this.start)
    this.end = larger(this.end)
    this.word = larger(this.word)
    this.prefix = larger(this.prefix, AFFIX)
    this.suffix = larger(this.suffix, AFFIX)
    this.shape = larger(this.shape)
    this.case = larger(this.case)
    this.length = larger(this.length)
    this.spaced = larger(this.spaced)
    this.first = larger(this.first)
    this.initial = larger(this.initial)
  }

  /** Drops the first `count` tokens. */
  forget(count: number): void {
    const { size } = this
    for (const column of [this.start, this.end, this.word, this.shape, this.case, this.length, this.spaced, this.first, this.initial])
      column.copyWithin(0, count, size)
    this.prefix.copyWithin(0, count * AFFIX, size * AFFIX)
    this.suffix.copyWithin(0, count * AFFIX, size * AFFIX)
    this.size -= count
  }
}

/**
 * Cuts a text that arrives in pieces into tokens: words of letters, marks and digits of any script, and single signs. Where it cuts
 * depends on the text alone, never on the pieces. Linear in the text.
 */
export class Tokeniser {
  readonly #tokens: Tokens
  /** Called when it is certain that the last token ends its sentence. */
  readonly #sentenceEnded: () => void
  /** Called after each token. */
  readonly #tokenAdded: () => void
  /** Offset of the next piece in the whole text. */
  #offset = 0
  /** The unfinished token, in whole. */
  #open = ''
  /** Units of white space since the last token, and with the invisible ones. */
  #gap = 0
  #between = 0
  #break = true

  constructor(tokens: Tokens, tokenAdded: () => void, sentenceEnded: () => void) {
    this.#tokens = tokens
    this.#tokenAdded = tokenAdded
    this.#sentenceEnded = sentenceEnded
  }

  /** Where the unfinished token begins; the offset reached, if there is none. */
  get openAt(): number {
    return this.#offset - this.#open.length
  }

  push(delta: string): void {
    const text = this.#open === '' ? delta : this.#open + delta
    const base = this.#offset - this.#open.length
    const { length } = text
    this.#offset += delta.length
    let at = 0
    while (at < length) {
      const kind = kindOf(text.charCodeAt(at))
      if (kind === UNIT.space || kind === UNIT.lineEnd || kind === UNIT.invisible) {
        at++
        if (kind !== UNIT.invisible) this.#gap++
        if (++this.#between === WIDEST_GAP || kind === UNIT.lineEnd || (this.#gap === WIDE_GAP && kind === UNIT.space)) this.#endSentence()
        continue
      }
      const end = endOfToken(text, at, kind)
      // The end of a piece is the end of a token only when nothing could be added to it.
      if (end < 0) break
      this.#add(text, at, end, base)
      at = end
    }
    this.#open = at < length ? text.slice(at) : ''
  }

  /** Ends the text. */
  flush(): void {
    if (this.#open !== '') {
      const open = this.#open
      this.#open = ''
      this.#add(open, 0, open.length, this.#offset - open.length)
    }
    this.#endSentence()
    this.#offset = 0
    this.#gap = 0
    this.#between = 0
  }

  #endSentence(): void {
    if (this.#break) return
    this.#break = true
    this.#sentenceEnded()
  }

  #add(text: string, from: number, to: number, base: number): void {
    const tokens = this.#tokens
    tokens.grow()
    const i = tokens.size
    tokens.start[i] = base + from
    tokens.end[i] = base + to
    describe(tokens, i, text, from, to)
    tokens.spaced[i] = this.#gap > 0 ? 1 : 0
    tokens.first[i] = this.#break || endsSentence(tokens, i) ? 1 : 0
    tokens.size++
    this.#gap = 0
    this.#between = 0
    this.#break = false
    this.#tokenAdded()
  }
}

/** @returns the end of the token at `from`, or -1 when it may go on after the text. */
function endOfToken(text: string, from: number, kind: number): number {
  const { length } = text
  if (kind === UNIT.highSurrogate) {
    if (from + 1 === length) return -1
    return kindOf(text.charCodeAt(from + 1)) === UNIT.lowSurrogate ? from + 2 : from + 1
  }
  if (!isWordUnit(kind)) return from + 1
  const limit = from + LONGEST_TOKEN
  let end = from + 1
  while (end < length && end < limit) {
    const next = kindOf(text.charCodeAt(end))
    if (!isWordUnit(next) && next !== UNIT.invisible) return end
    end++
  }
  return end === limit ? end : -1
}

function describe(tokens: Tokens, i: number, text: string, from: number, to: number): void {
  const at = i * AFFIX
  for (let k = 0; k < AFFIX; k++) tokens.prefix[at + k] = tokens.suffix[at + k] = 0
  let word = FNV_OFFSET
  let shape = FNV_OFFSET
  let units = 0
  let capitals = 0
  let digits = 0
  let letters = 0
  let capitalFirst = false
  let run = 0
  let before = -1
  for (let k = from; k < to; k++) {
    const raw = text.charCodeAt(k)
    const kind = kindOf(raw)
    if (kind === UNIT.invisible) continue
    const unit = lowerOf(raw)
    word = Math.imul(word ^ unit, FNV_PRIME)
    if (units === 0) {
      tokens.initial[i] = unit
      capitalFirst = kind === UNIT.capital
    }
    if (units < AFFIX) tokens.prefix[at + units] = word
    units++
    if (kind === UNIT.capital) capitals++
    else if (kind === UNIT.digit) digits++
    else if (kind === UNIT.letter) letters++
    run = kind === before ? run + 1 : 1
    before = kind
    if (run <= 2) shape = Math.imul(shape ^ (kind + 1), FNV_PRIME)
  }
  let suffix = FNV_OFFSET
  let taken = 0
  for (let k = to - 1; k >= from && taken < AFFIX; k--) {
    const raw = text.charCodeAt(k)
    if (kindOf(raw) === UNIT.invisible) continue
    suffix = Math.imul(suffix ^ lowerOf(raw), FNV_PRIME)
    tokens.suffix[at + taken++] = suffix
  }
  tokens.word[i] = word
  tokens.shape[i] = shape
  tokens.length[i] = units
  tokens.case[i] =
    digits > 0
      ? letters + capitals > 0
        ? CASE.alphanumeric
        : CASE.number
      : capitals + letters === 0
        ? CASE.sign
        : capitals === 0
          ? CASE.lower
          : capitals === units
            ? units === 1
              ? CASE.title
              : CASE.upper
            : capitalFirst && capitals === 1
              ? CASE.title
              : CASE.mixed
}

/** The hash that `Tokens.word` holds of a word. */
export function wordHash(word: string): number {
  let hash = FNV_OFFSET
  for (let k = 0; k < word.length; k++) hash = Math.imul(hash ^ lowerOf(word.charCodeAt(k)), FNV_PRIME)
  return hash
}

const ABBREVIATION_HASHES = new Set([...ABBREVIATIONS].map(wordHash))

/** Whether a sentence ends between token `i - 1` and token `i`, which is already described. */
function endsSentence(tokens: Tokens, i: number): boolean {
  if (tokens.spaced[i] === 0 || tokens.case[i] === CASE.lower || i === 0) return false
  const sign = tokens.initial[i - 1]
  if (tokens.case[i - 1] !== CASE.sign) return false
  if (sign === 0x21 || sign === 0x3f || sign === 0x2026) return true
  if (sign !== 0x2e) return false
  if (i < 2 || tokens.first[i - 1] === 1) return true
  const letters = tokens.case[i - 2]!
  if (letters === CASE.sign || letters === CASE.number) return true
  const length = tokens.length[i - 2]!
  return length > 1 && (length > LONGEST_ABBREVIATION || !ABBREVIATION_HASHES.has(tokens.word[i - 2]!))
}
