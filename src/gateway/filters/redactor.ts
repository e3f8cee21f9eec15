import { isPlain } from './characters.ts'
import { ConfidentialRedactor } from './confidential/confidential-redactor.ts'
import { scanConfidential } from './confidential/scan-confidential.ts'
import type { FilterPlan } from './plan.ts'
import { type Finding, SegmentMachine } from './segment-machine.ts'

export interface Scan {
  /** The text with masks; only what stands before the value if one is blocked. */
  readonly text: string
  readonly findings: readonly Finding[]
  readonly blocked: boolean
}

const NOTHING: readonly Finding[] = []

/** Searches a whole text. Offsets of findings are UTF-16 units of `text` as given. Time linear in its length, whatever it holds. */
export function scanText(text: string, plan: FilterPlan): Scan {
  if (plan.confidential === undefined) return scanPlanned(text, plan)
  const search = scanConfidential(text, plan.confidential, SLICE_UNITS, (piece) => scanPlannedInSlices(piece, plan))
  let step = search.next()
  while (step.done !== true) step = search.next()
  return step.value
}

function scanPlanned(text: string, plan: FilterPlan): Scan {
  if (isPlain(text)) return { text, findings: NOTHING, blocked: false }
  const findings: Finding[] = []
  const machine = new SegmentMachine(plan, (finding) => findings.push(finding))
  const start = machine.push(text)
  return { text: start + machine.flush(), findings, blocked: machine.blocked }
}

/** Units of a text that are searched between two turns of the event loop: a few milliseconds for the worst of texts. */
export const SLICE_UNITS = 8_192

/** As `scanText`, with the same result, giving way after every `SLICE_UNITS`. */
export function* scanInSlices(text: string, plan: FilterPlan): Generator<void, Scan> {
  if (plan.confidential === undefined) return yield* scanPlannedInSlices(text, plan)
  return yield* scanConfidential(text, plan.confidential, SLICE_UNITS, (piece) => scanPlannedInSlices(piece, plan))
}

function* scanPlannedInSlices(text: string, plan: FilterPlan): Generator<void, Scan> {
  if (text.length <= SLICE_UNITS || isPlain(text)) return scanPlanned(text, plan)
  const findings: Finding[] = []
  const machine = new SegmentMachine(plan, (finding) => findings.push(finding))
  let out = ''
  for (let at = 0; at < text.length && !machine.blocked; at += SLICE_UNITS) {
    if (at > 0) yield
    out += machine.push(text.slice(at, at + SLICE_UNITS))
  }
  return { text: out + machine.flush(), findings, blocked: machine.blocked }
}

/**
 * Masks a text that arrives in pieces: one redactor for each choice and each stream of tool arguments, over decoded text.
 * The pieces it puts out join to `scanText(whole).text`, whatever the chunking, and never end inside a surrogate pair.
 */
export interface Redactor {
  /** @returns what can be sent now; at most `HOLD_BACK_CAP` units stay. Empty from a blocked value on. */
  push(delta: string): string
  /** Ends the text, or a part of it before anything that is not text; what follows is a new text. @returns the rest. */
  flush(): string
  /** How many values of each entity were found so far, whatever was done to them. */
  readonly findings: ReadonlyMap<string, number>
  /** A value came that may not pass: the caller ends the stream (`content_filter`). */
  readonly blocked: boolean
  readonly heldBack: number
  /** Units of confidential matches that had left before they were found; left out where nothing of the kind is looked for. */
  readonly left?: number
}

export function createRedactor(plan: FilterPlan): Redactor {
  const planned = new PlannedRedactor(plan)
  return plan.confidential === undefined ? planned : new ConfidentialRedactor(planned, plan.confidential)
}

/** A class, so that no getter of an object literal keeps a stream until the next full collection: V8 makes a hidden class in the old generation for each. */
class PlannedRedactor implements Redactor {
  readonly findings = new Map<string, number>()
  readonly #machine: SegmentMachine

  constructor(plan: FilterPlan) {
    this.#machine = new SegmentMachine(plan, ({ entity }) => this.findings.set(entity, (this.findings.get(entity) ?? 0) + 1))
  }

  push(delta: string): string {
    return this.#machine.push(delta)
  }

  flush(): string {
    return this.#machine.flush()
  }

  get blocked(): boolean {
    return this.#machine.blocked
  }

  get heldBack(): number {
    return this.#machine.heldBack
  }
}

/** Finds values in a text that arrives in pieces and is passed on by somebody else. Offsets count from the start of the text, in UTF-16 units. */
export interface Scanner {
  push(delta: string): void
  /** Ends the text; the next push begins a new one, at offset 0. */
  flush(): void
  /** Units at the end of what was pushed about which nothing is decided yet. */
  readonly heldBack: number
}

/** @param report called once for each value, in order; the value is whole in what was pushed so far. */
export function createScanner(plan: FilterPlan, report: (finding: Finding) => void): Scanner {
  const machine = new SegmentMachine(plan, report)
  return {
    push: (delta) => void machine.push(delta),
    flush: () => void machine.flush(),
    get heldBack() {
      return machine.heldBack
    },
  }
}
