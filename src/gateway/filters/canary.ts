import { foldUnit } from './characters.ts'
import type { Finding } from './segment-machine.ts'
import type { TextMachine } from './text-machine.ts'

/** Entity under which an answer that shows the marker of its own request is reported. */
export const PROMPT_CANARY = 'PROMPT_CANARY'

/** Most units between two letters of a marker that is written apart: `c a n a r y`, `c-a-n`. */
const LONGEST_GAP = 8
/** Ways to lay four letters of base64 over three bytes. */
const BYTES_A_GROUP = 3

interface Pattern {
  readonly units: readonly number[]
  /** Longest proper prefix that is a suffix of the first so many units (Knuth, Morris & Pratt 1977). */
  readonly failure: readonly number[]
}

/** The forms of one marker that are recognised, made by `compileCanary`. */
export interface CanaryForms {
  readonly patterns: readonly Pattern[]
  readonly longest: number
}

/**
 * The marker as it stands, reversed, in hexadecimal and in base64 wherever it begins. Case and what stands between letters do not count, so that each
 * is recognised when it is spaced, wrapped over lines, or written in capitals.
 * @param marker letters and digits of ASCII, random, at least 16.
 */
export function compileCanary(marker: string): CanaryForms {
  const forms = [marker, marker.split('').toReversed().join(''), Buffer.from(marker).toString('hex')]
  for (let before = 0; before < BYTES_A_GROUP; before++) {
    const encoded = Buffer.from('\0'.repeat(before) + marker)
      .toString('base64')
      .replaceAll('=', '')
    // The first and last letters depend on what stands beside.
    forms.push(encoded.slice(Math.ceil((before * 4) / BYTES_A_GROUP), Math.floor(((before + marker.length) * 4) / BYTES_A_GROUP)))
  }
  const patterns = forms.map((form) => patternOf(unitsOf(form)))
  return { patterns, longest: Math.max(...patterns.map(({ units }) => units.length)) }
}

function unitsOf(text: string): readonly number[] {
  const units: number[] = []
  for (let i = 0; i < text.length; i++) {
    const unit = letterOf(text.charCodeAt(i))
    if (unit >= 0) units.push(unit)
  }
  return units
}

/** A letter or digit in lower case; -1 for anything else. */
function letterOf(raw: number): number {
  const unit = foldUnit(raw)
  if ((unit >= 0x30 && unit <= 0x39) || (unit >= 0x61 && unit <= 0x7a)) return unit
  return unit >= 0x41 && unit <= 0x5a ? unit + 0x20 : -1
}

function patternOf(units: readonly number[]): Pattern {
  const failure = [0]
  let matched = 0
  for (let i = 1; i < units.length; i++) {
    while (matched > 0 && units[i] !== units[matched]) matched = failure[matched - 1]!
    if (units[i] === units[matched]) matched++
    failure.push(matched)
  }
  return { units, failure }
}

/**
 * Looks for the marker of the request in a text before the machine behind it sees it, and ends the text there. What may still become the marker is held
 * back, so that no letter of it leaves; what is put out is the same for every chunking.
 */
export class CanaryMachine implements TextMachine {
  readonly #forms: CanaryForms
  readonly #machine: TextMachine
  readonly #report: (finding: Finding) => void
  #seen = false

  #held = ''
  /** Offset of `#held` in the whole text. */
  #base = 0
  /** How many units of each form the text ends with. */
  readonly #matched: number[]
  /** Offsets of the last letters, as many as the longest form has. */
  readonly #offsets: Float64Array
  #letters = 0
  #gap = 0

  constructor(forms: CanaryForms, machine: TextMachine, report: (finding: Finding) => void) {
    this.#forms = forms
    this.#machine = machine
    this.#report = report
    this.#matched = forms.patterns.map(() => 0)
    this.#offsets = new Float64Array(forms.longest)
  }

  get blocked(): boolean {
    return this.#seen || this.#machine.blocked
  }

  get heldBack(): number {
    return this.#held.length + this.#machine.heldBack
  }

  push(delta: string): string {
    if (this.blocked || delta === '') return ''
    const text = this.#held + delta
    for (let i = this.#held.length; i < text.length; i++) {
      const length = this.#step(text.charCodeAt(i), this.#base + i)
      if (length > 0) return this.#end(text, this.#start(length), this.#base + i + 1)
    }
    const open = Math.max(...this.#matched)
    const safe = open === 0 ? text.length : this.#start(open) - this.#base
    this.#held = text.slice(safe)
    this.#base += safe
    return safe === 0 ? '' : this.#machine.push(text.slice(0, safe))
  }

  flush(): string {
    if (this.blocked) return ''
    const out = this.#machine.push(this.#held) + this.#machine.flush()
    this.#held = ''
    this.#base = this.#letters = this.#gap = 0
    this.#matched.fill(0)
    return out
  }

  /** @returns the letters of the form that is complete with this unit; 0 while none is. */
  #step(raw: number, offset: number): number {
    const unit = letterOf(raw)
    if (unit < 0) {
      if (++this.#gap > LONGEST_GAP) this.#matched.fill(0)
      return 0
    }
    this.#gap = 0
    this.#offsets[this.#letters++ % this.#forms.longest] = offset
    let complete = 0
    for (const [k, { units, failure }] of this.#forms.patterns.entries()) {
      let matched = this.#matched[k]!
      while (matched > 0 && units[matched] !== unit) matched = failure[matched - 1]!
      if (units[matched] === unit) matched++
      if (matched === units.length) complete = Math.max(complete, matched)
      this.#matched[k] = matched === units.length ? 0 : matched
    }
    return complete
  }

  /** Where the last so many letters begin. */
  #start(letters: number): number {
    return this.#offsets[(this.#letters - letters) % this.#forms.longest]!
  }

  #end(text: string, start: number, end: number): string {
    const before = start - this.#base
    const out = (before > 0 ? this.#machine.push(text.slice(0, before)) : '') + this.#machine.flush()
    this.#held = ''
    if (this.#machine.blocked) return out
    this.#seen = true
    this.#report({ entity: PROMPT_CANARY, action: 'block', score: 1, start, end })
    return out
  }
}
