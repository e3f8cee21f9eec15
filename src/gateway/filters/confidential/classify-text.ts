import type { InjectionVerdict } from '../injection/injection-classifier.ts'
import { LetterReader } from './letter-reader.ts'
import { PassageScorer } from './passage-scorer.ts'
import type { FeatureKey } from './sentence-reader.ts'
import type { TextModel } from './text-model.ts'

/** From this score on a text has a passage that is held to be confidential. */
const TEXT_THRESHOLD = 0.5
/** Passages that are told of at most. */
const MOST_SIGNALS = 1_000

export interface TextVerdict extends Omit<InjectionVerdict, 'verdict'> {
  /** `public` for a text that is too short to be judged, too. */
  readonly verdict: 'confidential' | 'public'
}

/** Whether a text has a passage that reads like what is confidential: its most suspicious one, and where those above the threshold are. Linear time. */
export function classifyText(text: string, model: TextModel, key: FeatureKey): TextVerdict {
  const signals: TextVerdict['signals'][number][] = []
  let best = Number.NEGATIVE_INFINITY
  const scorer = new PassageScorer(model, key, (first, logit) => {
    best = Math.max(best, logit)
    if (logit < model.cut || signals.length === MOST_SIGNALS) return
    const [start, end] = [scorer.startOf(first), scorer.endOf(scorer.sentences - 1)]
    signals.push({ name: 'classifier', score: scoreOf(logit, model), start, end, decoded: [] })
  })
  const reader = new LetterReader(scorer)
  reader.push(text)
  reader.end()
  scorer.end()
  signals.sort((a, b) => b.score - a.score)
  return { score: scoreOf(best, model), threshold: TEXT_THRESHOLD, verdict: best >= model.cut ? 'confidential' : 'public', signals }
}

const scoreOf = (logit: number, { cut }: TextModel): number => 1 / (1 + Math.exp(cut - logit))
