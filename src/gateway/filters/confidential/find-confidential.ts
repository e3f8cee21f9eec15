import type { ConfidentialPlan } from './confidential-redactor.ts'
import { ConfidentialScanner, MARGIN } from './confidential-scanner.ts'
import { type Match, MatchList } from './match-list.ts'

/** Something confidential in a text. UTF-16 offsets, end exclusive. */
export type ConfidentialMatch = Pick<Match, 'entity' | 'action' | 'start' | 'end'>

/**
 * What is confidential in a text, by where it begins; gives way after every `slice` units.
 * @param widest as in `ConfidentialScanner`.
 */
export function* findConfidential(
  text: string,
  { index, actions }: ConfidentialPlan,
  slice: number,
  widest?: number,
): Generator<void, readonly ConfidentialMatch[]> {
  const matches = new MatchList()
  const report = (entity: Match['entity'], start: number, end: number): void => matches.add(entity, actions.get(entity)!, start, end)
  const scanner = new ConfidentialScanner(index, actions, report, widest)
  for (let at = 0; at < text.length; at += slice) {
    if (at > 0) yield
    scanner.push(text.slice(at, at + slice))
  }
  scanner.end()
  return matches.take(Number.POSITIVE_INFINITY)
}

const LETTER = /[\p{L}\p{N}]/u
const PASSAGES: ReadonlySet<Match['entity']> = new Set(['CONFIDENTIAL_DOCUMENT', 'TRAINING_DATA'])

/**
 * What lies over one of the borders of a text, by where it begins: something of it on either side belongs to it for certain. A passage is given with the
 * letters that may belong to it.
 * @param isOver whether a stretch lies over a border.
 */
export function* findOverBorders(
  text: string,
  plan: ConfidentialPlan,
  slice: number,
  isOver: (start: number, end: number) => boolean,
): Generator<void, readonly ConfidentialMatch[]> {
  const found = yield* findConfidential(text, plan, slice, 0)
  return found
    .filter(({ start, end }) => isOver(start, end))
    .map(({ entity, action, start, end }) => {
      if (!PASSAGES.has(entity)) return { entity, action, start, end }
      return { entity, action, start: widened(text, start, -1), end: widened(text, end - 1, 1) + 1 }
    })
}

/** The unit that is `MARGIN` letters before or after the one at `at`. */
function widened(text: string, at: number, step: -1 | 1): number {
  let last = at
  for (let i = at + step, letters = 0; letters < MARGIN && i >= 0 && i < text.length; i += step)
    if (LETTER.test(text[i]!)) {
      letters++
      last = i
    }
  return last
}
