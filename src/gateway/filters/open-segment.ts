import * as kinds from './characters.ts'
import { Counts } from './counts.ts'
import { isJoiningWordAt, isStreetKindAt, isStreetWordAt, joinsAt } from './joining-words.ts'
import { OpenWord } from './open-word.ts'
import type { UnitWindow } from './unit-window.ts'

/** No segment, no end. */
export const NONE = -1
/** Most GAP units that join two groups of one value. */
export const LONGEST_GAP = 2
/** Most invisible units in such a gap, and most units of it in all. */
const MOST_HIDDEN = 8
export const LONGEST_PAUSE = LONGEST_GAP + MOST_HIDDEN
/** Words of letters that are kept before the first number of a value: `Rue Victor Hugo 12`. */
const WORDS_BEFORE = 5
/** Such words after the last number at which the segment is cut, and how many of them stay with it. */
const WORDS_AFTER = WORDS_BEFORE + 3
const WORDS_KEPT = 3
/** A number of so many digits is no part of a date or an address, which alone go on after a comma. */
const LONG_NUMBER = 7
/** ISO 13616-1: groups of four after the head. */
const IBAN_GROUP = 4

/** The words that may belong to one value so far, and the rules by which the next one joins them. Offsets are in the text of the running push. */
export class OpenSegment {
  /** `NONE` while no segment is open. */
  start = NONE
  /** End of its last word that is known to belong to it; `NONE` while the first one is being read. */
  wordEnd = NONE
  readonly counts = new Counts()
  hasSpecial = false
  hasStreet = false
  /** Whether its last word may be followed by a word of the same value. */
  joining = false
  /** Starts and ends, in turn, of its words since the last one with anything special: `#tailEnd` of them. */
  readonly #tail = new Int32Array(WORDS_AFTER * 2)
  #tailEnd = 0
  last = kinds.BOUNDARY
  digitsInLast = 0
  ibanOpen = false

  readonly word = new OpenWord()
  inWord = false

  // What parts that word from the one before.
  gap = 0
  #hidden = 0
  comma = false
  line = 0

  get isOpen(): boolean {
    return this.start !== NONE
  }

  open(at: number): void {
    this.#openAt(at)
    this.joining = false
    this.beginWord(at)
  }

  /** The word that was read does not join: it begins the next segment. */
  openWithWord(): void {
    this.#openAt(this.word.start)
  }

