import * as kinds from './characters.ts'
import { Counts } from './counts.ts'
import { isPlainUnit } from './plain-words.ts'

/** The word that is being read; it belongs to the open segment when it has ended and joins. */
export class OpenWord {
  start = 0
  readonly counts = new Counts()
  /** Kinds of its first and of its last unit, invisible ones apart. */
  first = kinds.BOUNDARY
  last = kinds.BOUNDARY
  /** Whether it is one that `skipPlainWords` passes over, so far. */
  isPlain = true

  begin(at: number): void {
    this.start = at
    this.counts.clear()
    this.first = this.last = kinds.BOUNDARY
    this.isPlain = true
  }

  /** Reads on. @returns the first index that does not belong to it, `to` at most. */
  read(units: Uint16Array, from: number, to: number): number {
    const { counts } = this
    let { first, last, isPlain } = this
    let at = from
    for (; at < to; at++) {
      const unit = units[at]!
      // Most of any word, of which there is nothing to count.
      if (unit >= 0x61 && unit <= 0x7a) {
        if (last === kinds.DOT) isPlain = false
        if (first === kinds.BOUNDARY) first = kinds.LETTER
        last = kinds.LETTER
        continue
      }
      if (kinds.isDigitUnit(unit)) {
        counts.digits++
        isPlain = false
        if (first === kinds.BOUNDARY) first = kinds.DIGIT
        last = kinds.DIGIT
        continue
      }
      const kind = kinds.classify(unit)
      if (kind !== kinds.LETTER && !kinds.isWordKind(kind) && kind !== kinds.INVISIBLE) break
      counts.count(kind, unit)
      if (isPlain && !isPlainUnit(unit, last)) isPlain = false
      if (kind === kinds.INVISIBLE) continue
      if (first === kinds.BOUNDARY) first = kind
      last = kind
    }
    this.first = first
    this.last = last
    this.isPlain = isPlain
    return at
  }
}
