import * as kinds from './characters.ts'
import { TRAIT } from './recogniser.ts'

/** What the pass has counted in a word, or in the words of a segment. */
export class Counts {
  digits = 0
  dots = 0
  colons = 0
  dashes = 0
  ats = 0
  signs = 0
  capitals = 0
  beyondAscii = false

  clear(): void {
    this.digits = this.dots = this.colons = this.dashes = this.ats = this.signs = this.capitals = 0
    this.beyondAscii = false
  }

  count(kind: number, unit: number): void {
    if (unit >= 0x80) this.beyondAscii = true
    if (kind === kinds.LETTER) {
      if (unit <= 0x5a) this.capitals++
      return
    }
    if (kind === kinds.DIGIT) this.digits++
    else if (kind === kinds.DOT) this.dots++
    else if (kind === kinds.AT) this.ats++
    else if (kind === kinds.COLON) this.colons++
    else if (kind === kinds.DASH) this.dashes++
    else if (kind === kinds.SIGN) this.signs++
  }

  add(other: Counts): void {
    this.digits += other.digits
    this.dots += other.dots
    this.colons += other.colons
    this.dashes += other.dashes
    this.ats += other.ats
    this.signs += other.signs
    this.capitals += other.capitals
    this.beyondAscii ||= other.beyondAscii
  }

  /** Whether there is something that values are known by, small letters apart. */
  get special(): boolean {
    return this.digits + this.colons + this.ats + this.signs > 0 || this.dashes >= 5 || this.capitals >= kinds.BIC_LETTERS
  }

  /** Union of `TRAIT`s of a text of `size` units. */
  traits(size: number): number {
    return (
      (size >= kinds.LONG_WORD ? TRAIT.long : 0) |
      (this.digits >= 7 ? TRAIT.digits : 0) |
      (this.digits > 0 ? TRAIT.digit : 0) |
      (this.dots > 0 ? TRAIT.dot : 0) |
      (this.ats > 0 ? TRAIT.at : 0) |
      (this.colons > 0 ? TRAIT.colon : 0) |
      (this.colons >= 2 ? TRAIT.colons : 0) |
      (this.dots >= 3 && this.digits >= 4 ? TRAIT.dots : 0) |
      (this.dashes >= 5 ? TRAIT.dashes : 0) |
      (this.signs > 0 ? TRAIT.sign : 0) |
      (this.capitals >= kinds.BIC_LETTERS ? TRAIT.capitals : 0)
    )
  }
}
