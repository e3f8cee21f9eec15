import type { FilterAction } from '#foundation/core'
import { placeholder, standIn } from './actions/substitutes.ts'
import * as kinds from './characters.ts'
import { LONGEST_PAUSE, NONE, OpenSegment } from './open-segment.ts'
import type { Candidate } from './overlaps.ts'
import { skipPlainWords } from './plain-words.ts'
import { type FilterPlan, passes } from './plan.ts'
import { AFTER_UNITS, BEFORE_UNITS, LONGEST_VALUE } from './recogniser.ts'
import { decideCandidates, findCandidates, type Found, NOTHING_FOUND } from './search-segment.ts'
import { Swallower } from './swallower.ts'
import { UnitWindow } from './unit-window.ts'

/** Most units ever held back: a segment that grows to this size is searched and cut before it ends. */
export const HOLD_BACK_CAP = 1024
/** A longer segment does not wait for what stands after it, so that both together stay below the cap. */
const LONGEST_WAITING = HOLD_BACK_CAP / 2
/** Most units beside a value that stands alone: its quotes, its full stop, the line end. */
const ALONE_UNITS = 2
/** Units that are passed over in one go, so that the copy of them that is read stays in the cache. */
const LONGEST_PUSH = 8192

/** The running push and what stands before it. One for all: a push is synchronous, and asks no other machine. */
const PASSED = new UnitWindow()

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
 * alone: at a BOUNDARY, between words that do not join (see `OpenSegment`), and, when a segment reaches `HOLD_BACK_CAP`,
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

  readonly #segment = new OpenSegment()

  #waiting: Waiting | null = null

  readonly #swallower = new Swallower()

  // The running push.
  #text = ''
  #released = 0
  #output = ''
  /** Whether it and what stands before it are in ASCII. */
  #isAscii = false

  constructor(plan: FilterPlan, report: (finding: Finding) => void) {
    this.#plan = plan
    this.#report = report
  }

  get heldBack(): number {
    return this.#held.length
  }

  push(delta: string): string {
    if (delta.length <= LONGEST_PUSH) return this.#pushPiece(delta)
    let output = ''
    for (let at = 0; at < delta.length; at += LONGEST_PUSH) output += this.#pushPiece(delta.slice(at, at + LONGEST_PUSH))
    return output
  }

  #pushPiece(delta: string): string {
    if (this.blocked || delta === '') return ''
    const from = this.#held.length
    this.#text = from === 0 ? delta : this.#held + delta
    this.#output = ''
    this.#released = 0
    if (this.#plan.planned.length > 0) {
      this.#load()
      this.#pass(from)
    }
    const open = this.#waiting?.start ?? this.#segment.start
    return this.#release(open === NONE ? Math.max(this.#wholeCharacters(), this.#released) : open)
  }

  /** Ends the text: what was held back comes out. The next push begins a new text. */
  flush(): string {
    if (this.blocked) return ''
    this.#text = this.#held
    this.#output = ''
    this.#released = 0
    const { length } = this.#text
    if (length > 0) this.#load()
    const segment = this.#segment
    while (segment.isOpen && !this.blocked) {
      const next = segment.inWord ? this.#endWord(length) : this.#endSegment(segment.wordEnd)
      if (next !== NONE && !this.blocked) this.#pass(next)
    }
    if (!this.blocked) this.#settle(length, true)
    const output = this.#release(length)
    this.#before = ''
    this.#base = 0
    this.#swallower.stop()
    return output
  }

  #load(): void {
    PASSED.load(this.#before, this.#text)
    this.#isAscii = PASSED.isAsciiTo(PASSED.base + this.#text.length)
    if (!this.#isAscii) PASSED.readDigits(this.#text)
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
    this.#segment.moveBack(limit)
    if (this.#waiting) {
      this.#waiting.start -= limit
      this.#waiting.end -= limit
    }
    return this.#output
  }

  #pass(from: number): void {
    const text = this.#text
    const { units, base } = PASSED
    for (let i = from; i < text.length; i++) {
      if (!this.#segment.isOpen && !this.#swallower.active) i = skipPlainWords(units, base + i, base + text.length) - base
      if (this.#waiting !== null && i >= this.#waiting.end + AFTER_UNITS) {
        this.#settle(this.#waiting.end + AFTER_UNITS)
        if (this.blocked) return
      }
      if (i === text.length) return
      const unit = units[base + i]!
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
    // A word is read in one go, maybe beyond what was waited for.
    if (this.#waiting !== null && text.length > this.#waiting.end + AFTER_UNITS) this.#settle(this.#waiting.end + AFTER_UNITS)
  }

  /** @returns where the pass goes on when that is not the next unit, else `NONE`. */
  #step(kind: number, unit: number, at: number): number {
    const isPart = kinds.isWordKind(kind)
    const segment = this.#segment
    const { units, base } = PASSED
    // The first unit of a mathematical digit has been passed as an invisible one.
    const from = isPart && units[base + at - 1] === kinds.MATHEMATICAL && !segment.inWord ? at - 1 : at
    if (!segment.isOpen) {
      if (!isPart) return NONE
      segment.open(from)
    } else if (!isPart && !(kind === kinds.INVISIBLE && segment.inWord)) {
      if (segment.inWord) {
        const next = this.#endWord(at)
        if (next !== NONE || this.blocked || !segment.isOpen) return next
      }
      return segment.mayGoOnBehind(kind, unit) ? NONE : this.#endSegment(segment.wordEnd)
    } else if (!segment.inWord) {
      // Values of a list, `a@example.com,b@example.com`; and prose goes on, for which nothing is held back.
      const isApart = segment.comma && segment.gap + segment.line === 0
      if (isApart || (kind === kinds.LETTER && !segment.takesSmallWords && !segment.ibanOpen && !kinds.isUpperCaseUnit(unit))) {
        const next = this.#endSegment(segment.wordEnd)
        if (next !== NONE || this.blocked) return next
        segment.open(from)
      } else segment.beginWord(from)
    }
    const limit = Math.max(at + 1, Math.min(this.#text.length, segment.start + HOLD_BACK_CAP - LONGEST_PAUSE))
    const end = segment.word.read(units, base + from, base + limit) - base
    return end - segment.start >= HOLD_BACK_CAP - LONGEST_PAUSE ? this.#reachCap(end) : end
  }

  /** The word that was read ends at `end`: it joins the segment, or ends it and begins another one. */
  #endWord(end: number): number {
    const segment = this.#segment
    const text = this.#text
    segment.inWord = false
    const isFirst = segment.wordEnd === NONE
    if (isFirst && !segment.wordStarts(PASSED, end)) {
      segment.start = NONE
      return NONE
    }
    if (!isFirst && !segment.joins(text, PASSED, end)) {
      const next = this.#endSegment(segment.wordEnd)
      if (next !== NONE || this.blocked || !segment.wordStarts(PASSED, end)) return next
      segment.openWithWord()
    }
    const cut = segment.takeIn(text, PASSED, end)
    if (cut === NONE) return NONE
    const next = this.#endSegment(cut)
    if (next === NONE && !this.blocked) segment.goOnAfterCut()
    return next
  }

  /** Searches the open segment up to `end` and closes it. @returns `end` if what follows is to be passed as part of a value, else `NONE`. */
  #endSegment(end: number): number {
    const { start, counts } = this.#segment
    this.#segment.close()
    const found = this.#search(start, end, counts.traits(end - start))
    if (found.candidates.length + found.waiting.length === 0) return NONE
    this.#settle(start)
    if (this.blocked) return NONE
    // What goes on beyond the segment is masked on from its end, so that one does not wait.
    const goesOn = found.waiting.length > 0 && found.candidates.some(({ continues }) => continues !== undefined)
    if (found.waiting.length > 0 && end - start <= LONGEST_WAITING && !goesOn) {
      this.#waiting = { start, end, found }
      return NONE
    }
    for (const value of decideCandidates(found, NOTHING_AFTER, true)) this.#apply(value, start)
    return this.#swallower.active ? end : NONE
  }

  /** Decides the segment that waits, by what stands between it and `limit`. */
  #settle(limit: number, ended = false): void {
    if (this.#waiting === null) return
    const { start, end, found } = this.#waiting
    this.#waiting = null
    const text = this.#text.slice(end, Math.min(limit, end + AFTER_UNITS))
    const alone = ended && this.#base + start <= ALONE_UNITS && limit - end <= ALONE_UNITS
    for (const value of decideCandidates(found, { text, alone }, this.#isAscii)) this.#apply(value, start)
  }

  /** The open segment and the word that is being read have reached the cap together. */
  #reachCap(end: number): number {
    const segment = this.#segment
    if (segment.wordEnd !== NONE && !segment.joins(this.#text, PASSED, end)) {
      const next = this.#endSegment(segment.wordEnd)
      return next !== NONE || this.blocked ? next : segment.word.start
    }
    segment.counts.add(segment.word.counts)
    return this.#cut(end)
  }

  /**
   * What begins well before `end` is decided now, the rest stays.
   * @returns where the pass goes on.
   */
  #cut(end: number): number {
    const { start, counts } = this.#segment
    let cut = end - LONGEST_VALUE
    // A digit of two units is not cut in two.
    if (this.#text.charCodeAt(cut - 1) === kinds.MATHEMATICAL) cut--
    this.#segment.close()
    this.#settle(start)
    for (const found of decideCandidates(this.#search(start, end, counts.traits(end - start)), NOTHING_AFTER, true)) {
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
    if ((traits & this.#plan.needs) === 0) return NOTHING_FOUND
    const raw = text.slice(start, end)
    const standsBefore = before(this.#before, text, start)
    if (!this.#isAscii) return findCandidates(raw, standsBefore, traits, this.#segment.counts.beyondAscii, this.#plan)
    // What stands behind it is not there yet in every chunking, so nobody may see it.
    const { units, base, loaded } = PASSED
    const behind = units[base + end]!
    units[base + end] = 0
    try {
      return findCandidates(raw, standsBefore, traits, false, this.#plan, { units, loaded, base: base + start })
    } finally {
      units[base + end] = behind
    }
  }

  /** @param whole whether the value is known to its end. */
  #apply(found: Candidate, offset: number, whole = found.continues === undefined): void {
    if (this.blocked) return
    const { entity, action, score } = found
    const start = offset + found.start
    const end = offset + found.end
    const [from, to] = [this.#base + start, this.#base + end]
    this.#report(whole ? { entity, action, score, start: from, end: to } : { entity, action, score, start: from, end: to, cutOff: true })
    if (passes(action, this.#plan)) return
    this.#output += this.#text.slice(this.#released, start)
    this.#released = end
    if (action === 'block' || action === 'review') {
      this.blocked = true
      return
    }
    this.#output +=
      action === 'mask' ? placeholder(entity) : standIn(action, entity, this.#text.slice(start, end), whole, this.#plan.substitutes)
    if (found.continues === 'pem') this.#swallower.begin('pem')
  }
}

function before(carried: string, text: string, at: number): string {
  return at >= BEFORE_UNITS ? text.slice(at - BEFORE_UNITS, at) : (carried + text.slice(0, at)).slice(-BEFORE_UNITS)
}
