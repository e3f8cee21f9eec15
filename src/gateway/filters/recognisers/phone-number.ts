import { type DigitGroup, type DigitRun, digitsOf } from '../digit-runs.ts'
import { nationalLengths } from '../country-codes.ts'
import { isAnnouncedAsOther } from '../identifiers/table.ts'
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

const size = (group: DigitGroup): number => group.end - group.start

/** Signs inside a telephone number; two may meet only round brackets. */
function isPhoneSeparator(separator: string): boolean {
  if (separator === ' ' || separator === '-') return true
  return /^(?:[ \t]|-|\.|\/| ?- ?|\) ?|\) ?- ?|[ -]?\(|\)\(|\) ?\/ ?| ?\/ ?)$/u.test(separator)
}

/** Signs that set a number off from the next; without a space it goes on. */
function isApart(separator: string | undefined): boolean {
  return separator === undefined || isSetOff(separator)
}

function isSetOff(separator: string): boolean {
  return separator.includes(' ') || separator.includes('(')
}

/** Equal steps: `05 06 07 08 09`. */
function counts(values: readonly string[]): boolean {
  const step = Number(values[1]) - Number(values[0])
  return values.length >= 4 && values.every((value, i) => i === 0 || Number(value) - Number(values[i - 1]) === step)
}

/** Calendar dates, money in thousands, IPv4 addresses, counting: what else is written as short groups of digits. */
function looksOtherwise(text: string, groups: readonly DigitGroup[], separators: readonly string[], from: number, to: number): boolean {
  const values = groups.slice(from, to).map(({ start, end }) => text.slice(start, end))
  const signs = new Set(separators.slice(from, to - 1))
  const year = (value: string): boolean => /^(?:1[89]|20)\d\d$/u.test(value)
  // Acts and cases: `2016/679`.
  if (values.length === 2 && signs.has('/') && values.some(year)) return true
  if (counts(values)) return true
  if (values.length >= 3 && signs.size <= 2) {
    const [a, b, c] = values as [string, string, string]
    const small = (value: string, most: number): boolean => value.length <= 2 && Number(value) >= 1 && Number(value) <= most
    if (year(a) && small(b, 12) && small(c, 31)) return true
    if (year(c) && ((small(a, 31) && small(b, 12)) || (small(a, 12) && small(b, 31)))) return true
  }
  if (values.length === 4 && signs.size === 1 && signs.has('.') && values.every((value) => Number(value) <= 255)) return true
  return values.length >= 2 && values[0]!.length < 3 && values.slice(1).every((value) => value.length === 3) && signs.size === 1
}

/** Where a number that begins at group `from` may end, longest first: its groups are written as one and have at most `most` digits. */
function extents(run: DigitRun, from: number, most: number): readonly (readonly [to: number, digits: number])[] {
  const found: (readonly [number, number])[] = []
  let digits = 0
  for (let to = from + 1; to <= run.groups.length; to++) {
    digits += size(run.groups[to - 1]!)
    if (digits > most || (to > from + 1 && !isPhoneSeparator(run.separators[to - 2]!))) break
    found.push([to, digits])
  }
  return found.reverse()
}

function international(segment: Segment, run: DigitRun, from: number, prefix: '+' | '00'): Candidate | null {
  const { groups, separators } = run
  for (const [to] of extents(run, from, MAX_DIGITS + prefix.length)) {
    // `+44 (0)20`: the bracketed trunk zero is not dialled.
    const trunk = to > from + 2 && separators[from]!.endsWith('(') && separators[from + 1]!.startsWith(')') && size(groups[from + 1]!) === 1
    const digits = trunk
      ? digitsOf(segment.text, groups, from, from + 1) + digitsOf(segment.text, groups, from + 2, to)
      : digitsOf(segment.text, groups, from, to)
    const number = prefix === '+' ? digits : digits.slice(2)
    const lengths = nationalLengths(number)
    if (lengths === null) continue
    if (lengths.national < lengths.least || lengths.national > lengths.most) {
      // In one piece behind a plus it is one all the same, with a digit too many or too few.
      const isNear = lengths.national >= lengths.least - 1 && lengths.national <= lengths.most + 2
      if (prefix === '+' && isNear && groups.length === 1) return { to, score: SCORE.doubleZero, weak: false }
      continue
    }
    // `008703.35669395` is a decimal fraction.
    if (prefix === '00' && to - from === 2 && separators[from] === '.') continue
    if (prefix === '+') return { to, score: SCORE.international, weak: false }
    return to - from > 1 ? { to, score: SCORE.doubleZero, weak: false } : { to, score: SCORE.weak, weak: true }
  }
  return null
}

