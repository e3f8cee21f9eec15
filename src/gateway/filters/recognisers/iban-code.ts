import { isAlphanumericUnit } from '../characters.ts'
import { type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { SHAPE } from '../outline.ts'

/** Lengths by country (SWIFT IBAN registry, and the partial ones in use). */
const LENGTHS = new Map(
  (
    'AD24 AE23 AL28 AO25 AT20 AZ28 BA20 BE16 BF28 BG22 BH22 BI27 BJ28 BR29 BY28 CF27 CG27 CH21 CI28 CM27 CR22 CV25 CY28 CZ24 DE22 DJ27 ' +
    'DK18 DO28 DZ26 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GA27 GB22 GE22 GI23 GL18 GQ27 GR27 GT28 GW25 HN28 HR21 HU28 IE22 IL23 IQ23 IR26 ' +
    'IS26 IT27 JO30 KM27 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MA28 MC27 MD24 ME22 MG27 MK19 ML28 MN20 MR27 MT31 MU30 MZ25 NE28 ' +
    'NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SN28 SO23 ST25 SV28 TD27 TG28 TL23 ' +
    'TN24 TR26 UA29 VA22 VG24 XK20 YE30'
  )
    .split(' ')
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))] as const),
)
const SCORE = 1

/** ISO 7064 MOD 97-10 over the rearranged number, letters as 10 to 35 (ISO 13616-1 §6). */
function isValid(compact: string): boolean {
  let rest = 0
  for (let i = 0; i < compact.length; i++) {
    const unit = compact.charCodeAt((i + 4) % compact.length)
    rest = unit >= 0x41 ? (rest * 100 + (unit - 0x37)) % 97 : (rest * 10 + (unit - 0x30)) % 97
  }
  return rest === 1
}

function isAsciiAlphanumeric(unit: number): boolean {
  return (unit >= 0x30 && unit <= 0x39) || (unit >= 0x41 && unit <= 0x5a) || (unit >= 0x61 && unit <= 0x7a)
}

const HEAD = /[A-Za-z]{2}\d{2}/uy

function find(segment: Segment): readonly Match[] {
  const { text } = segment
  const matches: Match[] = []
  const { groups } = segment.outline
  for (let at = 0; at < groups.length; at += 2) {
    const start = groups[at]!
    // Cheap test first: check digits in third and fourth place.
    const third = segment.unitAt(start + 2)
    if (third < 0x30 || third > 0x39 || isAlphanumericUnit(segment.unitAt(start - 1))) continue
    HEAD.lastIndex = start
    if (!HEAD.test(text)) continue
    const length = LENGTHS.get(text.slice(start, start + 2).toUpperCase())
    if (length === undefined) continue
    const end = valueEnd(text, start, length)
    if (end > 0) matches.push({ start, end, score: SCORE })
  }
  return matches
}

/** End of the value of `length` characters, single spaces or dashes between its groups left out; 0 if it is not valid. */
function valueEnd(text: string, start: number, length: number): number {
  let compact = ''
  let i = start
  while (compact.length < length) {
    const unit = text.charCodeAt(i)
    if (isAsciiAlphanumeric(unit)) compact += text[i]
    else if (!((unit === 0x20 || unit === 0x2d) && isAsciiAlphanumeric(text.charCodeAt(i + 1)))) return 0
    i++
  }
  return !isAlphanumericUnit(text.charCodeAt(i)) && isValid(compact.toUpperCase()) ? i : 0
}

export const ibanCode: Recogniser = { entities: ['IBAN_CODE'], needs: TRAIT.digits, shapes: SHAPE.ibanHead, find }
