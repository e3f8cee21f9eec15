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

const DIGIT = 0x30
const [SMALL, CAPITAL] = [0x61, 0x41]
/** Letters as 10 to 35 (ISO 13616-1 §6). */
const CASE = 0x20

const isLetter = (unit: number): boolean => (unit | CASE) >= SMALL && (unit | CASE) <= 0x7a
const isDigit = (unit: number): boolean => unit >= DIGIT && unit <= 0x39

/** ISO 7064 MOD 97-10, one step. */
const added = (rest: number, unit: number): number =>
  isDigit(unit) ? (rest * 10 + unit - DIGIT) % 97 : (rest * 100 + (unit & ~CASE) - CAPITAL + 10) % 97

/** Length of an IBAN by the two letters of its country, 0 where none has it. */
const LENGTHS_BY_UNITS = new Uint8Array(26 * 26)
for (const [country, length] of LENGTHS) LENGTHS_BY_UNITS[(country.charCodeAt(0) - CAPITAL) * 26 + country.charCodeAt(1) - CAPITAL] = length

function find({ units, base, outline: { groups, groupsEnd } }: Segment): readonly Match[] {
  let matches: Match[] | null = null
  for (let at = 0; at < groupsEnd; at += 2) {
    const start = base + groups[at]!
    // Check digits in third and fourth place.
    if (!isDigit(units[start + 2]!) || !isDigit(units[start + 3]!) || isAlphanumericUnit(units[start - 1]!)) continue
    const [first, second] = [units[start]!, units[start + 1]!]
    if (!isLetter(first) || !isLetter(second)) continue
    const length = LENGTHS_BY_UNITS[((first & ~CASE) - CAPITAL) * 26 + (second & ~CASE) - CAPITAL]!
    const end = length === 0 ? 0 : valueEnd(units, start, length)
    if (end > 0) (matches ??= []).push({ start: start - base, end: end - base, score: SCORE })
  }
  return matches ?? NOTHING
}

const NOTHING: readonly Match[] = []
/** Country and check digits, which come last in the sum. */
const HEAD = 4

/** End of the value of `length` characters, single spaces or dashes between its groups left out; 0 if it is not valid. */
function valueEnd(units: Uint16Array, start: number, length: number): number {
  let rest = 0
  let i = start + HEAD
  for (let count = HEAD; count < length; i++) {
    const unit = units[i]!
    if (isDigit(unit) || isLetter(unit)) {
      rest = added(rest, unit)
      count++
    } else if (!((unit === 0x20 || unit === 0x2d) && (isDigit(units[i + 1]!) || isLetter(units[i + 1]!)))) return 0
  }
  for (let at = start; at < start + HEAD; at++) rest = added(rest, units[at]!)
  return !isAlphanumericUnit(units[i]!) && rest === 1 ? i : 0
}

/** Of account numbers with letters, as Latvia and Romania have them, all may be letters but two: length tells where digits do not. */
export const ibanCode: Recogniser = { entities: ['IBAN_CODE'], needs: TRAIT.digits | TRAIT.long, shapes: SHAPE.ibanHead, find }
