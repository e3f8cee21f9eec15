import { classifyInjection, INJECTION_THRESHOLD } from './injection-classifier.ts'
import { type InjectionModel, shippedInjectionModel } from './model.ts'

/** Units that are classified between two turns of the event loop: some milliseconds. */
export const INJECTION_SLICE = 16_384
/** Units that two slices share: more than the longest window of 256 tokens in any usual text. */
const OVERLAP = 2048
/** What encodings are written with: a slice begins where a group of four of them begins, or nothing behind would decode. */
const ENCODED = /[A-Za-z0-9+/_-]/
const GROUP = 4

/** What a text is, without a word of it. */
export interface InjectionFinding {
  /** Name of the strongest rule, or `classifier`. */
  readonly signal: string
  /** 0 … 1. */
  readonly score: number
  /** UTF-16 offsets in the text, end exclusive. */
  readonly start: number
  readonly end: number
}

/** Whether a signal that lies over a stretch of the text counts. */
type Counts = (start: number, end: number) => boolean
const ALL: Counts = () => true

/**
 * As `classifyInjection` for a text of any length, giving way after every slice; the slices are the same for everybody who asks.
 * @param counts leaves out what does not lie where it is looked for.
 * @returns the strongest finding; null for a text that is not held to be an injection.
 */
export function* classifyInSlices(
  text: string,
  model: InjectionModel = shippedInjectionModel(),
  counts: Counts = ALL,
): Generator<void, InjectionFinding | null> {
  let best: InjectionFinding | null = null
  for (let from = 0; ;) {
    const end = from + INJECTION_SLICE
    const { signals } = classifyInjection(text.slice(from, end), model)
    // Strongest first.
    const strongest = signals.find((signal) => counts(from + signal.start, from + signal.end))
    if (strongest !== undefined && strongest.score >= INJECTION_THRESHOLD && (best === null || strongest.score > best.score))
      best = { signal: strongest.name, score: strongest.score, start: from + strongest.start, end: from + strongest.end }
    if (end >= text.length) return best
    from = nextStart(text, from, end - OVERLAP)
    yield
  }
}

/** The place for a slice that is to begin at `wanted`: no half of a pair, and the beginning of a group where an encoded run goes on. */
function nextStart(text: string, before: number, wanted: number): number {
  let run = wanted
  while (run > before && ENCODED.test(text[run - 1]!)) run--
  const aligned = run + Math.floor((wanted - run) / GROUP) * GROUP
  const unit = text.charCodeAt(aligned)
  return unit >= 0xdc00 && unit < 0xe000 ? aligned - 1 : aligned
}
