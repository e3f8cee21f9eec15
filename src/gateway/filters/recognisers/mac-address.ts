import { type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { SHAPE } from '../outline.ts'

/** IEEE 802: six pairs with colons or dashes, or three fours with dots. */
const MAC =
  /(?<![a-z0-9:.-])(?:[0-9A-F]{2}(?:([:-])[0-9A-F]{2})(?:\1[0-9A-F]{2}){4}|[0-9A-F]{4}\.[0-9A-F]{4}\.[0-9A-F]{4})(?![a-z0-9:-]|\.\w)/giu

function find(segment: Segment): readonly Match[] {
  const matches: Match[] = []
  for (const { 0: value, index } of segment.text.matchAll(MAC)) {
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
