import { MATHEMATICAL, mathematicalDigit } from './characters.ts'

/** Zeros around the text: recognisers look a few units beyond its ends. */
export const PAD = 16
const FIRST_SIZE = 2048
/** In either unit of two. */
const BEYOND_ASCII = 0xff80_ff80 | 0
const MATHEMATICAL_UNIT = String.fromCharCode(MATHEMATICAL)
let loads = 0

/**
 * The units of a text and of what stands before it. A typed array is read several times as fast as a string, and a look beyond the ends of a
 * string costs ten times as much again.
 */
export class UnitWindow {
  /** What stands before begins at `PAD`, the text at `base`; zeros on both sides. Another array after a longer text. */
  units = new Uint16Array(FIRST_SIZE)
  base = PAD
  /** A number of its own for each text that was loaded, in any window. */
  loaded = 0
  #bytes = Buffer.from(this.units.buffer)
  #pairs = new Int32Array(this.units.buffer)
  #owner = 0

  load(before: string, text: string): void {
    this.base = PAD + before.length
    this.loaded = ++loads
    const end = this.base + text.length
    if (end + PAD > this.units.length) {
      this.units = new Uint16Array(2 * (end + PAD))
      this.#bytes = Buffer.from(this.units.buffer)
      this.#pairs = new Int32Array(this.units.buffer)
    }
    if (before !== '') this.#bytes.write(before, PAD * 2, 'utf16le')
    this.#bytes.write(text, this.base * 2, 'utf16le')
    this.units.fill(0, end, end + PAD)
  }

  /** Writes the second unit of mathematical digits as the digit. @param text as it was loaded. */
  readDigits(text: string): void {
    if (!text.includes(MATHEMATICAL_UNIT)) return
    const { units } = this
    const end = this.base + text.length
    for (let i = PAD + 1; i < end; i++) {
      const digit = mathematicalDigit(units[i - 1]!, units[i]!)
      if (digit >= 0) units[i] = digit
    }
  }

  /** @param owner a number of its own for each pair of texts, so that one pair is loaded once in a row. */
  of(owner: number, before: string, text: string): Uint16Array {
    if (owner !== this.#owner) this.load(before, text)
    this.#owner = owner
    return this.units
  }

  /** Whether all up to the end of the text, which is at `end`, is ASCII. */
  isAsciiTo(end: number): boolean {
    const pairs = this.#pairs
    let all = 0
    // Behind the end stand zeros.
    for (let i = PAD / 2; i < end / 2; i++) all |= pairs[i]!
    return (all & BEYOND_ASCII) === 0
  }
}

/** Of the segment that is being searched. One for all: searches are synchronous, and one segment is searched at a time. */
export const WINDOW = new UnitWindow()

/** Where the units of a segment in ASCII stand already, with a zero behind it. */
export interface LentUnits {
  readonly units: Uint16Array
  /** Of the window: segments of the same text are read on from where the one before was. */
  readonly loaded: number
  /** Where it begins; what stands before it stands before that. */
  readonly base: number
}
