import { MONTHS, plainForm } from '../joining-words.ts'
import { everyMatch } from '../every-match.ts'
import { contextWords, type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { WordFilter } from '../word-filter.ts'
import { DIGIT, SHAPE } from '../outline.ts'

const SCORE = { iso: 0.85, month: 0.85, numeric: 0.65, time: 0.6, monthAndYear: 0.6, monthAndDay: 0.6, weak: 0.3 } as const
const BORN = contextWords('born', 'dob', 'd.o.b', 'date of birth', 'birth date', 'birthdate', 'birthday', 'geboren', 'geb', 'né', 'née', 'nacido', 'nacida', 'nato', 'nata', 'date', 'datum', 'fecha', 'data', 'dated', 'on', 'since', 'admitted', 'discharged', 'deceased', 'died') // prettier-ignore
const BOOST = 0.25

const YEAR = '(?:1[89]|20)\\d\\d'
const TIME = '(?:[01]?\\d|2[0-3]):[0-5]\\d(?::[0-5]\\d(?:[.,]\\d{1,9})?)?'
/** ISO 8601 and RFC 3339. */
const ISO = new RegExp(
  `(?<![\\w.-])${YEAR}[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\\d|3[01])(?:[T ]${TIME}(?:Z| ?[+-]\\d\\d:?\\d\\d)?)?(?![\\w-])`,
  'gu',
)
const NUMERIC = new RegExp(`(?<![\\w./-])(\\d{1,2})([-/.])(\\d{1,2})\\2(${YEAR}|\\d\\d)(?:[ T]${TIME})?(?![\\w/-])(?!\\.\\d)`, 'gu')
/** Kinds of case in the numbers of United States courts, behind the office and the year: `1:24-cr-00017`. */
const DOCKETS = 'cv|cr|mj|bk|ap|md|mc|po'
const CLOCK = new RegExp(`(?<![\\w.:-])${TIME}(?: ?(?:[AaPp]\\.?[Mm]\\.?|Uhr|h))?(?![\\w:]|-(?:${DOCKETS})-\\d)`, 'gu')
/** `14h30`, as French and Portuguese write it, and ISO 8601 in its basic form, `20240304T123000Z`. */
const MIXED = new RegExp(
  `(?<![\\w.:-])(?:(?:[01]?\\d|2[0-3])h[0-5]\\d|${YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\\d|3[01])T(?:[01]\\d|2[0-3])[0-5]\\d(?:[0-5]\\d(?:[.,]?\\d{3})?)?(?:Z|[+-]\\d{2}:?(?:\\d{2})?)?)(?!\\w)`,
  'gu',
)
const HOUR = /(?<![\w.:,-])(?:0?[1-9]|1[0-2]) ?(?:[AaPp][Mm]|[ap]\.m\.)(?!\w)/gu
const CLOCK_AFTER = new RegExp(`^,? (?:at |um |à )?${TIME}(?: ?[AaPp]\\.?[Mm]\\.?)?(?![\\w:])`, 'u')
const SHORTEST_MONTH = 3
const LONGEST_MONTH = 12
const monthFilter = new WordFilter(MONTHS.keys())
const DIGIT_9 = 0x39
const WORD = /[\p{L}\p{M}]{3,12}/gu

function isDay(text: string | undefined): boolean {
  return text !== undefined && /^(?:0?[1-9]|[12]\d|3[01])$/u.test(text)
}

function numeric(segment: Segment, matches: Match[]): void {
  for (const match of everyMatch(NUMERIC, segment.text)) {
    const [, first, sign, second, year] = match
    const [a, b] = [Number(first), Number(second)]
    if (a < 1 || b < 1 || !((a <= 31 && b <= 12) || (a <= 12 && b <= 31))) continue
    const short = year!.length === 2
    // `1.2.34` is a version or a section more often than a day.
    const score = short ? (sign === '/' && b + a > 2 ? SCORE.time : SCORE.weak) : SCORE.numeric
    matches.push(lifted(segment, match.index, match.index + match[0].length, score))
  }
}

function lifted(segment: Segment, start: number, end: number, score: number): Match {
  return { start, end, score: segment.hasContext(start, BORN, 24) ? Math.min(1, score + BOOST) : score }
}

/** The name of a month and the numbers around it: `4 de marzo de 2024`, `March 4th, 2024`, `04-MAR-2024`. */
function named(segment: Segment, matches: Match[]): void {
  if (!segment.isAscii) {
    for (const { 0: word, index } of everyMatch(WORD, segment.text))
      if (MONTHS.has(plainForm(word))) month(segment, index, word.length, matches)
    return
  }
  // The same for ASCII, at a tenth of the cost: no month stands across the groups of letters and digits that are known.
  const { units, base } = segment
  const { groups, groupsEnd, kinds } = segment.outline
  for (let at = 0; at < groupsEnd; at += 2) {
    const end = groups[at + 1]!
    let start = groups[at]!
    if (kinds[at >> 1] === DIGIT || end - start < SHORTEST_MONTH) continue
    for (let i = start; i <= end; i++) {
      const isLetter = i < end && units[base + i]! > DIGIT_9
      if (isLetter && i - start < LONGEST_MONTH) continue
      if (i - start >= SHORTEST_MONTH && monthFilter.holds(units, base + start, base + i)) month(segment, start, i - start, matches)
      start = isLetter ? i : i + 1
    }
  }
}

function month({ text }: Segment, index: number, length: number, matches: Match[]): void {
  let start = index
  let end = index + length
  if (text[end] === '.') end++
  const day =
    start > 0 &&
    /(?<![\w.,/-])(\d{1,2})(?:st|nd|rd|th|er|º|ª|\.)?(?:[ -]|\.? (?:of|de|den|d') )?$/u.exec(text.slice(Math.max(0, start - 14), start))
  if (day && isDay(day[1])) start -= day[0].length
  let hasDay = start < index
  let hasYear = false
  const rest = text.slice(end, end + 40)
  const dayAfter = hasDay ? null : /^[ -](?:the )?(\d{1,2})(?:st|nd|rd|th)?(?![\w:])/u.exec(rest)
  let at = 0
  if (dayAfter && isDay(dayAfter[1])) {
    hasDay = true
    at = dayAfter[0].length
  }
  const year = /^(?:,? |-|\/|,? (?:of|de|del|do) )((?:1[89]|20)\d\d|'?\d\d(?=$|[^\w:.%]))(?![\w-])/u.exec(rest.slice(at))
  if (year && (hasDay || year[1]!.length === 4)) {
    hasYear = true
    at += year[0].length
  }
  const clock = hasDay ? CLOCK_AFTER.exec(rest.slice(at)) : null
  if (clock) at += clock[0].length
  if (!hasDay && !hasYear) return
  // `may` and `mars` are words of their own, `3 may` rarely anything but a day.
  const score = hasDay && hasYear ? SCORE.month : hasYear ? SCORE.monthAndYear : SCORE.monthAndDay
  matches.push({ start, end: end + at, score })
}

/** Whether `h` or `T` stands between two digits. */
function mayHoldMixed({ isAscii, outline: { digits, digitsEnd }, units, base }: Segment): boolean {
  if (!isAscii) return true
  for (let at = 0; at < digitsEnd; at += 2) {
    const end = digits[at + 1]!
    const unit = units[base + end]!
    if ((unit === 0x68 || unit === 0x54) && digits[at + 2] === end + 1) return true
  }
  return false
}

function find(segment: Segment): readonly Match[] {
  const { text } = segment
  const { shape } = segment.outline
  const matches: Match[] = []
  if ((shape & SHAPE.date) !== 0) {
    for (const { 0: value, index } of everyMatch(ISO, text)) matches.push({ start: index, end: index + value.length, score: SCORE.iso })
    numeric(segment, matches)
  }
  if ((shape & SHAPE.meridiem) !== 0)
    for (const { 0: value, index } of everyMatch(HOUR, text)) matches.push({ start: index, end: index + value.length, score: SCORE.time })
  // `16:9` is hardly an hour; two digits behind the colon are one, in four signs less surely.
  if ((shape & SHAPE.clock) !== 0)
    for (const { 0: value, index } of everyMatch(CLOCK, text))
      matches.push({ start: index, end: index + value.length, score: value.length >= 5 ? SCORE.time : SCORE.time - 0.08 })
  if ((shape & SHAPE.mixed) !== 0 && mayHoldMixed(segment))
    for (const { 0: value, index } of everyMatch(MIXED, text)) matches.push({ start: index, end: index + value.length, score: SCORE.time })
  if ((shape & SHAPE.word) !== 0) named(segment, matches)
  return matches
}

/** Days, with or without year or hour (ISO 8601 and as they are written in a dozen languages), and hours. */
export const dateTime: Recogniser = {
  entities: ['DATE_TIME'],
  needs: TRAIT.digit,
  shapes: SHAPE.date | SHAPE.clock | SHAPE.meridiem | SHAPE.word | SHAPE.mixed,
  find,
}