const NANP_CODE = /^[2-9](?!11)\d\d$/u

function northAmerican(segment: Segment, run: DigitRun, from: number): Candidate | null {
  const { groups, separators } = run
  const text = (i: number): string => segment.text.slice(groups[i]!.start, groups[i]!.end)
  const first = groups.length >= from + 4 && text(from) === '1' ? from + 1 : from
  const to = first + 3
  if (to > groups.length || size(groups[first + 1]!) !== 3 || size(groups[first + 2]!) !== 4 || !NANP_CODE.test(text(first))) return null
  if (!separators.slice(from, to - 1).every(isPhoneSeparator)) return null
  const [areaSign, lineSign] = [separators[first]!, separators[first + 1]!]
  if (areaSign !== lineSign && areaSign === '.') return null
  const before = separators[from - 1] ?? ' '
  const after = separators[to - 1] ?? ' '
  if (!isSetOff(before) || !after.includes(' ')) return null
  const isSpaced = areaSign === ' ' && lineSign === ' '
  // No exchange begins with 0, not even in films.
  if (text(first + 1) < '100') return null
  if (text(first + 1) < '200') return isSpaced ? null : { to, score: SCORE.northAmericanFictional, weak: false }
  return { to, score: isSpaced ? SCORE.northAmericanSpaces : SCORE.northAmerican, weak: false }
}

function trunk(segment: Segment, run: DigitRun, from: number): Candidate | null {
  const { groups, separators } = run
  const first = groups[from]!
  if (segment.text[first.start] !== '0' || segment.text[first.start + 1] === '0' || size(first) < 2) return null
  for (const [to, digits] of extents(run, from, MAX_TRUNK)) {
    if (
      digits < 9 ||
      (digits === MAX_TRUNK && to - from !== 2) ||
      !isApart(separators[to - 1]) ||
      looksOtherwise(segment.text, groups, separators, from, to)
    )
      continue
    if (to - from === 1) return digits <= 11 ? { to, score: SCORE.weak, weak: true } : null
    if (size(first) > 6 || groups.slice(from, to).some((group) => size(group) < 2)) continue
    if (separators[from] === '.' && to - from < 3) continue
    const signs = separators.slice(from, to - 1)
    if (signs.includes('.') && signs.includes('-')) continue
    // A day of birth and a serial: `011150-4237`.
    if (to - from === 2 && (signs[0] === '-' || signs[0] === ' ') && isDayAndSerial(segment.text, first, groups[to - 1]!))
      return { to, score: SCORE.weak, weak: true }
    // Pairs are French numbers, five of them and no sixth.
    const pairs = groups.slice(from, to).every((group) => size(group) === 2)
    if (pairs && (to - from !== 5 || to < groups.length || (from > 0 && size(groups[from - 1]!) === 2))) continue
    // Three, two and four with dashes is a social security number, issued or not.
    if (to - from === 3 && digits === 9 && size(first) === 3 && separators[from] === '-' && size(groups[from + 1]!) === 2) continue
    return { to, score: SCORE.trunk, weak: false }
  }
  return null
}

function isDayAndSerial(text: string, day: DigitGroup, serial: DigitGroup): boolean {
  const [date, month] = [Number(text.slice(day.start, day.start + 2)), Number(text.slice(day.start + 2, day.start + 4))]
  return size(day) === 6 && size(serial) >= 3 && date >= 1 && date <= 31 && month >= 1 && month <= 12
}

/** `(11) 91234-5678`: an area in brackets before two groups. */
function bracketed({ groups, separators, open }: DigitRun, from: number): Candidate | null {
  const to = from + 3
  if (to !== groups.length || !(from === 0 ? open : separators[from - 1]!.endsWith('('))) return null
  const sizes = groups.slice(from).map(size)
  if (sizes[0]! < 2 || sizes[0]! > 4 || sizes[1]! < 3 || sizes[1]! > 5 || sizes[2] !== 4) return null
  return separators[from]!.startsWith(')') && isPhoneSeparator(separators[from + 1]!) ? { to, score: SCORE.bracketed, weak: false } : null
}

