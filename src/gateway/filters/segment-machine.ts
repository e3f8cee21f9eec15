import type { FilterAction } from '#foundation/core'
import { standIn } from './actions/substitutes.ts'
import * as kinds from './characters.ts'
import { Counts } from './counts.ts'
import { isJoiningWord, isStreetWord, STREETS_BEFORE } from './joining-words.ts'
import type { Candidate } from './overlaps.ts'
import { type FilterPlan, passes } from './plan.ts'
import { AFTER_UNITS, BEFORE_UNITS, LONGEST_VALUE } from './recogniser.ts'
import { decideCandidates, findCandidates, type Found } from './search-segment.ts'
import { Swallower } from './swallower.ts'

/** Most units ever held back: a segment that grows to this size is searched and cut before it ends. */
export const HOLD_BACK_CAP = 1024
/** Most GAP units that join two groups of one value. */
const LONGEST_GAP = 2
/** A longer segment does not wait for what stands after it, so that both together stay below the cap. */
const LONGEST_WAITING = HOLD_BACK_CAP / 2
/** Words of letters that are kept before the first number of a value: `Rue Victor Hugo 12`. */
const WORDS_BEFORE = 5
/** Such words after the last number at which the segment is cut, and how many of them stay with it. */
const WORDS_AFTER = WORDS_BEFORE + 3
const WORDS_KEPT = 3
/** A number of so many digits is no part of a date or an address, which alone go on after a comma. */
const LONG_NUMBER = 7
/** Most units beside a value that stands alone: its quotes, its full stop, the line end. */
const ALONE_UNITS = 2
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
  /** There when the value goes on past its end. */
  readonly cutOff?: true
}

/** A searched segment with a weak value, until enough of what stands after it is there. */
interface Waiting {
  start: number
  end: number
  readonly found: Found
}

const NOTHING_AFTER = { text: '', alone: false }

/**
 * The one machine behind whole texts and streams. It cuts the text into segments that no value crosses, where each cut depends on the text
 * alone: at a BOUNDARY, between words that do not join (see `#joins`), and, when a segment reaches `HOLD_BACK_CAP`,
 * `LONGEST_VALUE` before its end. A segment is searched once, when it ends, and released; one with a weak value first waits for the
 * `AFTER_UNITS` behind it. Since neither cuts nor searches know where one chunk ended and the next began, the output is the same
 * for every chunking: whole-text search is one push and a flush.
 */
export class SegmentMachine {
  readonly #plan: FilterPlan
  readonly #report: (finding: Finding) => void
  blocked = false
  /** Offset in the whole text up to which the last value was masked on, beyond the end that was reported; 0 if it was not. Whoever reads it sets it back after a flush. */
  swallowedTo = 0

  /** Raw units since the last release, from the start of the open segment; the pass has seen all of them. */
  #held = ''
  /** The `BEFORE_UNITS` raw units before `#held`. */
  #before = ''
  /** Offset of `#held` in the whole text. */
  #base = 0

  // The open segment; offsets are in the text of the running push, `NONE` for no segment.
  #start = NONE
  /** End of its last word that is known to belong to it; `NONE` while the first one is being read. */
  #wordEnd = NONE
  readonly #counts = new Counts()
  #hasSpecial = false
  #hasStreet = false
  /** Whether its last word may be followed by a word of the same value. */
  #joining = false
  /** Starts and ends, in turn, of its words since the last one with anything special. */
  #tail: number[] = []
  #last = kinds.BOUNDARY
  #digitsInLast = 0
  #ibanOpen = false

  // The word that is being read; it belongs to the segment when it has ended and joins.
  #inWord = false
  #wordStart = 0
  readonly #word = new Counts()
  #wordFirst = kinds.BOUNDARY
  #wordLast = kinds.BOUNDARY
  #wordPlain = true

  // What parts it from the word before.
  #gap = 0
  #comma = false
  #line = 0

  #waiting: Waiting | null = null

