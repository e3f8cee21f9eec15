import type { FilterAction } from '#foundation/core'
import * as kinds from './characters.ts'
import type { Candidate } from './overlaps.ts'
import type { FilterPlan } from './plan.ts'
import { BEFORE_UNITS, LONGEST_VALUE, TRAIT } from './recogniser.ts'
import { searchSegment } from './search-segment.ts'

/** Most units ever held back: a segment that grows to this size is searched and cut before it ends. */
export const HOLD_BACK_CAP = 1024
/** Most GAP units that join two groups of one value. */
const LONGEST_GAP = 2
/** Most units of a PEM body that are masked in search of its footer. */
const LONGEST_PEM = 16_384
const PEM_FOOTER = '-----END'
/** ISO 13616-1: groups of four after the head. */
const IBAN_GROUP = 4
const NONE = -1

export interface Finding {
  readonly entity: string
  /** Offsets in the raw text, end exclusive. For a value that is masked on past the window, the end is where that was decided. */
  readonly start: number
  readonly end: number
  readonly action: FilterAction
  readonly score: number
}

/**
 * The one machine behind whole texts and streams. It cuts the text into segments that no value crosses, where each cut depends on the text
 * alone: at a BOUNDARY, at a GAP that does not join two groups of digits (or of an IBAN), and, when a segment reaches `HOLD_BACK_CAP`,
 * `LONGEST_VALUE` before its end. A segment is searched once, when it ends, and released. Since neither cuts nor searches know
 * where one chunk ended and the next began, the output is the same for every chunking: whole-text search is one push and a flush.
 */
export class SegmentMachine {
  readonly #plan: FilterPlan
  readonly #report: (finding: Finding) => void
  blocked = false

  /** Raw units since the last release, from the start of the open segment; the pass has seen all of them. */
  #held = ''
  /** The `BEFORE_UNITS` raw units before `#held`. */
  #before = ''
  /** Offset of `#held` in the whole text. */
  #base = 0

  // The open segment; offsets are in the text of the running push, `NONE` for no segment.
  #start = NONE
  #wordStart = 0
  #wordEnd = 0
  #gap = 0
  #last = kinds.BOUNDARY
  #ibanOpen = false
  #digits = 0
  #dots = 0
  #colons = 0
  #dashes = 0
  #ats = 0
  #beyondAscii = false

  /** Masking on after a value that was longer than the window or has a footer. */
  #swallowing: 'no' | 'word' | 'pem' = 'no'
  #swallowed = 0
  #footer = 0

  // The running push.
  #text = ''
  #released = 0
  #output = ''

  constructor(plan: FilterPlan, report: (finding: Finding) => void) {
    this.#plan = plan
    this.#report = report
  }

  get heldBack(): number {
    return this.#held.length
  }

