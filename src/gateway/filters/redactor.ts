import { ConfidentialRedactor } from './confidential/confidential-redactor.ts'
import { ConfidentialFindings } from './confidential/find-in-stream.ts'
import { scanConfidential } from './confidential/scan-confidential.ts'
import { isPlain } from './plain-words.ts'
import type { FilterPlan } from './plan.ts'
import type { Finding } from './segment-machine.ts'
import { countOne } from './tally.ts'
import { createMachine, type TextMachine } from './text-machine.ts'
import { restoreTokens, TokenRestorer } from './vault/tokens.ts'

export interface Scan {
  /** The text with masks; only what stands before the value if one is blocked. */
  readonly text: string
  readonly findings: readonly Finding[]
  readonly blocked: boolean
}

const NOTHING: readonly Finding[] = []

/** Words without any trait of a value hold none; but a name is any word, and a marker is written in any way. */
const holdsNothing = (text: string, plan: FilterPlan): boolean => plan.names === null && plan.canary === undefined && isPlain(text)

/** Searches a whole text. Offsets of findings are UTF-16 units of `text` as given. Time linear in its length, whatever it holds. */
export function scanText(text: string, plan: FilterPlan): Scan {
  if (plan.confidential === undefined) return scanPlanned(text, plan)
  const search = scanConfidential(text, plan.confidential, plan.dryRun, SLICE_UNITS, (piece) => scanPlannedInSlices(piece, plan))
  let step = search.next()
  while (step.done !== true) step = search.next()
  return step.value
}

function scanPlanned(text: string, plan: FilterPlan): Scan {
  if (holdsNothing(text, plan)) return { text, findings: NOTHING, blocked: false }
  const restored = (out: string): string => (plan.restore === null ? out : restoreTokens(out, plan.restore))
  const findings: Finding[] = []
  const machine = createMachine(plan, (finding) => findings.push(finding))
  const start = machine.push(text)
  return { text: restored(start + machine.flush()), findings, blocked: machine.blocked }
}

/** Units of a text that are searched between two turns of the event loop: a few milliseconds for the worst of texts. */
export const SLICE_UNITS = 8_192

/** As `scanText`, with the same result, giving way after every `SLICE_UNITS`. */
export function* scanInSlices(text: string, plan: FilterPlan): Generator<void, Scan> {
  if (plan.confidential === undefined) return yield* scanPlannedInSlices(text, plan)
  return yield* scanConfidential(text, plan.confidential, plan.dryRun, SLICE_UNITS, (piece) => scanPlannedInSlices(piece, plan))
}

function* scanPlannedInSlices(text: string, plan: FilterPlan): Generator<void, Scan> {
  if (text.length <= SLICE_UNITS || holdsNothing(text, plan)) return scanPlanned(text, plan)
  const findings: Finding[] = []
  const machine = createMachine(plan, (finding) => findings.push(finding))
  let out = ''
  for (let at = 0; at < text.length && !machine.blocked; at += SLICE_UNITS) {
    if (at > 0) yield
    out += machine.push(text.slice(at, at + SLICE_UNITS))
  }
  out += machine.flush()
  return { text: plan.restore === null ? out : restoreTokens(out, plan.restore), findings, blocked: machine.blocked }
}

/**
 * Masks a text that arrives in pieces: one redactor for each choice and each stream of tool arguments, over decoded text.
 * The pieces it puts out join to `scanText(whole).text`, whatever the chunking, and never end inside a surrogate pair.
 */
export interface Redactor {
  /**
   * @returns what can be sent now; at most `HOLD_BACK_CAP` units stay, `NAMED_HOLD_BACK_CAP` where the plan names persons, places or
   * organisations, and, where tokens are turned back, a token's start. Empty from a blocked value on.
   */
  push(delta: string): string
  /** Ends the text, or a part of it before anything that is not text; what follows is a new text. @returns the rest. */
  flush(): string
  /** How many values of each entity were found so far, whatever was done to them. */
  readonly findings: ReadonlyMap<string, number>
  /** As `findings`, by what was done, or in a dry run would have been: `EMAIL_ADDRESS=mask`. */
  readonly actions: ReadonlyMap<string, number>
  /** A value came that may not pass: the caller ends the stream (`content_filter`). */
  readonly blocked: boolean
  readonly heldBack: number
  /** Units at the end of what was put out that hold no value that a token was turned back into; infinite where there is none. */
  readonly sinceRestored: number
  /** Units of confidential matches that had left before they were found; left out where nothing of the kind is looked for. */
  readonly left?: number
}

export function createRedactor(plan: FilterPlan): Redactor {
  const planned = new PlannedRedactor(plan)
  return plan.confidential === undefined ? planned : new ConfidentialRedactor(planned, plan.confidential, plan.dryRun)
}

/** A class, so that no getter of an object literal keeps a stream until the next full collection: V8 makes a hidden class in the old generation for each. */
class PlannedRedactor implements Redactor {
  readonly findings = new Map<string, number>()
  readonly actions = new Map<string, number>()
  readonly #machine: TextMachine
  readonly #restorer: TokenRestorer | null

  constructor(plan: FilterPlan) {
    this.#restorer = plan.restore === null ? null : new TokenRestorer(plan.restore)
    this.#machine = createMachine(plan, ({ entity, action }) => {
      countOne(this.findings, entity)
      countOne(this.actions, `${entity}=${action}`)
    })
  }

  push(delta: string): string {
    const out = this.#machine.push(delta)
    return this.#restorer === null ? out : this.#restorer.push(out)
  }

  flush(): string {
    const rest = this.#machine.flush()
    return this.#restorer === null ? rest : this.#restorer.push(rest) + this.#restorer.flush()
  }

  get blocked(): boolean {
    return this.#machine.blocked
  }

  get heldBack(): number {
    return this.#machine.heldBack + (this.#restorer?.heldBack ?? 0)
  }

  get sinceRestored(): number {
    return this.#restorer?.sinceRestored ?? Infinity
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
  if (plan.confidential !== undefined) return confidentialScanner(plan, plan.confidential, report)
  const machine = createMachine(plan, report)
  return {
    push: (delta) => void machine.push(delta),
    flush: () => void machine.flush(),
    get heldBack() {
      return machine.heldBack
    },
  }
}

function confidentialScanner(
  plan: FilterPlan,
  confidential: NonNullable<FilterPlan['confidential']>,
  report: (finding: Finding) => void,
): Scanner {
  // Offsets go on over the ends of texts in there; here each text begins at 0.
  let begun = 0
  let position = 0
  const findings = new ConfidentialFindings(confidential, (finding) =>
    report({ ...finding, start: finding.start - begun, end: finding.end - begun }),
  )
  const machine = createMachine(plan, (finding) => findings.add({ ...finding, start: finding.start + begun, end: finding.end + begun }))
  return {
    push(delta) {
      machine.push(delta)
      position += delta.length
      findings.push(delta, position - machine.heldBack)
    },
    flush() {
      machine.flush()
      findings.end()
      begun = position
    },
    get heldBack() {
      return Math.max(machine.heldBack, findings.heldBack)
    },
  }
}
