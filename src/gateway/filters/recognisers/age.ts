import { isDigitUnit } from '../characters.ts'
import { contextWords, type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { SHAPE } from '../outline.ts'

const SCORE = 0.75
const OLDEST = 120
const MAX_DIGITS = 3
const NOTHING: readonly Match[] = []
/** Directly before the number: `aged 45`, `age: 45`, `Alter 45`, `"age": "45"`, `age</td><td>45`. */
const BEFORE =
  /(?<![\p{L}\p{N}])(?:age|aged|ages|age is|age of|turned|turning|turns|alter|âge|âgée?|agée?|edad|edad de|età|leeftijd|idade|wiek|wieku|alder|ålder)["']?\s{0,2}[:=]?\s{0,2}(?:(?:of|de|von|van|is)?\s{0,2}["'(]?|(?:<\/?[a-z]{1,8}>){1,2})$/u
/** Directly after it. */
const AFTER =
  /^(?:[ -]?(?:years?|yrs?|months?|weeks?|days?)[ -]old|[ -]?(?:yo|y\/o|y\.o\.?)|[ -]?jährige[rnsm]?|[ -]?jarige?|[ -]letni[aey]?(?:go)?| (?:years? of age|yrs? of age|Jahre alt|jahre alt|jaar oud|lat)| (?:ans|años|anni|anos|Jahre)(?= (?:d'âge|de edad|de idade|old|alt)|[.,;)]|$))(?![\p{L}\p{N}])/u
/** `45 ans`, `45 años` without more are an age beside one of these. */
const PERSON = contextWords('patient', 'patiente', 'paciente', 'paziente', 'mujer', 'hombre', 'femme', 'homme', 'donna', 'uomo', 'frau', 'mann', 'man', 'woman', 'male', 'female', 'boy', 'girl', 'tiene', 'ha', 'a', 'avait', 'tem', 'ma', 'is', 'i am', "i'm", 'he is', 'she is') // prettier-ignore
const UNITS = /^ (?:ans|años|anni|anos|Jahre|lat|years?)(?![\p{L}\p{N}])/u
const SEX = /^[ -]?(?:M|F|male|female|man|woman)(?![\p{L}\p{N}])/u

/** Ends of the words of `BEFORE`: without one of them, it is not asked. */
const ENDS: ReadonlySet<number> = new Set(
  ['ge', 'ed', 'es', 'is', 'of', 'ng', 'ns', 'er', 'ad', 'de', 'jd', 'ek', 'ku', 'on', 'an'].map((end) =>
    pair(end.charCodeAt(0), end.charCodeAt(1)),
  ),
)

function pair(first: number, second: number): number {
  return ((first | 0x20) << 8) | second | 0x20
}

function isAnnounced(segment: Segment, start: number): boolean {
  let at = start - 1
  // Space, colon and equals sign.
  while (at >= start - LONGEST_SIGNS && isBetween(segment.unitAt(at))) at--
  const [first, second] = [segment.unitAt(at - 1), segment.unitAt(at)]
  // `>` is the end of a tag.
  if (second !== 0x3e && first < 0x80 && second < 0x80 && !ENDS.has(pair(first, second))) return false
  return BEFORE.test(segment.context(start).slice(-LONGEST_BEFORE))
}

/** A word of `BEFORE` with what may stand between. */
const LONGEST_BEFORE = 32
/** Between the word and the number, at most. */
const LONGEST_SIGNS = 7

function isBetween(unit: number): boolean {
  return unit <= 0x20 || unit === 0x3a || unit === 0x3d || unit === 0x22 || unit === 0x27 || unit === 0x28
}

function isWordUnit(unit: number): boolean {
  return isDigitUnit(unit) || unit === 0x5f || (unit >= 0x41 && unit <= 0x5a) || (unit >= 0x61 && unit <= 0x7a)
}

/** `. , : / -` */
function isInNumber(unit: number): boolean {
  return unit === 0x2e || unit === 0x2c || unit === 0x3a || unit === 0x2f || unit === 0x2d
}

function find(segment: Segment): readonly Match[] {
  const { text, units, base } = segment
  const { digits } = segment.outline
  let matches: Match[] | null = null
  for (let at = 0; at < digits.length; at += 2) {
    const start = digits[at]!
    const end = digits[at + 1]!
    if (end - start > MAX_DIGITS) continue
    const before = start === 0 ? 0 : units[base + start - 1]!
    if (isWordUnit(before) || isInNumber(before)) continue
    const after = units[base + end]!
    if ((after === 0x2e || after === 0x2c) && isDigitUnit(units[base + end + 1]!)) continue
    if (isAge(segment, start, end)) (matches ??= []).push(matchOf(text, start, end))
  }
  return matches ?? NOTHING
}

/** What all that may stand behind an age begins with: a space, a dash or a letter. */
function mayFollow(unit: number): boolean {
  return unit === 0x20 || unit === 0x2d || unit >= 0x41
}

function isAge(segment: Segment, start: number, end: number): boolean {
  const { text } = segment
  if (Number(text.slice(start, end)) > OLDEST || text.startsWith('00', start)) return false
  if (isAnnounced(segment, start)) return true
  if (end === text.length || !mayFollow(segment.unitAt(end))) return false
  const rest = text.slice(end, end + 24)
  return (
    AFTER.test(rest) ||
    (UNITS.test(rest) && PERSON.test(segment.context(start).slice(-14))) ||
    (SEX.test(rest) && /patient|pt/u.test(segment.context(start).slice(-14)))
  )
}

function matchOf(text: string, start: number, end: number): Match {
  if (end < text.length) return { start, end, score: SCORE }
  // A comma ends the segment; behind it, thousands may go on.
  return { start, end, score: 0, resolve: ({ text: after }) => (/^,\d/u.test(after) ? [] : [{ score: SCORE }]) }
}

/** The number of years, not the words around it. */
export const age: Recogniser = { entities: ['AGE'], needs: TRAIT.digit, shapes: SHAPE.shortNumber, find }
