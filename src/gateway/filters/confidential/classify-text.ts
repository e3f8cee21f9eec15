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
  /** `public` for a text that is too short to be judged, too; `unknown` where the classifier abstains from what it would have flagged, and flags nothing else. */
  readonly verdict: 'confidential' | 'public' | 'unknown'
  /** Passages that reach the threshold and are unlike all that was learned from: nothing is done to them. */
  readonly abstained: number
}

/** Whether a text has a passage that reads like what is confidential: its most suspicious one, and where those above the threshold are. Linear time. */
export function classifyText(text: string, model: TextModel, key: FeatureKey): TextVerdict {
  const signals: TextVerdict['signals'][number][] = []
  let best = Number.NEGATIVE_INFINITY
  let abstained = 0
  const scorer = new PassageScorer(model, key, (first, logit, familiarity) => {
    if (logit >= model.cut && familiarity < model.leastFamiliar) {
      abstained++
      return
    }
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
  const otherwise = abstained > 0 ? 'unknown' : 'public'
  return {
    score: scoreOf(best, model),
    threshold: TEXT_THRESHOLD,
    verdict: best >= model.cut ? 'confidential' : otherwise,
    signals,
    abstained,
  }
}

const scoreOf = (logit: number, { cut }: TextModel): number => 1 / (1 + Math.exp(cut - logit))
