import { DASH, type DigitRun, separatorOf, SPACE, STOP } from '../digit-runs.ts'
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

/** ISO/IEC 7812-1 annex B, for digits that are not all the same, as they stand. */
function isLuhn(run: DigitRun, from: number, to: number): boolean {
  const first = run.digitAt(run.startOf(from))
  let sum = 0
  let isDoubled = false
  let areSame = true
  for (let group = to - 1; group >= from; group--)
    for (let i = run.endOf(group) - 1; i >= run.startOf(group); i--) {
      const digit = run.digitAt(i)
      if (digit !== first) areSame = false
      sum += isDoubled ? (digit > 4 ? digit * 2 - 9 : digit * 2) : digit
      isDoubled = !isDoubled
    }
  return sum % 10 === 0 && !areSame
}

/** Leading digits that tell all issuers apart. */
const HEAD_DIGITS = 4
const LENGTHS = MAX_DIGITS - MIN_DIGITS + 1
const HUNDRED = 100

/** By leading digits and length, the highest score of all issuers, times a hundred. */
function scoresOfIssuers(): Uint8Array {
  const scores = new Uint8Array(10 ** HEAD_DIGITS * LENGTHS)
  for (const { prefixes, lengths, score } of ISSUERS)
    for (const [low, high] of prefixes) {
      const width = 10 ** (HEAD_DIGITS - low.length)
      for (let head = Number(low) * width; head < (Number(high) + 1) * width; head++)
        for (const length of lengths) {
          const at = head * LENGTHS + length - MIN_DIGITS
          scores[at] = Math.max(scores[at]!, Math.round(score * HUNDRED))
        }
    }
  return scores
}
/** Made when the first number passes its check. */
let issuerScores: Uint8Array | null = null

function issuerScore(run: DigitRun, from: number, count: number): number {
  let head = 0
  let group = from
  let at = run.startOf(from)
  for (let i = 0; i < HEAD_DIGITS; i++) {
    if (at === run.endOf(group)) at = run.startOf(++group)
    head = head * 10 + run.digitAt(at++)
  }
  issuerScores ??= scoresOfIssuers()
  return issuerScores[head * LENGTHS + count - MIN_DIGITS]! / HUNDRED
}

/** How cards are printed: in fours with a shorter or longer rest, 4-6-5 (American Express) or 4-6-4 (Diners). */
function isCardGrouping(run: DigitRun, from: number, to: number): boolean {
  if (to - from === 1) return true
  const last = run.size(to - 1)
  if (to - from === 3 && run.size(from) === 4 && run.size(from + 1) === 6) return last === 5 || last === 4
  for (let i = from; i < to - 1; i++) if (run.size(i) !== 4) return false
  return last <= 7
}

const CARD_SEPARATORS: ReadonlySet<number> = new Set([SPACE, DASH, STOP, separatorOf('  '), separatorOf(' - ')])

function find(segment: Segment): readonly Match[] {
  let matches: Match[] | null = null
  for (const run of segment.digitRuns) {
    const { count } = run
    for (let from = 0; from < count; from++) {
      if (from === 0 && run.gluedBefore && segment.unitAt(run.startOf(0) - 1) !== 0x2d) continue
      const between = run.separator(from - 1)
      // A decimal fraction has random digits, and one in ten passes Luhn.
      if (between === STOP) continue
      const sign = run.separator(from)
      let digits = 0
      for (let to = from + 1; to <= count; to++) {
        digits += run.size(to - 1)
        if (digits > MAX_DIGITS || (to - from > 1 && !CARD_SEPARATORS.has(run.separator(to - 2)))) break
        if (to - from > 2 && run.separator(to - 2) !== sign) break
        if (to === count && run.gluedAfter) break
        if (digits < MIN_DIGITS || !isCardGrouping(run, from, to) || !isLuhn(run, from, to)) continue
        const issuer = issuerScore(run, from, digits)
        if (issuer === 0) continue
        const start = run.startOf(from)
        const isCard = segment.hasContext(start, CONTEXT)
        const isOther = !isCard && issuer < COMMON && isAnnouncedAsOther(segment, start, 'CREDIT_CARD')
        const score = isCard ? Math.min(1, issuer + CONTEXT_BOOST) : issuer - (isOther ? ANNOUNCED_AS_OTHER : 0)
        ;(matches ??= []).push({ start, end: run.endOf(to - 1), score })
      }
    }
  }
  return matches ?? NOTHING
}

const NOTHING: readonly Match[] = []

export const creditCard: Recogniser = { entities: ['CREDIT_CARD'], needs: TRAIT.digits, shapes: SHAPE.twelveDigits, find }
