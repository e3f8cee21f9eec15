import { IGNORED, isInvisible, letterOf, lettersOf, SEPARATES, SEVERAL } from './letters.ts'

/** Takes a text as its letters. Offsets are UTF-16 units of the raw text, end exclusive. */
export interface LetterSink {
  /** @param small the letter was written small: none of a word of capitals is. */
  letter(letter: number, start: number, end: number, small: boolean): void
  /** What stands between words; comes once or more after each word. @param unit the unit that stands there; `NO_UNIT` where the words touch. */
  gap(unit: number): void
}

/** Scripts that write no spaces: each character is a word. */
const UNSPACED = 0x2e80
const UNSPACED_END = 0xfb00
const NONE = -1
/** Of a gap that is no unit of the text: its end, or the border of a word of scripts without spaces. */
export const NO_UNIT = -1

/** Reads a text that comes in pieces as letters and gaps. Constant memory; a pair of surrogates may be cut. */
export class LetterReader {
  /** Units read. */
  position = 0
  readonly #sink: LetterSink
  /** A first half whose second has not come. */
  #high = NONE

  constructor(sink: LetterSink) {
    this.#sink = sink
  }

  push(text: string): void {
    const sink = this.#sink
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      const start = this.position++
      if (unit < 0x80) {
        // Digits and letters of ASCII, the most of any text, need no table.
        if (unit >= 0x61 && unit <= 0x7a) sink.letter(unit, start, start + 1, true)
        else if (unit >= 0x41 && unit <= 0x5a) sink.letter(unit + 0x20, start, start + 1, false)
        else if (unit >= 0x30 && unit <= 0x39) sink.letter(unit, start, start + 1, false)
        else sink.gap(unit)
        this.#high = NONE
      } else this.#beyond(unit, start)
    }
  }

  /** Ends the text. */
  end(): void {
    this.#high = NONE
    this.#sink.gap(NO_UNIT)
  }

  #beyond(unit: number, start: number): void {
    const sink = this.#sink
    const high = this.#high
    this.#high = NONE
    if (unit >= 0xd800 && unit <= 0xdbff) {
      this.#high = unit
      return
    }
    if (unit >= 0xdc00 && unit <= 0xdfff) {
      const codePoint = high === NONE ? unit : 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00)
      this.#several(codePoint, high === NONE ? start : start - 1, start + 1)
      return
    }
    const letter = letterOf(unit)
    if (letter === IGNORED) return
    if (letter === SEPARATES) sink.gap(unit)
    else if (unit >= UNSPACED && unit < UNSPACED_END) {
      sink.gap(NO_UNIT)
      if (letter === SEVERAL) for (const each of lettersOf(unit)) sink.letter(each, start, start + 1, false)
      else sink.letter(letter, start, start + 1, false)
      sink.gap(NO_UNIT)
    } else if (letter === SEVERAL) this.#several(unit, start, start + 1)
    else sink.letter(letter, start, start + 1, isSmall(unit))
  }

  #several(codePoint: number, start: number, end: number): void {
    const letters = lettersOf(codePoint)
    if (letters.length > 0) for (const letter of letters) this.#sink.letter(letter, start, end, false)
    else if (!isInvisible(codePoint)) this.#sink.gap(NO_UNIT)
  }
}

function isSmall(unit: number): boolean {
  const character = String.fromCharCode(unit)
  return character !== character.toUpperCase()
}
