import { CONNECTORS, isStreetName, isStreetNameAt, plainForm, STREETS_AFTER, STREETS_BEFORE } from '../joining-words.ts'
import { SHAPE } from '../outline.ts'
import { contextWords, type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { WordFilter } from '../word-filter.ts'

const SCORE = { street: 0.6, weakStreet: 0.35, box: 0.7, city: 0.6 } as const
/** What a postal code in the same address adds. */
const POSTCODE_BOOST = 0.37
/** What lifts a street whose kind is also another word: `I live at 402 Waters Brook`. */
const ANNOUNCED = contextWords('address', 'live at', 'lives at', 'lived at', 'living at', 'reside at', 'resides at', 'residing at', 'located at', 'deliver to', 'delivered to', 'ship to', 'shipped to', 'moved to') // prettier-ignore
const ANNOUNCED_UNITS = 24
const ANNOUNCED_BOOST = 0.2
/** Words of a street's name, of a city's. */
const NAME_WORDS = 5
const CITY_WORDS = 3
const TAIL_WORDS = 14
/** Of a street's name in one word: `Hauptstraße`. */
const SHORTEST_STREET = 6

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '))
/** Ends of English street names that are hardly anything else. */
const SURE = words('street st road rd avenue ave boulevard blvd lane ln drive dr court ct place pl square sq terrace way highway hwy parkway pkwy circle cir trail trl close crescent cres grove gardens mews row walk plaza loop alley pike turnpike') // prettier-ignore
const GERMAN = words(
  'strasse str markt steig chaussee vag gata gade vej utca korut caddesi cad sokak bulvari weg platz allee ring gasse damm ufer straat laan plein',
)
const UNITS = words('apt apartment suite ste unit floor fl flat room rm building bldg no nr # bis ter lgh lok m box top stiege piso esc int scala bus') // prettier-ignore
const DIRECTIONS = words('n s e w ne nw se sw north south east west northeast northwest southeast southwest o')
const STATES = words('AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC PR AP AE AA AB BC MB NB NL NS ON PE QC SK NT NU YT NSW VIC QLD TAS ACT') // prettier-ignore
const COUNTRIES = words('usa us uk france germany deutschland spain espana italy italia netherlands nederland belgium austria switzerland schweiz canada australia ireland poland polska portugal brasil brazil mexico india') // prettier-ignore

const HOUSE = /^#?\d{1,6}(?:[A-Za-z]|(?:[-/]\d{1,4})?[A-Za-z]?)$/u
const NUMBER_AFTER = /^\d{1,4}(?:[-/]\d{1,4})?[A-Za-z]?(?:\/\d{1,4})?\.?$/u
const ORDINAL = /^\d{1,3}(?:st|nd|rd|th)$/iu
const CAPITAL = /^[\p{Lu}][\p{L}.'’-]{0,30}$/u
/** Postal codes of one word; those of two (`SW1A 1AA`, `1017 AB`, `K1A 0B1`) by their halves. */
const POSTCODE = /^(?:[A-Z]{1,2}-)?\d{4,6}(?:-\d{3,4})?$|^\d{2}-\d{3}$/u
const HALVES = /^(?:[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|\d{4} [A-Z]{2}|[A-Z]\d[A-Z] \d[A-Z]\d|\d{3} \d{2})$/u
/** Street kinds in small letters, which a segment does not begin with. */
const KIND_BEFORE = /(?:^|[^\p{L}])(?:ul\.?|al\.?|os\.?|pl\.?|bulw\.?|via|viale|calle|c\/|avda\.?|avenida|rua|rue|plaza|piazza|corso)\s$/iu

/** A bracket or a quote before the first letter or digit. */
const OPENED = /^[("'][\p{L}\d]/u

interface Word {
  readonly text: string
  readonly plain: string
  readonly start: number
  readonly end: number
  /** A comma or a line end stands behind it. */
  readonly breaks: boolean
}

function wordsOf(text: string): readonly Word[] {
  const found: Word[] = []
  for (const { 0: raw, index } of text.matchAll(/[^\s,]+/gu)) {
    const opened = OPENED.test(raw) ? 1 : 0
    const cut = raw.slice(opened).replace(/[;:!?)]+$/u, '')
    const end = index + opened + cut.length
    found.push({
      text: cut,
      plain: plainForm(cut).replace(/\.$/u, ''),
      start: index + opened,
      end,
      breaks: /^[,;:!?)]|^\s*[\n\r]/u.test(text.slice(end, end + 4)),
    })
  }
  return found
}

const isName = ({ text, plain }: Word): boolean => CAPITAL.test(text) || ORDINAL.test(text) || CONNECTORS.has(plain)

interface Street {
  /** Index of its first and of its last word. */
  readonly first: number
  readonly last: number
  readonly score: number
}

/** House numbers between others: `150 bis`. */
const REPEATED = words('bis ter quater')

/** `rue de la Paix` behind a number, from its kind at `kind` on. */
function kindFirst(all: readonly Word[], first: number, kind: number): Street | null {
  let last = kind
  while (last < kind + NAME_WORDS && all[last + 1] && isName(all[last + 1]!) && !(last > kind && all[last]!.breaks)) last++
  while (last > kind && CONNECTORS.has(all[last]!.text)) last--
  return last > kind ? { first, last, score: SCORE.street } : null
}

/** `Flat 3, 12 Marlborough Road`: where the address begins. */
function beforeStreet(all: readonly Word[], street: number): number {
  const unit = all[street - 2]
  const number = all[street - 1]
  return unit && number && number.breaks && UNITS.has(unit.plain) && /^[A-Z]?\d{1,5}[A-Z]?$/iu.test(number.text) ? street - 2 : street
}

/** `12 Main Street`, `12 rue de la Paix`. */
function numberFirst(all: readonly Word[], i: number): Street | null {
  if (!HOUSE.test(all[i]!.text)) return null
  if (all[i + 1] && REPEATED.has(all[i + 1]!.plain) && !all[i]!.breaks) {
    const street = all[i + 2] && STREETS_BEFORE.has(all[i + 2]!.plain) ? kindFirst(all, i, i + 2) : null
    if (street) return street
  }
  const next = all[i + 1]
  if (next === undefined || (all[i]!.breaks && !STREETS_BEFORE.has(next.plain))) return null
  if (STREETS_BEFORE.has(next.plain) && !next.breaks && !(SURE.has(next.plain) && CAPITAL.test(next.text))) {
    const street = kindFirst(all, i, i + 1)
    if (street) return street
  }
  // Not `1999 the Court`.
  if (!CAPITAL.test(next.text) && !ORDINAL.test(next.text)) return null
  let best: Street | null = null
  for (let j = i + 1; j <= i + 1 + NAME_WORDS && j < all.length; j++) {
    const word = all[j]!
    if (j > i + 1 && STREETS_AFTER.has(word.plain) && (CAPITAL.test(word.text) || SURE.has(word.plain)))
      best = { first: i, last: j, score: SURE.has(word.plain) ? SCORE.street : SCORE.weakStreet }
    if (!isName(word) || word.breaks) break
  }
  if (best) return best
  // `12 Avenue Foch`, `5 Avenue of the Americas`: kinds that stand on both sides.
  if (STREETS_BEFORE.has(next.plain) && CAPITAL.test(next.text) && all[i + 2] && isName(all[i + 2]!) && !next.breaks) {
    let last = i + 2
    while (last < i + 1 + NAME_WORDS && !all[last]!.breaks && all[last + 1] && isName(all[last + 1]!)) last++
    return { first: i, last, score: SCORE.street }
  }
  return null
}

/** `Hauptstraße 12`, `Berliner Straße 12`, `Via Roma 12`, `Calle Mayor, 5`. */
function nameFirst(segment: Segment, all: readonly Word[], i: number): Street | null {
  const word = all[i]!
  if (!CAPITAL.test(word.text)) return null
  const next = all[i + 1]
  if (next === undefined) return null
  if (isStreetName(word.plain) && word.plain.length >= SHORTEST_STREET && !word.breaks && NUMBER_AFTER.test(next.text))
    return { first: i, last: i + 1, score: SCORE.street }
  const kind = STREETS_BEFORE.has(word.plain)
  const kindBefore = !kind && i === 0 && KIND_BEFORE.test(segment.before)
  for (let j = i; j <= i + NAME_WORDS && j + 1 < all.length; j++) {
    if (j > i && !isName(all[j]!)) return null
    const number = all[j + 1]!
    if (NUMBER_AFTER.test(number.text) && ((kind && j > i) || kindBefore || (GERMAN.has(all[j]!.plain) && !all[j]!.breaks)))
      return { first: i, last: j + 1, score: SCORE.street }
    if (all[j]!.breaks) return null
  }
  return null
}

function isPostcode(all: readonly Word[], i: number): number {
  const first = all[i]!.text.replace(/\.$/u, '')
  if (all[i + 1] && HALVES.test(`${first} ${all[i + 1]!.text.replace(/\.$/u, '')}`)) return 2
  return POSTCODE.test(first) ? 1 : 0
}

interface Tail {
  readonly last: number
  readonly hasPostcode: boolean
}

/** How far the address goes on behind the street: unit, city, region, postal code, country. */
function tail(all: readonly Word[], from: number): Tail {
  let last = from
  let hasPostcode = false
  let capitals = 0
  for (let i = from + 1; i < all.length && i <= from + TAIL_WORDS; i++) {
    const word = all[i]!
    const postcode = isPostcode(all, i)
    if (UNITS.has(word.plain) && all[i + 1] && !word.breaks && /^[A-Z]?\d{0,5}[A-Z]?$/iu.test(all[i + 1]!.text)) {
      last = ++i
      capitals = 0
    } else if (
      /^#\w{1,6}$/u.test(word.text) ||
      (i === last + 1 && DIRECTIONS.has(word.plain) && /^[A-Z]/u.test(word.text) && word.text.length < 6)
    )
      last = i
    else if (postcode > 0) {
      i += postcode - 1
      last = i
      hasPostcode = true
      capitals = 0
      // The city behind it: `10115 Berlin`.
      while (capitals < CITY_WORDS && !all[i]!.breaks && all[i + 1] && CAPITAL.test(all[i + 1]!.text)) {
        capitals++
        last = ++i
        if (all[i]!.text.endsWith('.')) break
      }
    } else if (STATES.has(word.text) && capitals > 0) last = i
    else if (COUNTRIES.has(word.plain) && hasPostcode) last = i
    else if (CAPITAL.test(word.text) && capitals < CITY_WORDS && (capitals > 0 || all[i - 1]!.breaks)) capitals++
    else if (!(capitals > 0 && CONNECTORS.has(word.plain))) break
  }
  return { last, hasPostcode }
}

const NOTHING: readonly Match[] = []
const BOXES = words('box postfach apartado casella skrytka')
/** One of them is in every address, or stands directly before. */
const TELLING: ReadonlySet<string> = new Set([
  ...STREETS_BEFORE,
  ...STREETS_AFTER,
  ...GERMAN,
  ...BOXES,
  ...[...STATES].map((state) => state.toLowerCase()),
])
const tellingFilter = new WordFilter(TELLING)

/** Whether there are two words, a capital letter and a word that tells: without these, nothing below finds anything. */
function mayHold(segment: Segment): boolean {
  const { text } = segment
  if (!segment.isAscii) return /[ \n,]/u.test(text) && /\p{Lu}/u.test(text)
  const { shape } = segment.outline
  if ((shape & SHAPE.parted) === 0 || (shape & SHAPE.capital) === 0) return false
  return hasTellingWord(text) || KIND_BEFORE.test(segment.before)
}

/** `; : ! ? )`, behind a word. */
function isTailSign(unit: number): boolean {
  return unit === 0x3b || unit === 0x3a || unit === 0x21 || unit === 0x3f || unit === 0x29
}

function hasTellingWord(text: string): boolean {
  for (let end = 0; end < text.length; end++) {
    const start = end
    while (end < text.length && text.charCodeAt(end) > 0x20 && text.charCodeAt(end) !== 0x2c) end++
    const first = text.charCodeAt(start) | 0x20
    if (end === start || first < 0x61 || first > 0x7a) continue
    let last = end
    while (isTailSign(text.charCodeAt(last - 1))) last--
    if (text.charCodeAt(last - 1) === 0x2e) last--
    const isStreet = last - start >= SHORTEST_STREET && isStreetNameAt(text, start, last)
    if (isStreet || (tellingFilter.mayHold(text, start, last) && TELLING.has(text.slice(start, last).toLowerCase()))) return true
  }
  return false
}

function find(segment: Segment): readonly Match[] {
  if (!mayHold(segment)) return NOTHING
  const matches: Match[] = []
  const all = wordsOf(segment.text)
  if (all.length < 2) return matches
  for (let i = 0; i < all.length; i++) {
    const word = all[i]!
    const street = numberFirst(all, i) ?? nameFirst(segment, all, i)
    if (street) {
      const { last, hasPostcode } = tail(all, street.last)
      const end = trimmed(all, last)
      const isAnnounced = street.score < SCORE.street && segment.hasContext(word.start, ANNOUNCED, ANNOUNCED_UNITS)
      matches.push({
        start: all[beforeStreet(all, i)]!.start,
        end,
        score: Math.min(1, street.score + (hasPostcode ? POSTCODE_BOOST : 0) + (isAnnounced ? ANNOUNCED_BOOST : 0)),
      })
      i = last
    } else if (BOXES.has(word.plain) && all[i + 1] && /^\d{1,7}\.?$/u.test(all[i + 1]!.text)) {
      const first = i > 0 && /^p\.?\s?o$/u.test(all[i - 1]!.plain) ? i - 1 : i
      const { last } = tail(all, i + 1)
      matches.push({
        start: all[first]!.start,
        end: trimmed(all, last),
        score: first < i || word.plain !== 'box' ? SCORE.box : SCORE.weakStreet,
      })
      i = last
    } else if (STATES.has(word.text) && i > 0 && all[i - 1]!.breaks && all[i + 1] && /^\d{5}(?:-\d{4})?$/u.test(all[i + 1]!.text)) {
      // `Springfield, IL 62701` without a street before it.
      let first = i - 1
      while (first > 0 && i - first < CITY_WORDS && CAPITAL.test(all[first - 1]!.text) && !all[first - 1]!.breaks) first--
      if (CAPITAL.test(all[first]!.text)) matches.push({ start: all[first]!.start, end: all[i + 1]!.end, score: SCORE.city })
    }
  }
  return matches
}

/** A full stop ends the sentence; that of `St.` and `Ave.` belongs to the word. */
function trimmed(all: readonly Word[], last: number): number {
  const word = all[last]!
  return word.text.endsWith('.') && !STREETS_AFTER.has(word.plain) ? word.end - 1 : word.end
}

/** Streets with a number, in number-first and name-first countries, with what belongs to them; post-office boxes; cities with state and ZIP code. */
export const address: Recogniser = { entities: ['ADDRESS'], needs: TRAIT.digit, find }
