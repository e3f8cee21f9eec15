import type { LabelledText } from './labelled-text.ts'
import { createNamesModel, type NamesModel } from './model.ts'
import { findNames } from './name-tagger.ts'
import { NAME_ENTITIES } from './tags.ts'
import { addAgreement, fBeta, newAgreement } from './token-agreement.ts'

/** Posterior probabilities that are tried. */
const CANDIDATES = [0.1, 0.14, 0.18, 0.22, 0.27, 0.32, 0.38, 0.44, 0.5, 0.56, 0.62]
/**
 * How much more recall counts than precision: a name missed is a leak; and the lowest cut. Below it false alarms in texts without names grow by
 * half and more with each step, which F_β hardly sees.
 */
const AIM = {
  PERSON: { beta: 2, lowest: 0.14 },
  LOCATION: { beta: 2, lowest: 0.14 },
  ORGANISATION: { beta: 1.5, lowest: 0.1 },
} as const

/**
 * For each entity, the cut at which F_β is largest: the mean over the corpora, each weighed by the root of its marked words, so that
 * neither the largest nor the many small ones decide alone.
 */
export function chooseCuts(model: NamesModel, corpora: readonly (readonly LabelledText[])[]): readonly number[] {
  const best = NAME_ENTITIES.map(() => ({ value: -1, cut: 0.5 }))
  for (const cut of CANDIDATES) {
    const candidate = createNamesModel({ ...model, cuts: NAME_ENTITIES.map(() => cut) })
    const sums = NAME_ENTITIES.map(() => 0)
    for (const texts of corpora) {
      const agreement = newAgreement()
      for (const labelled of texts) addAgreement(agreement, labelled, findNames(labelled.text, candidate))
      agreement.forEach((counts, entity) => {
        const marked = counts.truePositives + counts.falseNegatives
        sums[entity] = sums[entity]! + Math.sqrt(marked) * fBeta(counts, AIM[counts.entity].beta)
      })
    }
    sums.forEach((value, entity) => {
      if (cut >= AIM[NAME_ENTITIES[entity]!].lowest && value > best[entity]!.value) best[entity] = { value, cut }
    })
  }
  return best.map(({ cut }) => cut)
}
