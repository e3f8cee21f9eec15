import { luhn } from '../checksums.ts'
import { everyMatch } from '../every-match.ts'
import { type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { SHAPE } from '../outline.ts'

/** ISO/IEC 7813: track 1 `%B…^NAME^YYMM…?`, track 2 `;…=YYMM…?`. */
const TRACKS = /(?:%?B(\d{12,19})\^[A-Z./' -]{2,26}(?:\^\d{4,7}[0-9A-Z]{0,40}\??)?|;?(?<!\d)(\d{12,19})[=D]\d{4}\d{3}\d{0,20}\??)/gu

function find(segment: Segment): readonly Match[] {
  const matches: Match[] = []
  if (!/[\^=D]/u.test(segment.text)) return matches
  for (const { 0: value, 1: first, 2: second, index } of everyMatch(TRACKS, segment.text))
    if (luhn((first ?? second)!)) matches.push({ start: index, end: index + value.length, score: 0.97 })
  return matches
}

export const creditCardTrack: Recogniser = { entities: ['CREDIT_CARD_TRACK'], needs: TRAIT.digits, shapes: SHAPE.longNumber, find }
