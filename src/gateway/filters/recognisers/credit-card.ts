import { type DigitGroup, digitsOf } from '../digit-runs.ts'
import { isAnnouncedAsOther } from '../identifiers/table.ts'
import { CONTEXT_BOOST, contextWords, type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { SHAPE } from '../outline.ts'

/** ISO/IEC 7812-1: 12 (Maestro) to 19 digits. */
const MIN_DIGITS = 12
const MAX_DIGITS = 19

interface Issuer {
  /** Ranges of the leading digits, inclusive, all of one width. */
  readonly prefixes: readonly (readonly [string, string])[]
  readonly lengths: readonly number[]
  /** Below certainty where the range is wide and the length common for other numbers. */
  readonly score: number
}

const ISSUERS: readonly Issuer[] = [
  { prefixes: [['4', '4']], lengths: [16, 18, 19], score: 0.9 }, // Visa
  { prefixes: [['4', '4']], lengths: [13], score: 0.6 }, // Visa, issued before 2000
  { prefixes: [['51', '55']], lengths: [16], score: 0.9 }, // Mastercard
  { prefixes: [['2221', '2720']], lengths: [16], score: 0.9 }, // Mastercard, second series
  {
    prefixes: [
      ['34', '34'],
      ['37', '37'],
    ],
    lengths: [15],
    score: 0.9,
  }, // American Express
  {
    prefixes: [
      ['36', '36'],
      ['38', '39'],
      ['300', '305'],
      ['3095', '3095'],
    ],
    lengths: [14, 16, 17, 18, 19],
    score: 0.9,
  }, // Diners Club
  {
    prefixes: [
      ['6011', '6011'],
      ['644', '649'],
      ['65', '65'],
    ],
    lengths: [16, 17, 18, 19],
    score: 0.9,
  }, // Discover
  { prefixes: [['3528', '3589']], lengths: [16, 17, 18, 19], score: 0.9 }, // JCB
  {
    prefixes: [
      ['62', '62'],
      ['81', '81'],
    ],
    lengths: [16, 17, 18, 19],
    score: 0.9,
  }, // UnionPay
  {
    prefixes: [
      ['60', '60'],
      ['508', '508'],
      ['353', '353'],
      ['356', '356'],
    ],
    lengths: [16],
    score: 0.85,
  }, // RuPay
  { prefixes: [['2200', '2204']], lengths: [16, 17, 18, 19], score: 0.9 }, // Mir
  {
    prefixes: [
      ['5019', '5019'],
      ['4571', '4571'],
    ],
    lengths: [16],
    score: 0.9,
  }, // Dankort
  { prefixes: [['9792', '9792']], lengths: [16], score: 0.9 }, // Troy
  {
    prefixes: [
      ['50', '50'],
      ['56', '58'],
      ['63', '63'],
      ['67', '67'],
    ],
    lengths: [13, 14, 15, 16, 17, 18, 19],
    score: 0.75,
  }, // Maestro, Elo
  {
    prefixes: [
      ['50', '50'],
      ['56', '58'],
      ['6', '6'],
    ],
    lengths: [12],
    score: 0.35,
  }, // Maestro, short
  { prefixes: [['1', '1']], lengths: [15], score: 0.6 }, // UATP
]

/** Below it the length is common for other numbers, and a word that announces one counts. */
const COMMON = 0.7
const ANNOUNCED_AS_OTHER = 0.15

const CONTEXT = contextWords(
  'card', 'cards', 'credit', 'debit', 'visa', 'mastercard', 'master card', 'amex', 'american express', 'maestro', 'discover', 'diners',
  'jcb', 'unionpay', 'pan', 'cc', 'karte', 'kreditkarte', 'kartennummer', 'carte', 'tarjeta', 'carta', 'cartão',
) // prettier-ignore

function luhn(digits: string): boolean {
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    let digit = digits.charCodeAt(digits.length - 1 - i) - 0x30
    if (i % 2 === 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2
    sum += digit
  }
  return sum % 10 === 0
}

function issuerScore(digits: string): number {
  let best = 0
  for (const issuer of ISSUERS) {
    if (issuer.score <= best || !issuer.lengths.includes(digits.length)) continue
    const fits = issuer.prefixes.some(([low, high]) => {
      const head = digits.slice(0, low.length)
      return head >= low && head <= high
    })
    if (fits) best = issuer.score
  }
  return best
}

/** How cards are printed: in fours with a shorter or longer rest, 4-6-5 (American Express) or 4-6-4 (Diners). */
function isCardGrouping(groups: readonly DigitGroup[], from: number, to: number): boolean {
  if (to - from === 1) return true
  const last = sizeOf(groups[to - 1]!)
  if (to - from === 3 && sizeOf(groups[from]!) === 4 && sizeOf(groups[from + 1]!) === 6) return last === 5 || last === 4
  for (let i = from; i < to - 1; i++) if (sizeOf(groups[i]!) !== 4) return false
  return last <= 7
}

function sizeOf({ start, end }: DigitGroup): number {
  return end - start
}

function isCardSeparator(separator: string): boolean {
  return separator === ' ' || separator === '-' || separator === '.' || separator === '  ' || separator === ' - '
}

function find(segment: Segment): readonly Match[] {
  const matches: Match[] = []
  for (const run of segment.digitRuns) {
    const { groups, separators } = run
    for (let from = 0; from < groups.length; from++) {
      if (from === 0 && run.gluedBefore && segment.unitAt(groups[0]!.start - 1) !== 0x2d) continue
      // A decimal fraction has random digits, and one in ten passes Luhn.
      if (from > 0 && separators[from - 1] === '.') continue
      let count = 0
      for (let to = from + 1; to <= groups.length; to++) {
        const group = groups[to - 1]!
        count += group.end - group.start
        if (count > MAX_DIGITS || (to - from > 1 && !isCardSeparator(separators[to - 2]!))) break
        if (to - from > 2 && separators[to - 2] !== separators[from]) break
        if (to === groups.length && run.gluedAfter) break
        if (count < MIN_DIGITS || !isCardGrouping(groups, from, to)) continue
        const digits = digitsOf(segment.text, groups, from, to)
        if (!luhn(digits) || /^(\d)\1+$/u.test(digits)) continue
        const issuer = issuerScore(digits)
        if (issuer === 0) continue
        const start = groups[from]!.start
        const isCard = segment.hasContext(start, CONTEXT)
        const isOther = !isCard && issuer < COMMON && isAnnouncedAsOther(segment, start, 'CREDIT_CARD')
        const score = isCard ? Math.min(1, issuer + CONTEXT_BOOST) : issuer - (isOther ? ANNOUNCED_AS_OTHER : 0)
        matches.push({ start, end: group.end, score })
      }
    }
  }
  return matches
}

export const creditCard: Recogniser = { entities: ['CREDIT_CARD'], needs: TRAIT.digits, shapes: SHAPE.twelveDigits, find }
