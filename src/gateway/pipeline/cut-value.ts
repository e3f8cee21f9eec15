import { stricterAction } from '#foundation/core'
import { type FilterPlan, type Finding, standInForCut } from '#gateway/filters'
import type { Stretch } from './stretches.ts'

/** A word that is no end and no beginning of a value: letters, all but the first of them small, with the signs of a sentence. A capital letter alone is no word. */
const PLAIN_WORD = /^[("'„“«[]*(?:\p{Lu}?\p{Ll}{1,14})?[.,;:!?…)"'”»\]]*$/u
export const isPlainWord = (word: string): boolean => PLAIN_WORD.test(word)

/** A text, or a stretch of one, in what several texts were joined to. Offsets in UTF-16 units, end exclusive. */
export interface CutPiece {
  /** Where it begins in its text. */
  readonly from: number
  /** Where it stands in what was joined. */
  readonly start: number
  readonly end: number
  /** What its text has by itself, wherever in it. */
  readonly own: readonly Finding[]
}

/**
 * The stretches of a value that lies over several texts, one for each; none where it is no such value: what lies within one text is found in it, and left to
 * it, for a word beside a whole address is no part of it.
 * @param joined what the texts were joined to; @param pieces those that the value lies in.
 */
export function stretchesOf(value: Finding, joined: string, pieces: readonly CutPiece[], plan: FilterPlan): readonly Stretch[] {
  const reaches = pieces.map((piece) => within(piece, value))
  const isOwn = (i: number): boolean => pieces[i]!.own.some((other) => other.entity === value.entity && overlap(other, reaches[i]!))
  if (reaches.some((_reach, i) => isOwn(i)) && (isOwn(0) || !isCutName(value, joined, pieces[0]!))) return []
  const stand = standInForCut(value, joined, plan)
  const { entity } = value
  return reaches.map((reach, i) => {
    const { start, end, action } = widened(reach, pieces[i]!.own)
    return { entity, action, start, end, begins: i === 0, ...(i === 0 && stand !== null && action === value.action ? { stand } : {}) }
  })
}

/** Whether a text has a stretch of that kind there. */
export const isKnown = (known: readonly Stretch[], stretch: Stretch): boolean =>
  known.some((other) => other.entity === stretch.entity && overlap(other, stretch))

/**
 * An address is whole without the beginning of its name, `jane.d` before `oe@example.com`, and what is left would be a name. A plain word is the end of a
 * sentence instead: `my address is`.
 */
const isCutName = ({ entity, start }: Finding, joined: string, first: CutPiece): boolean =>
  entity === 'EMAIL_ADDRESS' && !isPlainWord(joined.slice(start, first.end))

interface Reach extends Pick<Finding, 'action'> {
  readonly start: number
  readonly end: number
}

const overlap = (a: Pick<Reach, 'start' | 'end'>, b: Pick<Reach, 'start' | 'end'>): boolean => a.start < b.end && b.start < a.end

function within({ from, start, end }: CutPiece, value: Finding): Reach {
  const shift = from - start
  return { start: Math.max(value.start, start) + shift, end: Math.min(value.end, end) + shift, action: value.action }
}

/** With what the text by itself has there: no unit that a recogniser claimed passes, under the stricter action of both. */
function widened(stretch: Reach, own: readonly Finding[]): Reach {
  return own
    .filter((other) => overlap(other, stretch))
    .reduce(
      (all, { start, end, action }) => ({
        start: Math.min(all.start, start),
        end: Math.max(all.end, end),
        action: stricterAction(all.action, action),
      }),
      stretch,
    )
}
