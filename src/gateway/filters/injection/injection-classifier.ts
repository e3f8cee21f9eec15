import { type InjectionModel, shippedInjectionModel } from './model.ts'
import { RULES, SMUGGLING } from './rules.ts'
import { scoreWindows } from './score-windows.ts'
import { type View, viewsOf } from './views.ts'

// oxlint-disable-next-line no-control-regex -- the first 128 code points are what is meant
const BEYOND_ASCII = /[^\u0000-\u007f]/

/** From this score on a text is held to be an injection: one harmless text of a hundred is. */
export const INJECTION_THRESHOLD = 0.5

export interface InjectionSignal {
  /** Name of the rule, or `classifier`. */
  readonly name: string
  /** 0 … 1. */
  readonly score: number
  /** UTF-16 offsets in the raw text, end exclusive; of the whole stretch where something was decoded. */
  readonly start: number
  readonly end: number
  /** What was undone to see it, outermost first; empty for the text as it stands. */
  readonly decoded: readonly string[]
}

export interface InjectionVerdict {
  /** 0 … 1, the largest of the signals. */
  readonly score: number
  readonly threshold: number
  readonly verdict: 'injection' | 'benign'
  /** What was found, strongest first: rules of any strength, and the classifier from the threshold on. */
  readonly signals: readonly InjectionSignal[]
}

/**
 * Whether a text was written to steer a model against its operator: by rules for what only attackers write, and by a linear classifier over
 * windows, on the text as it reads, with disguises undone and encodings decoded. Linear time; never throws for what a text holds.
 * It sees direct injection; an instruction planted in a mail or document that reads like any other request, it does not.
 */
export function classifyInjection(text: string, model: InjectionModel = shippedInjectionModel()): InjectionVerdict {
  const signals: InjectionSignal[] = []
  let score = 0
  for (const view of viewsOf(text)) {
    if (view.tags >= SMUGGLING.fewest) signals.push(signal(view, SMUGGLING.name, SMUGGLING.score, 0, view.text.length))
    const isAscii = !BEYOND_ASCII.test(view.text)
    for (const { name, score, pattern, beyondAscii } of RULES) {
      if (beyondAscii && isAscii) continue
      const match = pattern.exec(view.text)
      if (match) signals.push(signal(view, name, score, match.index, match.index + match[0].length))
    }
    const { logit, start, end } = scoreWindows(view.text, model)
    const probability = 1 / (1 + Math.exp(model.cut - logit))
    if (probability >= INJECTION_THRESHOLD) signals.push(signal(view, 'classifier', probability, start, end))
    score = Math.max(score, probability)
  }
  for (const found of signals) score = Math.max(score, found.score)
  signals.sort((a, b) => b.score - a.score)
  return { score, threshold: INJECTION_THRESHOLD, verdict: score >= INJECTION_THRESHOLD ? 'injection' : 'benign', signals }
}

function signal(view: View, name: string, score: number, from: number, to: number): InjectionSignal {
  const whole = view.path.length > 0
  return { name, score, start: whole ? view.start : view.offsetOf(from), end: whole ? view.end : view.offsetOf(to), decoded: view.path }
}
