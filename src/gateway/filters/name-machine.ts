import { standIn } from './actions/substitutes.ts'
import { LONGEST_STAND_IN, standInAround } from './actions/stand-in-around.ts'
import { createNameTagger, NAMES_HOLD_BACK_CAP, type NameSpan, type NameTagger } from './names/name-tagger.ts'
import { type Candidate, resolveOverlaps } from './overlaps.ts'
import { type FilterPlan, passes, type PlannedNames } from './plan.ts'
import { ENTITIES } from './presets.ts'
import { type Finding, HOLD_BACK_CAP, SegmentMachine } from './segment-machine.ts'

/** Most units held back where names are looked for: a value that a name overlaps waits for it, and the name for what stands after it. */
export const NAMED_HOLD_BACK_CAP = 2 * HOLD_BACK_CAP + NAMES_HOLD_BACK_CAP

/** Units that are taken at once. What was found and is not put out yet is gone through for each name, so that there never is much of it. */
const MOST_AT_ONCE = 4_096

/** What a name never holds: it ends there, so that a mask never takes the quote or bracket of a document. U+FDD0 … mark JSON inside of texts. */
const PARTS_NAMES = /["{}[\]<>|\ufdd0-\ufdef]/u
const MEANS_SOMETHING = /[\p{L}\p{N}]/u
/** Words of JSON, which are nobody's. */
const JSON_WORD = /^(?:true|false|null)$/u
/** Below every score of a value: where both claim the same units, the value is named. */
const NAMES_RANK = 2
/** What was found by either, with whether it goes on past its end. */
type Found = Candidate & Pick<Finding, 'cutOff'>

const overlap = (a: Pick<Candidate, 'start' | 'end'>, b: Pick<Candidate, 'start' | 'end'>): boolean => a.start < b.end && b.start < a.end

interface Stretch {
  readonly start: number
  readonly end: number
}

/**
 * The segment machine and the tagger of names over one text. A name keeps the units that no value claims; of the units of both the value is
 * named, under the stricter of both actions. Both are the same for every chunking, and what is put out waits for both: up to an
 * offset before which neither has anything left to say.
 */
export class NameMachine {
  readonly #plan: FilterPlan
  readonly #names: PlannedNames
  readonly #report: (finding: Finding) => void
  readonly #segments: SegmentMachine
  readonly #tagger: NameTagger
  blocked = false

  /** What was pushed and is not yet put out, and its offset in the whole text. */
  #text = ''
  #base = 0
  /** What stands before `#text`, as far as a stand-in may reach back. */
  #before = ''
  /** Found and not yet put out, in order and disjoint, with offsets in the whole text: values, and names as far as they are decided. */
  #values: Found[] = []
  #named: Found[] = []
  /** Names that wait for what is found up to their end. */
  #open: Candidate[] = []
  /** What is masked on after a value, as part of it. */
  #covered: { start: number; end: number }[] = []
  #lastEnd = 0

  constructor(plan: FilterPlan, names: PlannedNames, report: (finding: Finding) => void) {
    this.#plan = plan
    this.#names = names
    this.#report = report
    this.#tagger = createNameTagger(names.model)
    this.#segments = new SegmentMachine({ ...plan, substitutes: null }, (value) => {
      this.#cover()
      this.#values.push(value)
      this.#lastEnd = value.end
    })
  }

  get heldBack(): number {
    return this.#text.length
  }

  push(delta: string): string {
    if (delta.length <= MOST_AT_ONCE) return this.#push(delta)
    let out = ''
    for (let at = 0; at < delta.length; at += MOST_AT_ONCE) out += this.#push(delta.slice(at, at + MOST_AT_ONCE))
    return out
  }

  #push(delta: string): string {
    if (this.blocked || delta === '') return ''
    this.#text = this.#text === '' ? delta : this.#text + delta
    this.#segments.push(delta)
    this.#cover()
    this.#take(this.#tagger.push(delta))
    const pushed = this.#base + this.#text.length
    // After a value that blocks nothing is put out, so that nothing there has to be waited for.
    const searched = this.#segments.blocked ? pushed : pushed - this.#segments.heldBack
    return this.#release(Math.min(searched, this.#tagger.settled), false)
  }

  /** Ends the text: what was held back comes out. The next push begins a new text. */
  flush(): string {
    if (this.blocked) return ''
    this.#segments.flush()
    this.#cover()
    this.#segments.swallowedTo = 0
    this.#take(this.#tagger.flush())
    const out = this.#release(this.#base + this.#text.length, true)
    this.#base = 0
    this.#before = ''
    this.#lastEnd = 0
    this.#covered = []
    return out
  }

  /** Cuts each name at what parts names. */
  #take(spans: readonly NameSpan[]): void {
    for (const { entity, score, start, end } of spans) {
      const action = this.#names.actions.get(entity)
      if (action === undefined || score < this.#names.minScore) continue
      let at = start
      for (const part of this.#slice(start, end).split(PARTS_NAMES)) {
        if (!JSON_WORD.test(part.trim()) && !this.#plan.exempt.has(part.trim()))
          this.#trim(this.#open, { entity, action, score }, at, at + part.length)
        at += part.length + 1
      }
    }
  }

  /** Adds a stretch without the white space around it, unless it means nothing. */
  #trim(to: Candidate[], named: Omit<Candidate, 'start' | 'end'>, from: number, end: number): void {
    const text = this.#slice(from, end)
    const start = from + (text.length - text.trimStart().length)
    if (MEANS_SOMETHING.test(text)) to.push({ ...named, start, end: start + text.trim().length })
  }

  /** Notes how far the segment machine has masked on after its last value. */
  #cover(): void {
    const end = this.#segments.swallowedTo
    if (end <= this.#lastEnd) return
    const last = this.#covered.at(-1)
    if (last !== undefined && last.start === this.#lastEnd) last.end = end
    else this.#covered.push({ start: this.#lastEnd, end })
  }

  /** Puts out everything before `limit`, before which nothing more will be found, but for what is not decided yet. */
  #release(limit: number, ended: boolean): string {
    let end = limit
    while (this.#open.length > 0) {
      const name = this.#open[0]!
      const within = name.end <= end ? this.#isStandIn(name, ended) : null
      if (within === null) {
        end = Math.min(end, name.start)
        break
      }
      this.#open.shift()
      if (!within) this.#settle(name)
    }
    let out = ''
    let at = this.#base
    for (let next = this.#next(end); next !== null; next = this.#next(end)) {
      if (next.end > end) {
        end = next.start
        break
      }
      ;(this.#named[0] === next ? this.#named : this.#values).shift()
      this.#report(next)
      if (passes(next.action, this.#plan)) continue
      out += this.#plain(at, next.start)
      at = next.end
      if (next.action === 'block' || next.action === 'review') {
        this.blocked = true
        this.#text = ''
        return out
      }
      const { action, entity, cutOff, continues } = next
      const whole = cutOff === undefined && continues === undefined
      out += standIn(action, entity, this.#slice(next.start, next.end), whole, this.#plan.substitutes)
    }
    end = Math.max(at, ended ? end : this.#wholeCharacter(end))
    out += this.#plain(at, end)
    const units = end - this.#base
    this.#before = (this.#before + this.#text.slice(Math.max(0, units - LONGEST_STAND_IN), units)).slice(-LONGEST_STAND_IN)
    this.#text = units === this.#text.length ? '' : this.#text.slice(units)
    this.#base = end
    // The last one may still grow.
    while (this.#covered.length > 1 && this.#covered[0]!.end <= end) this.#covered.shift()
    return out
  }

  /** The first thing found before `end`. */
  #next(end: number): Found | null {
    const value = this.#values[0]
    const named = this.#named[0]
    const first = named === undefined || (value !== undefined && value.start < named.start) ? value : named
    return first === undefined || first.start >= end ? null : first
  }

  /** Gives to a name what no value claims, and to each value that it overlaps the stricter of both actions. */
  #settle(name: Candidate): void {
    const claimed: Stretch[] = this.#covered.filter((stretch) => overlap(stretch, name))
    this.#values = this.#values.flatMap((value) => {
      if (!overlap(value, name)) return [value]
      // What is only counted shapes nothing that is done to another. A value that a reviewer sees passes too, and is more than counted.
      if (value.action === 'log' && name.action !== 'log' && !this.#plan.dryRun) return []
      claimed.push(value)
      const start = Math.max(value.start, name.start)
      return resolveOverlaps([value, { ...name, score: name.score - NAMES_RANK, start, end: Math.min(value.end, name.end) }])
    })
    claimed.sort((a, b) => a.start - b.start)
    let from = name.start
    for (const { start, end } of claimed) {
      if (from < start) this.#trim(this.#named, name, from, start)
      from = Math.max(from, end)
    }
    if (from < name.end) this.#trim(this.#named, name, from, name.end)
  }

  /** Whether a name stands in what stands for another value; null while what follows is not there. */
  #isStandIn({ start, end }: Stretch, ended: boolean): boolean | null {
    const text = this.#before + this.#text
    const base = this.#base - this.#before.length
    const around = standInAround(text, start - base, end - base)
    if (around === null) return ended ? false : null
    return around !== undefined && (ENTITIES.has(around) || this.#plan.planned.some(({ actions }) => actions.has(around)))
  }

  /** The text between two offsets without what is masked on after a value. */
  #plain(from: number, to: number): string {
    let out = ''
    let at = from
    for (const { start, end } of this.#covered) {
      if (end <= at || start >= to) continue
      if (start > at) out += this.#slice(at, start)
      at = end
    }
    return at < to ? out + this.#slice(at, to) : out
  }

  #slice(from: number, to: number): string {
    return this.#text.slice(from - this.#base, to - this.#base)
  }

  /** A surrogate pair is never parted. */
  #wholeCharacter(end: number): number {
    const last = this.#text.charCodeAt(end - this.#base - 1)
    return last >= 0xd800 && last < 0xdc00 ? end - 1 : end
  }
}