  readonly #swallower = new Swallower()

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
    const open = this.#waiting?.start ?? this.#start
    return this.#release(open === NONE ? Math.max(this.#wholeCharacters(), this.#released) : open)
  }

  /** Ends the text: what was held back comes out. The next push begins a new text. */
  flush(): string {
    if (this.blocked) return ''
    this.#text = this.#held
    this.#output = ''
    this.#released = 0
    const { length } = this.#text
    while (this.#start !== NONE && !this.blocked) {
      const next = this.#inWord ? this.#endWord(length) : this.#endSegment(this.#wordEnd)
      if (next !== NONE && !this.blocked) this.#pass(next)
    }
    if (!this.blocked) this.#settle(length, true)
    const output = this.#release(length)
    this.#before = ''
    this.#base = 0
    this.#swallower.stop()
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
      if (this.#wordEnd !== NONE) this.#wordEnd -= limit
      this.#tail = this.#tail.map((at) => at - limit)
    }
    if (this.#waiting) {
      this.#waiting.start -= limit
      this.#waiting.end -= limit
    }
    return this.#output
  }

  #pass(from: number): void {
    const text = this.#text
    for (let i = from; i < text.length; i++) {
      if (this.#start === NONE && !this.#swallower.active) i = kinds.skipPlainWords(text, i)
      if (this.#waiting !== null && i >= this.#waiting.end + AFTER_UNITS) {
        this.#settle(this.#waiting.end + AFTER_UNITS)
        if (this.blocked) return
      }
      if (i === text.length) return
      const unit = text.charCodeAt(i)
      if (this.#swallower.active) {
        if (this.#swallower.takes(unit)) {
          this.#released = i + 1
          this.swallowedTo = this.#base + i + 1
        }
        continue
      }
      const kind = kinds.classify(unit)
      const next = this.#step(kind, unit, i)
      if (this.blocked) return
      if (next !== NONE) i = next - 1
    }
  }

  /** @returns where the pass goes on when that is not the next unit, else `NONE`. */
  #step(kind: number, unit: number, at: number): number {
    const isPart = kinds.isWordKind(kind)
    if (this.#start === NONE) {
      if (!isPart) return NONE
      this.#open(at)
    } else if (!isPart && !(kind === kinds.INVISIBLE && this.#inWord)) {
      if (this.#inWord) {
        const next = this.#endWord(at)
        if (next !== NONE || this.blocked || this.#start === NONE) return next
      }
      return this.#meetSeparator(kind, unit)
    } else if (!this.#inWord) {
      // Values of a list: `a@example.com,b@example.com`.
      if (this.#comma && this.#gap + this.#line === 0) {
        const next = this.#endSegment(this.#wordEnd)
        if (next !== NONE || this.blocked) return next
        this.#open(at)
      } else if (kind === kinds.LETTER && !this.#takesSmallWords && !this.#ibanOpen && !kinds.isUpperCaseUnit(unit)) {
        // Prose goes on: nothing is held back for it.
        const next = this.#endSegment(this.#wordEnd)
        if (next !== NONE || this.blocked) return next
        this.#open(at)
      } else this.#beginWord(at)
    }
    this.#word.count(kind, unit)
    if (this.#wordPlain && !kinds.isPlainUnit(unit, this.#wordLast)) this.#wordPlain = false
    if (kind !== kinds.INVISIBLE) {
      if (this.#wordFirst === kinds.BOUNDARY) this.#wordFirst = kind
      this.#wordLast = kind
    }
    return at + 1 - this.#start >= HOLD_BACK_CAP - LONGEST_GAP ? this.#reachCap(at + 1) : NONE
  }

  #open(at: number): void {
    this.#start = at
    this.#wordEnd = NONE
    this.#counts.clear()
    this.#hasSpecial = this.#hasStreet = this.#joining = this.#ibanOpen = false
    this.#tail = []
    this.#last = kinds.BOUNDARY
    this.#beginWord(at)
  }

  #beginWord(at: number): void {
    this.#inWord = true
    this.#wordStart = at
    this.#word.clear()
    this.#wordFirst = this.#wordLast = kinds.BOUNDARY
    this.#wordPlain = true
  }

  /** A word in small letters may join: `12 rue`, `Via della`. */
  get #takesSmallWords(): boolean {
    return this.#joining && (this.#counts.digits > 0 || this.#hasStreet)
  }

  #meetSeparator(kind: number, unit: number): number {
    // An invisible unit behind a space hides no more than one inside a word.
    if ((kind === kinds.GAP || kind === kinds.INVISIBLE) && (this.#joining || this.#groupsOpen)) {
      if (unit >= 0x80) this.#counts.beyondAscii = true
      if (++this.#gap <= LONGEST_GAP) return NONE
    } else if (kind === kinds.COMMA) {
      if (this.#gap + this.#line === 0 && !this.#comma && this.#joining && this.#digitsInLast < LONG_NUMBER) {
        this.#comma = true
        return NONE
      }
    } else if (kind === kinds.LINE && this.#hasStreet && this.#line < (unit === 0x0a ? 2 : 1)) {
      // CR LF is one line end; an empty line ends the address.
      this.#line = unit === 0x0a ? 2 : 1
      return NONE
    }
    return this.#endSegment(this.#wordEnd)
  }

  /** The word that was read ends at `end`: it joins the segment, or ends it and begins another one. */
  #endWord(end: number): number {
    this.#inWord = false
    const starts =
      !this.#wordPlain || kinds.isUpperCaseUnit(this.#text.charCodeAt(this.#wordStart)) || end - this.#wordStart >= kinds.LONG_WORD
    if (this.#wordEnd !== NONE && !this.#joins(end)) {
      const next = this.#endSegment(this.#wordEnd)
      if (next !== NONE || this.blocked) return next
      if (!starts) return NONE
      const wordStart = this.#wordStart
      this.#start = wordStart
      this.#wordEnd = NONE
      this.#counts.clear()
      this.#hasSpecial = this.#hasStreet = this.#ibanOpen = false
      this.#tail = []
      this.#last = kinds.BOUNDARY
    } else if (this.#wordEnd === NONE && !starts) {
      this.#start = NONE
      return NONE
    }
    return this.#takeIn(end)
  }

  /** Whether the word that ends at `end` may belong to the same value as the words before it. */
  #joins(end: number): boolean {
    const apart = this.#comma || this.#line > 0
    if (!apart && this.#joinsGroups()) return true
    if (!this.#joining) return false
    if (this.#word.digits > 0 || kinds.isUpperCaseUnit(this.#text.charCodeAt(this.#wordStart))) return true
    if (!this.#takesSmallWords || this.#line > 0) return false
    const word = this.#text.slice(this.#wordStart, end).replace(/[;!?)]+$/u, '')
    // Behind a comma only the kind of a street: `98, avenue Foch`.
    return apart ? STREETS_BEFORE.has(word) : isJoiningWord(word)
  }

  get #groupsOpen(): boolean {
    const last = this.#last
    return (
      this.#ibanOpen ||
      last === kinds.DIGIT ||
      last === kinds.CLOSE ||
      last === kinds.DASH ||
      (last === kinds.OTHER && this.#counts.digits > 0)
    )
  }

  /** Groups of digits, and of letters in an IBAN. */
  #joinsGroups(): boolean {
    const last = this.#last
    const first = this.#wordFirst
    if (!this.#groupsOpen) return false
    if (first === kinds.DIGIT || first === kinds.OPEN || first === kinds.DASH) return true
    if (first === kinds.OTHER) return last === kinds.DIGIT || last === kinds.CLOSE
    return this.#ibanOpen && first === kinds.LETTER
  }

  #takeIn(end: number): number {
    const start = this.#wordStart
    const capital = kinds.isUpperCaseUnit(this.#text.charCodeAt(this.#wordFirst === kinds.OPEN ? start + 1 : start))
    this.#ibanOpen = this.#continuesIban(end)
    this.#counts.add(this.#word)
    this.#last = this.#wordLast
    this.#digitsInLast = this.#word.digits
    this.#wordEnd = end
    this.#gap = this.#line = 0
    this.#comma = false
    const word = this.#text.slice(start, Math.min(end, start + kinds.LONG_WORD * 2))
    if (!this.#hasStreet && (capital || this.#counts.digits > 0) && this.#word.digits === 0 && isStreetWord(word)) this.#hasStreet = true
    this.#joining =
      this.#last !== kinds.SIGN &&
      this.#last !== kinds.COLON &&
      (capital || this.#word.digits > 0 || (this.#joining && isJoiningWord(word)))
    if (this.#word.special || end - start >= kinds.LONG_WORD) {
      this.#hasSpecial = true
      if (this.#tail.length > 0) this.#tail = []
      return NONE
    }
    this.#tail.push(start, end)
    const words = this.#tail.length / 2
    if (!this.#hasSpecial && words > WORDS_BEFORE) {
      // Words of letters alone hold no value, and more of them than this stand before none.
      this.#tail.splice(0, 2)
      this.#start = this.#tail[0]!
    } else if (this.#hasSpecial && words >= WORDS_AFTER) {
      const tail = this.#tail.slice(WORDS_KEPT * 2)
      const next = this.#endSegment(this.#tail[WORDS_KEPT * 2 - 1]!)
      if (next !== NONE || this.blocked) return next
      this.#start = tail[0]!
      this.#tail = tail
      this.#hasSpecial = this.#hasStreet = false
      this.#counts.clear()
      this.#counts.beyondAscii = true
    }
    return NONE
  }

  /** Whether the word that ends at `end` may be followed by a group of letters: an IBAN's head, or a group of four after one. */
  #continuesIban(end: number): boolean {
    const from = this.#wordStart
    const size = end - from
    if (this.#ibanOpen && size === IBAN_GROUP) return this.#wordLast !== kinds.DASH
    const digitAt = (i: number): boolean => kinds.classify(this.#text.charCodeAt(i)) === kinds.DIGIT
    const letterAt = (i: number): boolean => kinds.classify(this.#text.charCodeAt(i)) === kinds.LETTER
    // A label may be joined on, `IBAN:GB29 …`, or the end of another one, `… 19@GB29 …`
    const head = end - IBAN_GROUP
    return size >= IBAN_GROUP && letterAt(head) && letterAt(head + 1) && digitAt(head + 2) && digitAt(head + 3)
  }

  /** Searches the open segment up to `end` and closes it. @returns `end` if what follows is to be passed as part of a value, else `NONE`. */
  #endSegment(end: number): number {
    const start = this.#start
    this.#start = NONE
    this.#gap = this.#line = 0
    this.#comma = false
    const found = this.#search(start, end, this.#counts.traits(end - start))
    if (found.candidates.length + found.waiting.length === 0) return NONE
    this.#settle(start)
    if (this.blocked) return NONE
    // What goes on beyond the segment is masked on from its end, so that one does not wait.
    const goesOn = found.candidates.some(({ continues }) => continues !== undefined)
    if (found.waiting.length > 0 && end - start <= LONGEST_WAITING && !goesOn) {
      this.#waiting = { start, end, found }
      return NONE
    }
    for (const value of decideCandidates(found, NOTHING_AFTER)) this.#apply(value, start)
    return this.#swallower.active ? end : NONE
  }

  /** Decides the segment that waits, by what stands between it and `limit`. */
  #settle(limit: number, ended = false): void {
    if (this.#waiting === null) return
    const { start, end, found } = this.#waiting
    this.#waiting = null
    const text = this.#text.slice(end, Math.min(limit, end + AFTER_UNITS))
    const alone = ended && this.#base + start <= ALONE_UNITS && limit - end <= ALONE_UNITS
    for (const value of decideCandidates(found, { text, alone })) this.#apply(value, start)
  }

  /** The open segment and the word that is being read have reached the cap together. */
  #reachCap(end: number): number {
    if (this.#wordEnd !== NONE && !this.#joins(end)) {
      const next = this.#endSegment(this.#wordEnd)
      if (next !== NONE || this.blocked) return next
      return this.#wordStart
    }
    this.#counts.add(this.#word)
    return this.#cut(end)
  }

  /**
   * What begins well before `end` is decided now, the rest stays.
   * @returns where the pass goes on.
   */
  #cut(end: number): number {
    const start = this.#start
    let cut = end - LONGEST_VALUE
    this.#start = NONE
    this.#gap = this.#line = 0
    this.#comma = false
    this.#settle(start)
    for (const found of decideCandidates(this.#search(start, end, this.#counts.traits(end - start)), NOTHING_AFTER)) {
      if (this.blocked) return end
      if (start + found.start >= cut) break
      this.#apply(found, start, start + found.end < end)
      if (this.blocked) return end
      if (start + found.end >= end) {
        if (!passes(found.action, this.#plan) && !this.#swallower.active) this.#swallower.begin('word')
        return end
      }
      cut = Math.max(cut, start + found.end)
    }
    // The units from the cut on are passed once more, as a new segment.
    return cut
  }

  #search(start: number, end: number, traits: number): Found {
    const text = this.#text
    if ((traits & this.#plan.needs) === 0) return { candidates: [], waiting: [] }
    return findCandidates(text.slice(start, end), before(this.#before, text, start), traits, this.#counts.beyondAscii, this.#plan)
  }

  /** @param whole whether the value is known to its end. */
  #apply(found: Candidate, offset: number, whole = found.continues === undefined): void {
    if (this.blocked) return
    const { entity, action, score } = found
    const start = offset + found.start
    const end = offset + found.end
    this.#report({ entity, action, score, start: this.#base + start, end: this.#base + end, ...(whole ? {} : { cutOff: true }) })
    if (passes(action, this.#plan)) return
    this.#output += this.#text.slice(this.#released, start)
    this.#released = end
    if (action === 'block' || action === 'review') {
      this.blocked = true
      return
    }
    this.#output += standIn(action, entity, this.#text.slice(start, end), whole, this.#plan.substitutes)
    if (found.continues === 'pem') this.#swallower.begin('pem')
  }
}

function before(carried: string, text: string, at: number): string {
  return at >= BEFORE_UNITS ? text.slice(at - BEFORE_UNITS, at) : (carried + text.slice(0, at)).slice(-BEFORE_UNITS)
}
