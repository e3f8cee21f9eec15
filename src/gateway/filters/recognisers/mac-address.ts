import { everyMatch } from '../every-match.ts'
import { type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { SHAPE } from '../outline.ts'

/** IEEE 802: six pairs with colons or dashes, or three fours with dots. */
const MAC =
  /(?<![a-z0-9:.-])(?:[0-9A-F]{2}(?:([:-])[0-9A-F]{2})(?:\1[0-9A-F]{2}){4}|[0-9A-F]{4}\.[0-9A-F]{4}\.[0-9A-F]{4})(?![a-z0-9:-]|\.\w)/giu

const NOTHING: readonly Match[] = []

/** Whether six groups of two signs stand in a row, or three of four: the expression looks no further then. */
function mayHold({ outline: { groups, groupsEnd } }: Segment): boolean {
  let inRow = 0
  let last = 0
  for (let at = 0; at < groupsEnd; at += 2) {
    const size = groups[at + 1]! - groups[at]!
    const gap = at > 0 ? groups[at]! - groups[at - 1]! : 0
    inRow = size !== 2 && size !== 4 ? 0 : gap === 1 && size === last ? inRow + 1 : 1
    last = size
    if (inRow >= (size === 2 ? 6 : 3)) return true
  }
  return false
}

function find(segment: Segment): readonly Match[] {
  if (!mayHold(segment)) return NOTHING
  const matches: Match[] = []
  for (const { 0: value, index } of everyMatch(MAC, segment.text)) {
    // The broadcast and the empty address are nobody's.
    if (!/^(?:F|0)+$/iu.test(value.replaceAll(/[:.-]/gu, ''))) matches.push({ start: index, end: index + value.length, score: 0.75 })
  }
  return matches
}

export const macAddress: Recogniser = {
  entities: ['MAC_ADDRESS'],
  needs: TRAIT.colons | TRAIT.dashes | TRAIT.digits | TRAIT.dot,
  shapes: SHAPE.parts,
  find,
}
