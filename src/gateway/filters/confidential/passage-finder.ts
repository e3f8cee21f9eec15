import type { LetterSink } from './letter-reader.ts'
import { PassageScorer } from './passage-scorer.ts'
import type { FeatureKey } from './sentence-reader.ts'
import { PASSAGE_SENTENCES, type TextModel } from './text-model.ts'

const RING = 4

/** Reports the passages of a text that a classifier holds to be confidential. Those that follow one another touch, so that they are one. */
export class PassageFinder implements LetterSink {
  readonly #scorer: PassageScorer
  /** By sentence, whether it is in a passage that was reported. */
  readonly #flagged = new Uint8Array(RING)

  /** @param report with UTF-16 offsets, end exclusive. */
  constructor(model: TextModel, key: FeatureKey, report: (start: number, end: number) => void) {
    const scorer = new PassageScorer(model, key, (first, logit, familiarity) => {
      const last = scorer.sentences - 1
      this.#flagged[last % RING] = 0
      // Of what is unlike all that it learned from the classifier knows nothing.
      if (logit < model.cut || familiarity < model.leastFamiliar) return
      for (let sentence = first; sentence <= last; sentence++) this.#flagged[sentence % RING] = 1
      report(this.#startFrom(first), scorer.endOf(last))
    })
    this.#scorer = scorer
  }

  letter(letter: number, start: number, end: number): void {
    this.#scorer.letter(letter, start, end)
  }

  gap(unit: number): void {
    this.#scorer.gap(unit)
  }

  /** Ends the text. */
  end(): void {
    this.#scorer.end()
    this.#flagged.fill(0)
  }

  /** Where the earliest passage may begin that is not reported yet. @param position units read. */
  safe(position: number): number {
    const { sentences, open } = this.#scorer
    const first = Math.max(0, sentences - PASSAGE_SENTENCES + 1)
    if (first < sentences) return this.#startFrom(first)
    return open < 0 ? position : open
  }

  /** A passage goes on from the end of one that was reported. */
  #startFrom(sentence: number): number {
    const scorer = this.#scorer
    return sentence > 0 && this.#flagged[(sentence - 1) % RING] === 1 ? scorer.endOf(sentence - 1) : scorer.startOf(sentence)
  }
}