function weak(segment: Segment, run: DigitRun, from: number): Candidate | null {
  if (segment.text.startsWith('000', run.groups[from]!.start)) return null
  // Asked first: in tables of numbers this is the cheapest no.
  if (!segment.hasContext(run.groups[from]!.start, CONTEXT, WEAK_CONTEXT_UNITS)) return null
  // Without `+`, but with a country code: as long as that, and in one piece.
  const whole = size(run.groups[from]!)
  const lengths = whole > 11 && whole <= MAX_DIGITS ? nationalLengths(digitsOf(segment.text, run.groups, from, from + 1)) : null
  if (lengths !== null && lengths.national >= lengths.least && lengths.national <= lengths.most)
    return { to: from + 1, score: SCORE.weak, weak: true }
  const [longest] = extents(run, from, 11)
  if (longest === undefined) return null
  const [to, digits] = longest
  // `2606-0174-1660`: more digits follow by the same sign.
  if (to > from + 1 && run.separators[to - 1] === run.separators[to - 2]) return null
  if (digits < 7 || looksOtherwise(segment.text, run.groups, run.separators, from, to)) return null
  return { to, score: SCORE.weak, weak: true }
}

/** `x830`, `ext. 12`, `poste 474` belong to the number. */
function extensionEnd(text: string, end: number): number {
  return end + (EXTENSION.exec(text.slice(end, end + 20))?.[0].length ?? 0)
}

function candidate(segment: Segment, run: DigitRun, from: number): Candidate | null {
  if (from === 0 && run.plus) return international(segment, run, 0, '+')
  const first = run.groups[from]!
  if (segment.text.startsWith('00', first.start) && segment.text[first.start + 2] !== '0') return international(segment, run, from, '00')
  return northAmerican(segment, run, from) ?? trunk(segment, run, from) ?? bracketed(run, from) ?? weak(segment, run, from)
}

function find(segment: Segment): readonly Match[] {
  const matches: Match[] = []
  for (const run of segment.digitRuns) {
    if (run.gluedBefore) continue
    let passed = 0
    for (let from = 0; from < run.groups.length; from++) {
      // Joined to what stands before by more than a space: the middle of something longer.
      if (from > 0 && !isSetOff(run.separators[from - 1]!)) continue
      const found = candidate(segment, run, from)
      if (found === null || (found.to === run.groups.length && run.gluedAfter)) continue
      const start = valueStart(segment, run, from)
      const boost = segment.hasContext(start, CONTEXT, found.weak ? WEAK_CONTEXT_UNITS : CONTEXT_UNITS) ? CONTEXT_BOOST : 0
      if (found.weak && (boost === 0 || isAnnouncedAsOther(segment, start, 'PHONE_NUMBER'))) continue
      // The rest of a number whose country code nobody has.
      if (found.weak && run.plus && from > 0 && passed === 0) continue
      // Behind a group of digits and a space, the end of something longer: `1 99 03 17 020 824 516`.
      if (
        (boost === 0 || found.weak) &&
        from > passed &&
        found.score <= SCORE.northAmericanSpaces &&
        !run.separators[from - 1]!.includes('(')
      )
        continue
      const isOther = boost === 0 && found.score < SCORE.international && isAnnouncedAsOther(segment, start, 'PHONE_NUMBER')
      matches.push({
        start,
        end: extensionEnd(segment.text, run.groups[found.to - 1]!.end),
        score: Math.min(1, found.score + boost - (isOther ? ANNOUNCED_AS_OTHER : 0)),
      })
      passed = found.to
      from = found.to - 1
    }
  }
  return matches
}

/** The `+` and the opening bracket belong to the value. */
function valueStart(segment: Segment, run: DigitRun, from: number): number {
  let { start } = run.groups[from]!
  if (from === 0 && run.plus) start--
  return segment.text[start - 1] === '(' ? start - 1 : start
}

export const phoneNumber: Recogniser = { entities: ['PHONE_NUMBER'], needs: TRAIT.digits, find }