  push(delta: string): string {
    if (this.blocked || delta === '') return ''
    const from = this.#held.length
    this.#text = from === 0 ? delta : this.#held + delta
    this.#output = ''
    this.#released = 0
    if (this.#plan.planned.length > 0) this.#pass(from)
    return this.#release(this.#start === NONE ? Math.max(this.#wholeCharacters(), this.#released) : this.#start)
  }

  /** Ends the text: what was held back comes out. The next push begins a new text. */
  flush(): string {
    if (this.blocked) return ''
    this.#text = this.#held
    this.#output = ''
    this.#released = 0
    if (this.#start !== NONE) this.#endSegment(this.#gap > 0 ? this.#wordEnd : this.#text.length)
    const output = this.#release(this.#text.length)
    this.#before = ''
    this.#base = 0
    this.#swallowing = 'no'
    return output
  }

  /** A surrogate pair is never parted. */
  #wholeCharacters(): number {
    const { length } = this.#text
    const last = this.#text.charCodeAt(length - 1)
    return last >= 0xd800 && last < 0xdc00 ? length - 1 : length
  }

  /** Puts out everything before `limit` and keeps the rest for the next push. */
  #release(limit: number): string {
    const text = this.#text
    this.#text = ''
    if (this.blocked) {
      this.#held = ''
      return this.#output
    }
    if (limit > this.#released) this.#output += this.#released === 0 && limit === text.length ? text : text.slice(this.#released, limit)
    this.#before = before(this.#before, text, limit)
    this.#base += limit
    this.#held = limit === text.length ? '' : text.slice(limit)
    if (this.#start !== NONE) {
      this.#start -= limit
      this.#wordStart -= limit
      this.#wordEnd -= limit
    }
    return this.#output
  }

  #pass(from: number): void {
    const text = this.#text
    for (let i = from; i < text.length; i++) {
      if (this.#start === NONE && this.#swallowing === 'no') {
        i = kinds.skipPlainWords(text, i)
        if (i === text.length) return
      }
      const unit = text.charCodeAt(i)
      if (this.#swallowing !== 'no') {
        this.#swallow(unit, i)
        continue
      }
      const kind = kinds.classify(unit)
      if (this.#start === NONE) {
        if (kinds.isWordKind(kind)) this.#open(i)
        else continue
      } else if (kind === kinds.GAP) {
        if (unit >= 0x80) this.#beyondAscii = true
        this.#meetGap(i)
        if (this.blocked) return
        if (this.#swallowing !== 'no') i-- // Belongs to what is masked on.
        continue
      } else if (kind === kinds.BOUNDARY) {
        this.#endSegment(this.#gap > 0 ? this.#wordEnd : i)
        if (this.blocked) return
        if (this.#swallowing !== 'no') i--
        continue
      } else if (this.#gap > 0) {
        if (this.#joinsAfterGap(kind)) {
          this.#gap = 0
          this.#wordStart = i
        } else {
          this.#endSegment(this.#wordEnd)
          if (this.blocked) return
          i-- // Seen again, now outside a segment.
          continue
        }
      }
      this.#count(kind, unit)
      if (i + 1 - this.#start >= HOLD_BACK_CAP - LONGEST_GAP) {
        i = this.#cut(i + 1) - 1
        if (this.blocked) return
      }
    }
  }

  #open(at: number): void {
    this.#start = at
    this.#wordStart = at
    this.#gap = 0
    this.#last = kinds.BOUNDARY
    this.#ibanOpen = false
    this.#digits = this.#dots = this.#colons = this.#dashes = this.#ats = 0
    this.#beyondAscii = false
  }

  #count(kind: number, unit: number): void {
    if (unit >= 0x80) this.#beyondAscii = true
    if (kind === kinds.INVISIBLE) return
    this.#last = kind
    if (kind === kinds.LETTER) return
    if (kind === kinds.DIGIT) this.#digits++
    else if (kind === kinds.DOT) this.#dots++
    else if (kind === kinds.AT) this.#ats++
    else if (kind === kinds.COLON) this.#colons++
    else if (kind === kinds.DASH) this.#dashes++
  }

  #meetGap(at: number): void {
    if (this.#gap > 0) {
      if (++this.#gap > LONGEST_GAP) this.#endSegment(this.#wordEnd)
      return
    }
    this.#wordEnd = at
    this.#ibanOpen = this.#continuesIban(at)
    const last = this.#last
    if (this.#ibanOpen || last === kinds.DIGIT || last === kinds.CLOSE || last === kinds.DASH || (last === kinds.OTHER && this.#digits > 0))
      this.#gap = 1
    else this.#endSegment(at)
  }

  #joinsAfterGap(kind: number): boolean {
    if (kind === kinds.DIGIT || kind === kinds.OPEN || kind === kinds.DASH) return true
    if (kind === kinds.OTHER) return this.#last === kinds.DIGIT || this.#last === kinds.CLOSE
    return this.#ibanOpen && kind === kinds.LETTER
  }