  #openAt(at: number): void {
    this.start = at
    this.wordEnd = NONE
    this.counts.clear()
    this.hasSpecial = this.hasStreet = this.ibanOpen = false
    this.#tailEnd = 0
    this.last = kinds.BOUNDARY
  }

  beginWord(at: number): void {
    this.inWord = true
    this.word.begin(at)
  }

  close(): void {
    this.start = NONE
    this.gap = this.#hidden = this.line = 0
    this.comma = false
  }

  /** Goes on with the last words after it was cut behind the first `WORDS_KEPT` of its tail: they may stand before another value. */
  goOnAfterCut(): void {
    this.#tail.copyWithin(0, WORDS_KEPT * 2, this.#tailEnd)
    this.#tailEnd -= WORDS_KEPT * 2
    this.start = this.#tail[0]!
    this.hasSpecial = this.hasStreet = false
    this.counts.clear()
    this.counts.beyondAscii = true
  }

  /** `units` before its text are no longer part of it. */
  moveBack(units: number): void {
    if (this.start === NONE) return
    this.start -= units
    this.word.start -= units
    if (this.wordEnd !== NONE) this.wordEnd -= units
    for (let i = 0; i < this.#tailEnd; i++) this.#tail[i]! -= units
  }

  /** Whether the word that was read until `end` may begin a segment. */
  wordStarts({ units, base }: UnitWindow, end: number): boolean {
    const { start, isPlain } = this.word
    return !isPlain || kinds.isUpperCaseUnit(units[base + start]!) || end - start >= kinds.LONG_WORD
  }

  /** A word in small letters may join: `12 rue`, `Via della`. */
  get takesSmallWords(): boolean {
    return this.joining && (this.counts.digits > 0 || this.hasStreet)
  }

  /** Whether a value may go on behind a unit that belongs to no word, and notes it if so. */
  mayGoOnBehind(kind: number, unit: number): boolean {
    // An invisible unit behind a space hides no more than one inside a word.
    if ((kind === kinds.GAP || kind === kinds.INVISIBLE) && (this.joining || this.#groupsOpen)) {
      if (unit >= 0x80) this.counts.beyondAscii = true
      if (kind === kinds.INVISIBLE ? ++this.#hidden <= MOST_HIDDEN : ++this.gap <= LONGEST_GAP) return true
    } else if (kind === kinds.COMMA) {
      if (this.gap + this.line === 0 && !this.comma && this.joining && this.digitsInLast < LONG_NUMBER) {
        this.comma = true
        return true
      }
    } else if (kind === kinds.LINE && this.hasStreet && this.line < (unit === 0x0a ? 2 : 1)) {
      // CR LF is one line end; an empty line ends the address.
      this.line = unit === 0x0a ? 2 : 1
      return true
    }
    return false
  }

  /** Whether the word that ends at `end` may belong to the same value as the words before it. */
  joins(text: string, window: UnitWindow, end: number): boolean {
    const apart = this.comma || this.line > 0
    if (!apart && this.#joinsGroups()) return true
    if (!this.joining) return false
    const { start, counts } = this.word
    if (counts.digits > 0 || kinds.isUpperCaseUnit(window.units[window.base + start]!)) return true
    if (!this.takesSmallWords || this.line > 0) return false
    // Behind a comma only the kind of a street: `98, avenue Foch`.
    return apart ? isStreetKindAt(text, window, start, end, !counts.beyondAscii) : joinsAt(text, window, start, end, !counts.beyondAscii)
  }

  get #groupsOpen(): boolean {
    const last = this.last
    return (
      this.ibanOpen ||
      last === kinds.DIGIT ||
      last === kinds.CLOSE ||
      last === kinds.DASH ||
      (last === kinds.OTHER && this.counts.digits > 0)
    )
  }

  /** Groups of digits, and of letters in an IBAN. */
  #joinsGroups(): boolean {
    const last = this.last
    const first = this.word.first
    if (!this.#groupsOpen) return false
    if (first === kinds.DIGIT || first === kinds.OPEN || first === kinds.DASH) return true
    if (first === kinds.OTHER) return last === kinds.DIGIT || last === kinds.CLOSE
    return this.ibanOpen && first === kinds.LETTER
  }

  /** The word that was read until `end` joins. @returns where the segment has to be cut now, `NONE` if nowhere. */
  takeIn(text: string, window: UnitWindow, end: number): number {
    const { start, counts } = this.word
    const { digits } = counts
    const isAscii = !counts.beyondAscii
    const { units, base } = window
    const capital = kinds.isUpperCaseUnit(units[base + (this.word.first === kinds.OPEN ? start + 1 : start)]!)
    this.ibanOpen = this.#continuesIban(units, base, end)
    this.counts.add(counts)
    this.last = this.word.last
    this.digitsInLast = digits
    this.wordEnd = end
    this.gap = this.#hidden = this.line = 0
    this.comma = false
    const cut = Math.min(end, start + kinds.LONG_WORD * 2)
    if (!this.hasStreet && (capital || this.counts.digits > 0) && digits === 0 && isStreetWordAt(text, window, start, cut, isAscii))
      this.hasStreet = true
    this.joining =
      this.last !== kinds.SIGN &&
      this.last !== kinds.COLON &&
      (capital || digits > 0 || (this.joining && isJoiningWordAt(text, window, start, cut, isAscii)))
    if (counts.special || end - start >= kinds.LONG_WORD) {
      this.hasSpecial = true
      this.#tailEnd = 0
      return NONE
    }
    this.#tail[this.#tailEnd++] = start
    this.#tail[this.#tailEnd++] = end
    const words = this.#tailEnd / 2
    if (!this.hasSpecial && words > WORDS_BEFORE) {
      // Words of letters alone hold no value, and more of them than this stand before none.
      this.#tail.copyWithin(0, 2, this.#tailEnd)
      this.#tailEnd -= 2
      this.start = this.#tail[0]!
    } else if (this.hasSpecial && words >= WORDS_AFTER) {
      return this.#tail[WORDS_KEPT * 2 - 1]!
    }
    return NONE
  }

  /** Whether the word that ends at `end` may be followed by a group of letters: an IBAN's head, or a group of four after one. */
  #continuesIban(units: Uint16Array, base: number, end: number): boolean {
    const size = end - this.word.start
    if (this.ibanOpen && size === IBAN_GROUP) return this.word.last !== kinds.DASH
    if (size < IBAN_GROUP) return false
    // A label may be joined on, `IBAN:GB29 …`, or the end of another one, `… 19@GB29 …`
    const head = base + end - IBAN_GROUP
    return (
      kinds.classify(units[head + 2]!) === kinds.DIGIT &&
      kinds.classify(units[head + 3]!) === kinds.DIGIT &&
      kinds.classify(units[head]!) === kinds.LETTER &&
      kinds.classify(units[head + 1]!) === kinds.LETTER
    )
  }
}
