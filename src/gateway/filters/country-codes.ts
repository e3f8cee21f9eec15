/**
 * Country calling codes (ITU-T E.164, list of assigned codes) with the least and most digits of a national significant number,
 * wider than any one plan where several kinds of number share a code. Codes not listed by length take the default range.
 */
const DEFAULT_LENGTHS = [7, 11] as const

const LENGTHS: Readonly<Record<string, readonly [least: number, most: number]>> = {
  '1': [10, 10], '7': [10, 10], '20': [8, 10], '27': [9, 9], '30': [10, 10], '31': [9, 9], '32': [8, 9], '33': [9, 9], '34': [9, 9], '36': [8, 9], '39': [6, 11],
  '40': [9, 9], '41': [9, 9], '43': [7, 13], '44': [9, 10], '45': [8, 8], '46': [7, 9], '47': [8, 8], '48': [9, 9], '49': [6, 12],
  '51': [8, 9], '52': [10, 11], '54': [10, 11], '55': [10, 11], '56': [9, 9], '57': [8, 10], '60': [8, 10], '61': [9, 9], '62': [8, 12], '63': [8, 10], '64': [8, 10],
  '65': [8, 8], '66': [8, 9], '81': [9, 10], '82': [8, 10], '84': [9, 10], '86': [10, 11], '90': [10, 10], '91': [10, 10], '92': [9, 10], '351': [9, 9], '352': [6, 9], '353': [8, 9],
  '354': [7, 7], '358': [6, 11], '380': [9, 9], '420': [9, 9], '421': [9, 9], '852': [8, 8], '966': [8, 9], '971': [8, 9], '972': [8, 9],
} // prettier-ignore

const ONE_DIGIT = '17'
const TWO_DIGITS = new Set(
  '20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98'.split(
    ' ',
  ),
)
/** First two digits under which all three-digit codes lie. */
const THREE_DIGIT_ZONES = new Set('21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 80 85 87 88 96 97 99'.split(' '))

/** Of those zones, what the list of assigned codes leaves free. */
const UNASSIGNED: ReadonlySet<string> = new Set(
  '210 214 215 217 219 259 292 293 294 295 296 384 388 422 424 425 426 427 428 429 671 684 693 694 695 696 697 698 699 801 802 803 804 805 806 807 809 851 854 857 858 859 871 872 873 874 875 876 877 879 884 885 887 889 969 978 990 991 997 999'.split(
    ' ',
  ),
)

/** What one country code lets follow. */
export interface NumberPlan {
  /** Digits of the code. */
  readonly code: number
  /** Least and most digits behind it. */
  readonly least: number
  readonly most: number
}

function planOf(head: string): NumberPlan | null {
  const two = head.slice(0, 2)
  const code = ONE_DIGIT.includes(head[0]!) ? head[0]! : TWO_DIGITS.has(two) ? two : THREE_DIGIT_ZONES.has(two) ? head : null
  if (code === null || UNASSIGNED.has(code)) return null
  const [least, most] = LENGTHS[code] ?? DEFAULT_LENGTHS
  return { code: code.length, least, most }
}

/** By the first three digits; made when first asked for. */
let plans: readonly (NumberPlan | null)[] | null = null

/** @param head the first three digits of country code and national number, 0 to 999. @returns null if no country code begins it. */
export function numberPlan(head: number): NumberPlan | null {
  plans ??= Array.from({ length: 1000 }, (_, every) => planOf(String(every).padStart(3, '0')))
  return plans[head]!
}