  /** Whether the word that ends at `end` may be followed by a group of letters: an IBAN's head, or a group of four after one. */
  #continuesIban(end: number): boolean {
    const from = this.#wordStart
    const size = end - from
    if (this.#ibanOpen && size === IBAN_GROUP) return this.#last !== kinds.DASH
    const digitAt = (i: number): boolean => kinds.classify(this.#text.charCodeAt(i)) === kinds.DIGIT
    const letterAt = (i: number): boolean => kinds.classify(this.#text.charCodeAt(i)) === kinds.LETTER
    // A label may be joined on, `IBAN:GB29 …`, or the end of another one, `… 19@GB29 …`
    const head = end - IBAN_GROUP
    return size >= IBAN_GROUP && letterAt(head) && letterAt(head + 1) && digitAt(head + 2) && digitAt(head + 3)
  }

  #endSegment(end: number): void {
    const start = this.#start
    this.#start = NONE
    this.#gap = 0
    const traits = this.#traits(end - start)
    if ((traits & this.#plan.needs) === 0) return
    for (const found of this.#search(start, end, traits)) this.#apply(found, start)
  }

  /**
   * The open segment has reached the cap. What begins well before its end is decided now, the rest stays.
   * @returns where the pass goes on.
   */
  #cut(end: number): number {
    const start = this.#start
    let cut = end - LONGEST_VALUE
    this.#start = NONE
    for (const found of this.#search(start, end, this.#traits(end - start))) {
      if (start + found.start >= cut) break
      this.#apply(found, start)
      if (this.blocked) return end
      if (start + found.end >= end) {
        if (this.#swallowing === 'no') this.#beginSwallowing('word')
        return end
      }
      cut = Math.max(cut, start + found.end)
    }
    // The units from the cut on are passed once more, as a new segment.
    if (kinds.isWordKind(kinds.classify(this.#text.charCodeAt(cut)))) this.#open(cut)
    return cut
  }

  #traits(size: number): number {
    return (
      (size >= 16 ? TRAIT.long : 0) |
      (this.#digits >= 7 ? TRAIT.digits : 0) |
      (this.#ats > 0 ? TRAIT.at : 0) |
      (this.#colons >= 2 ? TRAIT.colons : 0) |
      (this.#dots >= 3 && this.#digits >= 4 ? TRAIT.dots : 0) |
      (this.#dashes >= 5 ? TRAIT.dashes : 0)
    )
  }

  #search(start: number, end: number, traits: number): readonly Candidate[] {
    const text = this.#text
    return searchSegment(text.slice(start, end), before(this.#before, text, start), traits, this.#beyondAscii, this.#plan)
  }

  #apply(found: Candidate, offset: number): void {
    if (this.blocked) return
    const { entity, action, score } = found
    const start = offset + found.start
    const end = offset + found.end
    this.#report({ entity, action, score, start: this.#base + start, end: this.#base + end })
    this.#output += this.#text.slice(this.#released, start)
    this.#released = end
    if (action === 'block') {
      this.blocked = true
      return
    }
    this.#output += placeholder(entity)
    if (found.continues === 'pem') this.#beginSwallowing('pem')
  }

  #beginSwallowing(what: 'word' | 'pem'): void {
    this.#swallowing = what
    this.#swallowed = 0
    this.#footer = 0
  }

  #swallow(unit: number, at: number): void {
    if (this.#swallowing === 'word') {
      const kind = kinds.classify(unit)
      if (kinds.isWordKind(kind) || kind === kinds.INVISIBLE) this.#released = at + 1
      else this.#swallowing = 'no'
      return
    }
    this.#released = at + 1
    const dash = unit === 0x2d
    if (unit === PEM_FOOTER.charCodeAt(this.#footer)) this.#footer++
    else if (!dash) this.#footer = 0
    else if (this.#footer !== 5) this.#footer = 1
    if (this.#footer === PEM_FOOTER.length || ++this.#swallowed >= LONGEST_PEM) this.#swallowing = 'no'
  }
}

export function placeholder(entity: string): string {
  return `[${entity}]`
}

function before(carried: string, text: string, at: number): string {
  return at >= BEFORE_UNITS ? text.slice(at - BEFORE_UNITS, at) : (carried + text.slice(0, at)).slice(-BEFORE_UNITS)
}
