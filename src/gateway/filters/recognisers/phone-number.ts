import { type NumberPlan, numberPlan } from '../country-codes.ts'
import {
  beginsWithClose,
  DASH,
  type DigitRun,
  endsWithOpen,
  holds,
  isSetOff,
  NO_SEPARATOR,
  separatorOf,
  SPACE,
  STOP,
} from '../digit-runs.ts'
import { isAnnouncedAsOther } from '../identifiers/table.ts'
import { isDayAndSerial, looksOtherwise } from '../other-numbers.ts'
import { CONTEXT_BOOST, CONTEXT_UNITS, contextWords, type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'

/** E.164 §6.2: at most 15 digits with the country code. */
const MAX_DIGITS = 15

const SCORE = {
  /** `+` and a country code with a fitting number of digits. */
  international: 0.85,
  /** `00` and the same, in groups. */
  doubleZero: 0.6,
  /** Area and exchange codes of the North American plan, with dashes, dots or brackets. */
  northAmerican: 0.75,
  northAmericanSpaces: 0.6,
  /** The same with an exchange that is not given out, as in `555-123-4567`. */
  northAmericanFictional: 0.55,
  /** Trunk prefix 0, in groups. */
  trunk: 0.55,
  /** An area in brackets and two groups: `(11) 91234-5678`. */
  bracketed: 0.55,
  /** Right only beside a context word. */
  weak: 0.25,
} as const

const CONTEXT = contextWords(
  'phone', 'phones', 'phone number', 'telephone', 'tel', 'tel no', 'mobile', 'mob', 'cell', 'cellphone', 'cellular', 'landline', 'call', 'called', 'calls', 'dial', 'ring', 'fax',
  'whatsapp', 'sms', 'text me', 'text us', 'texted', 'my number', 'your number', 'his number', 'her number', 'their number', 'number is', 'contact', 'hotline', 'helpline', 'voicemail', 'ext', 'reach me', 'reached at', 'callback', 'handy', 'telefon', 'mobil', 'mobilnummer', 'telefonnummer', 'rufnummer', 'anrufen',
  'téléphone', 'tél', 'portable', 'teléfono', 'móvil', 'celular', 'telefono', 'cellulare', 'telefone', 'telemóvel', 'telefoon',
  'ph', 'txt me', 'txt us', 'my #', 'your #', 'his #', 'her #', 'ring back', 'telefonnr', 'handynummer', 'durchwahl', 'natel', 'rückruf', 'mon numéro', 'numéro vert', 'tfno', 'tlfno', 'fono', 'cel', 'mi número', 'numero verde', 'numero di telefono', 'telefoonnummer', 'gsm', 'mobiel', 'meu número',
  'tlf', 'tlfnr', 'mobilnr', 'mobiltelefon', 'puh', 'puhelin', 'puhelinnumero', 'matkapuhelin', 'komórka', 'telefonu', 'telefón', 'telefonszám', 'telepon', 'điện thoại', 'đt', 'sđt',
  'тел', 'телефон', 'телефону', 'телефона', 'моб', 'мобильный', 'τηλ', 'τηλέφωνο', 'κιν', 'κινητό', 'טלפון', 'נייד', 'هاتف', 'جوال', 'موبايل', 'फ़ोन', 'फोन', 'मोबाइल', 'โทร', 'โทรศัพท์', '電話', '電話番号', '携帯', '电话', '手机', '手機', '전화', '전화번호', '연락처', '휴대폰', '휴대전화',
) // prettier-ignore
/** A context word for a weak pattern must stand nearer. */
const WEAK_CONTEXT_UNITS = 28

/** With the trunk prefix; the longest in two groups only. */
const MAX_TRUNK = 13
const EXTENSION = /^,? ?(?:x|ext\.?|extension|poste|durchwahl) ?\d{1,6}(?![\p{L}\p{N}])/iu

/** What a word directly before it that announces a number of another kind takes from a national form. */
const ANNOUNCED_AS_OTHER = 0.3

interface Candidate {
  readonly to: number
  readonly score: number
  /** Counts only with a context word near. */
  readonly weak: boolean
}

/** Signs inside a telephone number; two may meet only round brackets. */
const SEPARATORS: ReadonlySet<number> = new Set(
  [' ', '\t', '-', '.', '/', ' -', '- ', ' - ', ')', ') ', ')-', ') -', ')- ', '(', ' (', '-(', ')(', ')/', ') /', ')/ ', ' /', '/ ', ' / '].map(separatorOf),
) // prettier-ignore

function isPhoneSeparator(separator: number): boolean {
  return separator === SPACE || separator === DASH || SEPARATORS.has(separator)
}

/** Signs that set a number off from the next; without a space it goes on. */
function isApart(separator: number): boolean {
  return separator === NO_SEPARATOR || isSetOff(separator)
}

/** Where a number that begins at group `from` ends at the latest: its groups are written as one and have at most `most` digits. */
function farthest(run: DigitRun, from: number, most: number): number {
  let digits = 0
  let to = from
  for (; to < run.count; to++) {
    digits += run.size(to)
    if (digits > most || (to > from && !isPhoneSeparator(run.separator(to - 1)))) break
  }
  return to
}

function digitsIn(run: DigitRun, from: number, to: number): number {
  let digits = 0
  for (let i = from; i < to; i++) digits += run.size(i)
  return digits
}

/** Country code and what follows. @param skipped digits before it. @param trunk group that is not dialled, -1 if there is none. */
function planOf(run: DigitRun, from: number, to: number, skipped: number, trunk: number): NumberPlan | null {
  let head = 0
  let left = 3
  let skip = skipped
  for (let group = from; group < to && left > 0; group++) {
    if (group === trunk) continue
    for (let at = run.startOf(group); at < run.endOf(group) && left > 0; at++) {
      if (skip-- > 0) continue
      head = head * 10 + run.digitAt(at)
      left--
    }
  }
  return left > 0 ? null : numberPlan(head)
}

/** Behind a country code, in one piece or parted by spaces. @param doubleZero `00` instead of a plus. */
function international(run: DigitRun, from: number, doubleZero: boolean): Candidate | null {
  const skipped = doubleZero ? 2 : 0
  let to = farthest(run, from, MAX_DIGITS + (doubleZero ? 2 : 1))
  let digits = digitsIn(run, from, to)
  for (; to > from; digits -= run.size(--to)) {
    // `+44 (0)20`: the bracketed trunk zero is not dialled.
    const hasTrunk =
      to > from + 2 && endsWithOpen(run.separator(from)) && beginsWithClose(run.separator(from + 1)) && run.size(from + 1) === 1
    const plan = planOf(run, from, to, skipped, hasTrunk ? from + 1 : -1)
    if (plan === null) continue
    const national = digits - skipped - (hasTrunk ? 1 : 0) - plan.code
    if (national < plan.least || national > plan.most) {
      // In one piece behind a plus it is one all the same, with a digit too many or too few.
      const isNear = national >= plan.least - 1 && national <= plan.most + 2
      if (!doubleZero && isNear && run.count === 1) return { to, score: SCORE.doubleZero, weak: false }
      continue
    }
    // `008703.35669395` is a decimal fraction.
    if (doubleZero && to - from === 2 && run.separator(from) === STOP) continue
    if (!doubleZero) return { to, score: SCORE.international, weak: false }
    return to - from > 1 ? { to, score: SCORE.doubleZero, weak: false } : { to, score: SCORE.weak, weak: true }
  }
  return null
}

/** `[2-9]`, then two digits that are not both 1. */
function isAreaCode(number: number): boolean {
  return number >= 200 && number % 100 !== 11
}

function northAmerican(run: DigitRun, from: number): Candidate | null {
  const hasOne = run.count >= from + 4 && run.size(from) === 1 && run.digitAt(run.startOf(from)) === 1
  const first = hasOne ? from + 1 : from
  const to = first + 3
  if (to > run.count || run.size(first) !== 3 || run.size(first + 1) !== 3 || run.size(first + 2) !== 4) return null
  if (!isAreaCode(run.number(first))) return null
  for (let i = from; i < to - 1; i++) if (!isPhoneSeparator(run.separator(i))) return null
  const [areaSign, lineSign] = [run.separator(first), run.separator(first + 1)]
  if (areaSign !== lineSign && areaSign === STOP) return null
  const after = run.separator(to - 1)
  if (!isApart(run.separator(from - 1)) || !(after === NO_SEPARATOR || holds(after, SPACE))) return null
  const isSpaced = areaSign === SPACE && lineSign === SPACE
  const exchange = run.number(first + 1)
  // No exchange begins with 0, not even in films.
  if (exchange < 100) return null
  if (exchange < 200) return isSpaced ? null : { to, score: SCORE.northAmericanFictional, weak: false }
  return { to, score: isSpaced ? SCORE.northAmericanSpaces : SCORE.northAmerican, weak: false }
}

function trunk(run: DigitRun, from: number): Candidate | null {
  const first = run.startOf(from)
  const size = run.size(from)
  if (run.digitAt(first) !== 0 || size < 2 || run.digitAt(first + 1) === 0) return null
  let to = farthest(run, from, MAX_TRUNK)
  let digits = digitsIn(run, from, to)
  for (; to > from; digits -= run.size(--to)) {
    if (digits < 9 || (digits === MAX_TRUNK && to - from !== 2) || !isApart(run.separator(to - 1)) || looksOtherwise(run, from, to))
      continue
    if (to - from === 1) return digits <= 11 ? { to, score: SCORE.weak, weak: true } : null
    const shape = shapeOf(run, from, to)
    if (size > 6 || shape.least < 2) continue
    const sign = run.separator(from)
    if (sign === STOP && to - from < 3) continue
    if (shape.hasStop && shape.hasDash) continue
    // A day of birth and a serial: `011150-4237`.
    if (to - from === 2 && (sign === DASH || sign === SPACE) && isDayAndSerial(run, from)) return { to, score: SCORE.weak, weak: true }
    // Pairs are French numbers, five of them and no sixth.
    const pairs = shape.least === 2 && shape.most === 2
    if (pairs && (to - from !== 5 || to < run.count || (from > 0 && run.size(from - 1) === 2))) continue
    // Three, two and four with dashes is a social security number, issued or not.
    if (to - from === 3 && digits === 9 && size === 3 && sign === DASH && run.size(from + 1) === 2) continue
    return { to, score: SCORE.trunk, weak: false }
  }
  return null
}

interface Shape {
  /** Digits of the shortest and of the longest group. */
  readonly least: number
  readonly most: number
  readonly hasStop: boolean
  readonly hasDash: boolean
}

function shapeOf(run: DigitRun, from: number, to: number): Shape {
  let least = run.size(from)
  let most = least
  let hasStop = false
  let hasDash = false
  for (let i = from + 1; i < to; i++) {
    least = Math.min(least, run.size(i))
    most = Math.max(most, run.size(i))
    const separator = run.separator(i - 1)
    if (separator === STOP) hasStop = true
    else if (separator === DASH) hasDash = true
  }
  return { least, most, hasStop, hasDash }
}

/** `(11) 91234-5678`: an area in brackets before two groups. */
function bracketed(run: DigitRun, from: number): Candidate | null {
  const to = from + 3
  if (to !== run.count || !(from === 0 ? run.open : endsWithOpen(run.separator(from - 1)))) return null
  const [area, middle] = [run.size(from), run.size(from + 1)]
  if (area < 2 || area > 4 || middle < 3 || middle > 5 || run.size(from + 2) !== 4) return null
  return beginsWithClose(run.separator(from)) && isPhoneSeparator(run.separator(from + 1))
    ? { to, score: SCORE.bracketed, weak: false }
    : null
}

/** Most digits of a weak number. */
const MAX_WEAK = 11

function weak(segment: Segment, run: DigitRun, from: number): Candidate | null {
  const start = run.startOf(from)
  if (run.digitAt(start) === 0 && run.digitAt(start + 1) === 0 && run.digitAt(start + 2) === 0) return null
  // Asked first: in tables of numbers this is the cheapest no.
  if (!segment.hasContext(start, CONTEXT, WEAK_CONTEXT_UNITS)) return null
  // Without `+`, but with a country code: as long as that, and in one piece.
  const whole = run.size(from)
  const plan = whole > MAX_WEAK && whole <= MAX_DIGITS ? planOf(run, from, from + 1, 0, -1) : null
  if (plan !== null && whole - plan.code >= plan.least && whole - plan.code <= plan.most)
    return { to: from + 1, score: SCORE.weak, weak: true }
  const to = farthest(run, from, MAX_WEAK)
  if (to === from) return null
  // `2606-0174-1660`: more digits follow by the same sign.
  if (to > from + 1 && run.separator(to - 1) === run.separator(to - 2)) return null
  if (digitsIn(run, from, to) < 7 || looksOtherwise(run, from, to)) return null
  return { to, score: SCORE.weak, weak: true }
}

const OPEN = 0x28
/** With what an extension begins, in small letters: `, `, `x`, `e`, `p`, `d`. */
const EXTENSION_HEADS: ReadonlySet<number> = new Set(Array.from(', xepd', (sign) => sign.charCodeAt(0) | 0x20))

/** `x830`, `ext. 12`, `poste 474` belong to the number. */
function extensionEnd(segment: Segment, end: number): number {
  if (!EXTENSION_HEADS.has(segment.unitAt(end) | 0x20)) return end
  return end + (EXTENSION.exec(segment.text.slice(end, end + 20))?.[0].length ?? 0)
}

function candidate(segment: Segment, run: DigitRun, from: number): Candidate | null {
  if (from === 0 && run.plus) return international(run, 0, false)
  const first = run.startOf(from)
  if (run.digitAt(first) === 0 && run.digitAt(first + 1) === 0 && run.digitAt(first + 2) !== 0) return international(run, from, true)
  return northAmerican(run, from) ?? trunk(run, from) ?? bracketed(run, from) ?? weak(segment, run, from)
}

function find(segment: Segment): readonly Match[] {
  let matches: Match[] | null = null
  for (const run of segment.digitRuns) {
    if (run.gluedBefore) continue
    let passed = 0
    for (let from = 0; from < run.count; from++) {
      const between = run.separator(from - 1)
      // Joined to what stands before by more than a space: the middle of something longer.
      if (from > 0 && !isSetOff(between)) continue
      const found = candidate(segment, run, from)
      if (found === null || (found.to === run.count && run.gluedAfter)) continue
      const start = valueStart(segment, run, from)
      const boost = segment.hasContext(start, CONTEXT, found.weak ? WEAK_CONTEXT_UNITS : CONTEXT_UNITS) ? CONTEXT_BOOST : 0
      if (found.weak && (boost === 0 || isAnnouncedAsOther(segment, start, 'PHONE_NUMBER'))) continue
      // The rest of a number whose country code nobody has.
      if (found.weak && run.plus && from > 0 && passed === 0) continue
      // Behind a group of digits and a space, the end of something longer: `1 99 03 17 020 824 516`.
      if ((boost === 0 || found.weak) && from > passed && found.score <= SCORE.northAmericanSpaces && !holds(between, OPEN)) continue
      const isOther = boost === 0 && found.score < SCORE.international && isAnnouncedAsOther(segment, start, 'PHONE_NUMBER')
      ;(matches ??= []).push({
        start,
        end: extensionEnd(segment, run.endOf(found.to - 1)),
        score: Math.min(1, found.score + boost - (isOther ? ANNOUNCED_AS_OTHER : 0)),
      })
      passed = found.to
      from = found.to - 1
    }
  }
  return matches ?? NOTHING
}

const NOTHING: readonly Match[] = []

/** The `+` and the opening bracket belong to the value. */
function valueStart(segment: Segment, run: DigitRun, from: number): number {
  let start = run.startOf(from)
  if (from === 0 && run.plus) start--
  return start > 0 && segment.unitAt(start - 1) === OPEN ? start - 1 : start
}

export const phoneNumber: Recogniser = { entities: ['PHONE_NUMBER'], needs: TRAIT.digits, find }
