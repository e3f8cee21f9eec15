import { isDigitUnit } from '../characters.ts'
import { contextWords, type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { SHAPE } from '../outline.ts'

const SCORE = 0.75
const OLDEST = 120
const MAX_DIGITS = 3
const NOTHING: readonly never[] = []
/** Whose age it is: `the age of our client`, `Alter des Patienten`. */
const WHOSE =
  /(?:\s(?:of|for|de|du|del|della|des|der|do|da|van)(?:\s(?:the|this|our|my|his|her|le|la|de|den|dem))?\s(?:patient|client|customer|applicant|holder|insured|employee|borrower|deceased|child|person|patienten|patientin|kunden|kundin|kindes|cliente|paciente|paziente|pati[eë]nt|klant)(?:e|s|'s)?)/u
    .source
/** Directly before the number: `aged 45`, `age: 45`, `Alter 45`, `"age": "45"`, `age</td><td>45`. */
const BEFORE = new RegExp(
  String.raw`(?<![\p{L}\p{N}])(?:age|aged|ages|age is|age of|turned|turning|turns|alter|âge|âgée?|agée?|edad|edad de|età|leeftijd|idade|wiek|wieku|alder|ålder|di anni|ikä|yaş|yaşı|возраст|věk|kor|életkor|vârsta|starost)${WHOSE}?["']?(?:\s?\((?:in\s)?(?:years|yrs|jahren?|ans|años|anni|anos|jaar|lat)\))?\s{0,2}(?::|=|\||[#№]|n[or]\.|was)?\s{0,2}(?:(?:of|de|von|van|is|ist|est|es|è)?\s{0,2}["'(]?|(?:<\/?[a-z]{1,8}>){1,2})$`,
  'u',
)
/** Directly after it. */
const AFTER =
  /^(?:[ -]?(?:years?|yrs?|months?|weeks?|days?)[ -]old|[ -]?(?:yo|y\/o|y\.o\.?)|[ -]?jährige[rnsm]?|[ -]?jarige?|[ -]letni[aey]?(?:go)?|[ -]årige?|[ -]vuotias| (?:years? of age|yrs? of age|Jahre alt|jahre alt|jaar oud|lat|år gamm[ae]l|yaşında|éves)| (?:ans|años|anni|anos|Jahre)(?= (?:d'âge|de edad|de idade|old|alt)|[.,;)]|$))(?![\p{L}\p{N}])/u
/** Behind the number and what closes it: `"37" as the age on file`, `62 is his age`. */
const LABEL_AFTER =
  /^["')\]”’»]{0,2} (?:(?:is|was|as) (?:the|his|her|their|my|your|our) age|ist (?:das|sein|ihr|mein) Alter|est (?:l'|son |mon )âge|es (?:la|su|mi) edad|è (?:l'|la sua )età|geworden)(?![\p{L}\p{N}])/u
/** A man of 63 as notes have him: `woman, 63, with`. */
const PERSON_BEFORE =
  /(?<![\p{L}\p{N}])(?:man|woman|male|female|boy|girl|patient|patientin|frau|mann|femme|homme|mujer|hombre|donna|uomo|vrouw|husband|wife|mother|father|son|daughter|widow|widower),\s$/u
const LONGEST_PERSON = 14
/** `63 M presenting with`. */
const SEEN = /^ (?:presenting|presents|presented|c\/o|s\/p|h\/o|hx)(?![\p{L}\p{N}])/u

/** `45 ans`, `45 años` without more are an age beside one of these. */
const PERSON = contextWords('patient', 'patiente', 'paciente', 'paziente', 'mujer', 'hombre', 'femme', 'homme', 'donna', 'uomo', 'frau', 'mann', 'man', 'woman', 'male', 'female', 'boy', 'girl', 'tiene', 'ha', 'a', 'avait', 'tem', 'ma', 'is', 'i am', "i'm", 'he is', 'she is') // prettier-ignore
/** A span of time, and how long ago: `for 2 years`, `il y a 45 ans`. */
const SPAN =
  /(?<![\p{L}\p{N}])(?:for|in|after|within|since|over|than|last|past|next|every|only|il\sy\sa|pendant|depuis|pour|après|dans|en|seit|für|nach|vor|durante|por|hace|tras|desde|da|per|dopo|fra|voor|sinds|na|há|przez|od|przed)\s$/u
const UNITS = /^ (?:ans|años|anni|anos|Jahre|lat)(?![\p{L}\p{N}])/u
const BARE_UNITS = /^ (?:ans|años|anni|anos|Jahre|lat)(?:[.,;)]|$)/u
/** `he is 45 years`; not `a 3 year deal`, nor `the man gets 20 years`. */
const ENGLISH_UNITS = /^ years?(?![\p{L}\p{N}])/u
const ENGLISH_PERSON = /\b(?:(?:he|she|who|patient|pt|i)(?:\s(?:is|was|am)|['’][sm])?(?:\snow)?)\s$/u
const SEX = /^[ -]?(?:M|F|male|female|man|woman)(?![\p{L}\p{N}])/u

/** The words of `BEFORE`: without one of them near, it is not asked. */
const WORDS = contextWords('age', 'aged', 'ages', 'turned', 'turning', 'turns', 'alter', 'âge', 'âgé', 'âgée', 'agée', 'agé', 'edad', 'età', 'leeftijd', 'idade', 'wiek', 'wieku', 'alder', 'ålder', 'anni', 'ikä', 'yaş', 'yaşı', 'возраст', 'věk', 'kor', 'életkor', 'vârsta', 'starost') // prettier-ignore
/** Units before the number that `BEFORE` may take. */
const LONGEST_BEFORE = 48

function isAnnounced(segment: Segment, start: number): boolean {
  if (segment.isAscii && !mayAnnounce(segment, start)) return false
  return segment.hasContext(start, WORDS, LONGEST_BEFORE) && BEFORE.test(segment.context(start).slice(-LONGEST_BEFORE))
}

/** Whether what stands before the number, spaces left out, is the end of a word or one of the signs between a word and a number. */
function mayAnnounce(segment: Segment, start: number): boolean {
  let at = start - 1
  while (at >= start - 2 && segment.unitAt(at) <= 0x20) at--
  const unit = segment.unitAt(at)
  return (unit | 0x20) >= 0x61 && (unit | 0x20) <= 0x7a ? true : SIGNS_BEFORE.has(unit)
}
const SIGNS_BEFORE: ReadonlySet<number> = new Set(Array.from(':=#|.)("\'>', (sign) => sign.charCodeAt(0)))

function isWordUnit(unit: number): boolean {
  return isDigitUnit(unit) || unit === 0x5f || (unit >= 0x41 && unit <= 0x5a) || (unit >= 0x61 && unit <= 0x7a)
}

/** `. , : / -` */
function isInNumber(unit: number): boolean {
  return unit === 0x2e || unit === 0x2c || unit === 0x3a || unit === 0x2f || unit === 0x2d
}

function find(segment: Segment): readonly Match[] {
  const { units, base } = segment
  const { digits, digitsEnd } = segment.outline
  let matches: Match[] | null = null
  for (let at = 0; at < digitsEnd; at += 2) {
    const start = digits[at]!
    const end = digits[at + 1]!
    if (end - start > MAX_DIGITS) continue
    const before = start === 0 ? 0 : units[base + start - 1]!
    if (isWordUnit(before) || isInNumber(before)) continue
    const after = units[base + end]!
    if ((after === 0x2e || after === 0x2c) && isDigitUnit(units[base + end + 1]!)) continue
    const match = matchOf(segment, start, end)
    if (match !== null) (matches ??= []).push(match)
  }
  return matches ?? NOTHING
}

/** Units behind the number that say what it is, at most. */
const LONGEST_AFTER = 24

function matchOf(segment: Segment, start: number, end: number): Match | null {
  const { text } = segment
  let years = 0
  for (let i = start; i < end; i++) years = years * 10 + segment.unitAt(i) - 0x30
  if (years > OLDEST || (segment.unitAt(start) === 0x30 && segment.unitAt(start + 1) === 0x30)) return null
  if (isAnnounced(segment, start)) return end < text.length ? { start, end, score: SCORE } : unlessItGoesOn(start, end)
  const rest = text.slice(end, end + LONGEST_AFTER)
  if (rest !== '' && isAge(segment, start, rest)) return { start, end, score: SCORE }
  if (text.length - end > LONGEST_AFTER || isAmongNumbers(segment, start, end)) return null
  return { start, end, score: 0, resolve: ({ text: after }) => (isAgeBefore(segment, start, rest, after) ? [{ score: SCORE }] : NOTHING) }
}

/** Whether another number stands beside it: a group of a telephone number, of a card. */
function isAmongNumbers(segment: Segment, start: number, end: number): boolean {
  const before = segment.unitAt(start - 1) === 0x20 ? segment.unitAt(start - 2) : 0
  const after = segment.unitAt(end)
  return isDigitUnit(before) || ((after === 0x20 || isInNumber(after)) && end < segment.text.length && isDigitUnit(segment.unitAt(end + 1)))
}

/** By what stands behind its segment too. */
function isAgeBefore(segment: Segment, start: number, rest: string, after: string): boolean {
  const all = rest + after
  const before = (): string => segment.context(start).slice(-LONGEST_PERSON)
  if (mayFollow(all) && AFTER.test(all)) return !(BARE_UNITS.test(all) && SPAN.test(before()))
  if (mayLabelFollow(all) && LABEL_AFTER.test(all)) return true
  if (rest !== '') return SEEN.test(after) && SEX.test(rest)
  return (after === '' || (after[0] === ',' && !isDigitUnit(after.charCodeAt(1)))) && PERSON_BEFORE.test(before())
}

/** What a label behind an age begins with, behind a space: `is`, `was`, `as`, `est`, `è`, `geworden`. */
const LABEL_HEADS = 'iwaeèg'

function mayLabelFollow(rest: string): boolean {
  const space = rest.indexOf(' ')
  return space >= 0 && space <= 2 && LABEL_HEADS.includes(rest[space + 1] ?? '-')
}

/** A comma ends the segment; behind it, thousands may go on. */
function unlessItGoesOn(start: number, end: number): Match {
  return { start, end, score: 0, resolve: ({ text: after }) => (/^,\d/u.test(after) ? NOTHING : [{ score: SCORE }]) }
}

/** Whether a letter follows, maybe behind a space or a dash, as it does in all that may stand behind an age in its segment. */
function mayFollow(rest: string): boolean {
  const first = rest.charCodeAt(0)
  return (first === 0x20 || first === 0x2d ? rest.charCodeAt(1) : first) >= 0x41
}

function isAge(segment: Segment, start: number, rest: string): boolean {
  if (!mayFollow(rest)) return false
  const before = (): string => segment.context(start).slice(-14)
  if (AFTER.test(rest)) return !(BARE_UNITS.test(rest) && SPAN.test(before()))
  if (ENGLISH_UNITS.test(rest)) return ENGLISH_PERSON.test(before())
  return (UNITS.test(rest) && PERSON.test(before()) && !SPAN.test(before())) || (SEX.test(rest) && /patient|pt/u.test(before()))
}

/** The number of years, not the words around it. */
export const age: Recogniser = { entities: ['AGE'], needs: TRAIT.digit, shapes: SHAPE.shortNumber, find }
