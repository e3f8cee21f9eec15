import { contextWords, type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'

const SCORE = 0.75
const OLDEST = 120
/** Directly before the number: `aged 45`, `age: 45`, `Alter 45`. */
const BEFORE =
  /(?<![\p{L}\p{N}])(?:age|aged|ages|age is|age of|turned|turning|turns|alter|âge|âgée?|agée?|edad|edad de|età|leeftijd|idade|wiek|wieku|alder|ålder)\s{0,2}[:=]?\s{0,2}(?:of|de|von|van|is)?\s{0,2}$/u
/** Directly after it. */
const AFTER =
  /^(?:[ -]?(?:years?|yrs?|months?|weeks?|days?)[ -]old|[ -]?(?:yo|y\/o|y\.o\.?)|[ -]?jährige[rnsm]?|[ -]?jarige?|[ -]letni[aey]?(?:go)?| (?:years? of age|yrs? of age|Jahre alt|jahre alt|jaar oud|lat)| (?:ans|años|anni|anos|Jahre)(?= (?:d'âge|de edad|de idade|old|alt)|[.,;)]|$))(?![\p{L}\p{N}])/u
/** `45 ans`, `45 años` without more are an age beside one of these. */
const PERSON = contextWords('patient', 'patiente', 'paciente', 'paziente', 'mujer', 'hombre', 'femme', 'homme', 'donna', 'uomo', 'frau', 'mann', 'man', 'woman', 'male', 'female', 'boy', 'girl', 'tiene', 'ha', 'a', 'avait', 'tem', 'ma', 'is', 'i am', "i'm", 'he is', 'she is') // prettier-ignore
const UNITS = /^ (?:ans|años|anni|anos|Jahre|lat|years?)(?![\p{L}\p{N}])/u
const SEX = /^[ -]?(?:M|F|male|female|man|woman)(?![\p{L}\p{N}])/u

function find(segment: Segment): readonly Match[] {
  const { text } = segment
  const matches: Match[] = []
  for (const { 0: digits, index: start } of text.matchAll(/(?<![\w.,:/-])\d{1,3}(?!\d|[.,]\d)/gu)) {
    if (Number(digits) > OLDEST || digits.startsWith('00')) continue
    const end = start + digits.length
    const rest = text.slice(end, end + 24)
    const found =
      AFTER.test(rest) ||
      BEFORE.test(segment.context(start).slice(-20)) ||
      (UNITS.test(rest) && PERSON.test(segment.context(start).slice(-14))) ||
      (SEX.test(rest) && /patient|pt/u.test(segment.context(start).slice(-14)))
    if (!found) continue
    // A comma ends the segment; behind it, thousands may go on.
    const resolve: Match['resolve'] = ({ text: after }) => (/^,\d/u.test(after) ? [] : [{ score: SCORE }])
    matches.push(end < text.length ? { start, end, score: SCORE } : { start, end, score: 0, resolve })
  }
  return matches
}

/** The number of years, not the words around it. */
export const age: Recogniser = { entities: ['AGE'], needs: TRAIT.digit, find }
