import { CONNECTORS, isStreetName, isStreetNameAt, STREETS_AFTER, STREETS_BEFORE } from '../joining-words.ts'
import { SHAPE } from '../outline.ts'
import { type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { WordFilter } from '../word-filter.ts'
import {
  CALLE,
  CAPITAL,
  CITY_WORDS,
  COUNTRIES,
  DIRECTIONS,
  DOOR,
  FLOOR,
  GERMAN,
  HOUSE,
  isName,
  isPostcode,
  NAME_WORDS,
  NUMBER_AFTER,
  ORDINAL,
  STATES,
  SURE,
  UNITS,
  type Word,
  words,
  wordsOf,
} from '../address-words.ts'
import { ANNOUNCED, ANNOUNCED_UNITS, announcedByNumber, boxAt, BOXES, placedByName, placedByNumber } from '../placed-address.ts'

const TAIL_WORDS = 14
/** Of a street's name in one word: `Hauptstraße`. */
const SHORTEST_STREET = 6
/** Street kinds in small letters, which a segment does not begin with. */
const KIND_BEFORE = /(?:^|[^\p{L}])(?:ul\.?|al\.?|os\.?|pl\.?|bulw\.?|via|viale|calle|c\/|avda\.?|avenida|rua|rue|plaza|piazza|corso)\s$/iu
const SCORE = { street: 0.6, weakStreet: 0.35, box: 0.7, city: 0.6, announced: 0.55 } as const
/** What a postal code in the same address adds. */
const POSTCODE_BOOST = 0.37
const ANNOUNCED_BOOST = 0.2

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
  // `since 2012 via London`: no Italian writes the number first.
  if (next.text === 'via') return null
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
  if (best) return numbered(all, best)
  // `12 Avenue Foch`, `5 Avenue of the Americas`: kinds that stand on both sides.
  if (STREETS_BEFORE.has(next.plain) && CAPITAL.test(next.text) && all[i + 2] && isName(all[i + 2]!) && !next.breaks) {
    let last = i + 2
    while (last < i + 1 + NAME_WORDS && !all[last]!.breaks && all[last + 1] && isName(all[last + 1]!)) last++
    return { first: i, last, score: SCORE.street }
  }
  return null
}

/** Roads that have a number for a name: `2300 County Road 12`. */
const NUMBERED = words('road rd route rte highway hwy')
function numbered(all: readonly Word[], street: Street): Street {
  const [kind, number] = [all[street.last]!, all[street.last + 1]]
  return NUMBERED.has(kind.plain) && !kind.breaks && number && /^\d{1,4}[A-Z]?$/u.test(number.text)
    ? { ...street, last: street.last + 1 }
    : street
}

/** `Hauptstraße 12`, `Berliner Straße 12`, `Via Roma 12`, `Calle Mayor, 5`. */
function nameFirst(segment: Segment, all: readonly Word[], i: number): Street | null {
  const word = all[i]!
  if (!CAPITAL.test(word.text) && !CALLE.test(word.text)) return null
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

/** Two letters with a full stop are a short form: `9000 St. Gallen`. */
const ENDS_SENTENCE = /(?:\d[A-Z]{0,2}|\p{L}{3})\.$/u

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
      const endsHere = (): boolean => all[i]!.breaks || ENDS_SENTENCE.test(all[i]!.text)
      while (capitals < CITY_WORDS && !endsHere() && all[i + 1] && CAPITAL.test(all[i + 1]!.text)) {
        capitals++
        last = ++i
      }
      // What stands behind a full stop is another sentence: `Leeds LS1 4DY. Call Bob`.
      if (ENDS_SENTENCE.test(all[i]!.text)) break
    } else if (FLOOR.test(word.text)) {
      last = i
      if (all[i + 1] && DOOR.test(all[i + 1]!.plain) && !word.breaks) last = ++i
      capitals = 0
    } else if (STATES.has(word.text) && capitals > 0) last = i
    else if (COUNTRIES.has(word.plain) && hasPostcode) last = i
    else if (CAPITAL.test(word.text) && capitals < CITY_WORDS && (capitals > 0 || all[i - 1]!.breaks)) capitals++
    else if (!(capitals > 0 && CONNECTORS.has(word.plain))) break
  }
  return { last, hasPostcode }
}

const NOTHING: readonly Match[] = []
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
  return mayHoldPostcode(segment) || hasTellingWord(segment) || KIND_BEFORE.test(segment.before) || isAnnounced(segment)
}

/** Whether a number stands a space before a capital letter and behind a word for addresses: `address: 98 Kingsway`. */
function isAnnounced(segment: Segment): boolean {
  const { units, base } = segment
  const { digits, digitsEnd } = segment.outline
  for (let at = 0; at < digitsEnd; at += 2) {
    let end = base + digits[at + 1]!
    // `221B Baker Street`
    if (!isCapitalUnit(units[end + 1]!)) end++
    const isBefore = isCapitalUnit(units[end + 1]!) && (units[end] === 0x20 || units[end] === 0x0a)
    if (isBefore && segment.hasContext(digits[at]!, ANNOUNCED, ANNOUNCED_UNITS)) return true
  }
  return false
}

/** Whether a number stands in it that may be a postal code, or half of one, beside another number. */
function mayHoldPostcode({ outline: { digits, digitsEnd }, units, base }: Segment): boolean {
  if (digitsEnd < 4) return false
  for (let at = 0; at < digitsEnd; at += 2) {
    const start = base + digits[at]!
    const end = base + digits[at + 1]!
    const size = end - start
    const before = units[start - 1]!
    const after = units[end]!
    if (before !== 0x20 && before !== 0x2d && before !== 0x0a) continue
    // `2QT`, `1016 GV`, `20099 Hamburg`, `NY 10004`, `103 86`.
    if (size === 1 && isCapitalUnit(after) && isCapitalUnit(units[end + 1]!)) return true
    if ((size === 4 || size === 5) && after === 0x20 && isCapitalUnit(units[end + 1]!)) return true
    if (size === 5 && isCapitalUnit(units[start - 2]!) && isCapitalUnit(units[start - 3]!)) return true
    if (size === 3 && after === 0x20 && sizeOf(digits, at + 2) === 2) return true
  }
  return false
}

const sizeOf = (digits: Int32Array, at: number): number => digits[at + 1]! - digits[at]!

const isCapitalUnit = (unit: number): boolean => unit >= 0x41 && unit <= 0x5a

/** `; : ! ? )`, behind a word. */
function isTailSign(unit: number): boolean {
  return unit === 0x3b || unit === 0x3a || unit === 0x21 || unit === 0x3f || unit === 0x29
}

function hasTellingWord({ text, units, base }: Segment): boolean {
  for (let end = 0; end < text.length; end++) {
    const start = end
    while (end < text.length && units[base + end]! > 0x20 && units[base + end] !== 0x2c) end++
    const first = units[base + start]! | 0x20
    if (end === start || first < 0x61 || first > 0x7a) continue
    let last = end
    while (isTailSign(units[base + last - 1]!)) last--
    if (units[base + last - 1] === 0x2e) last--
    const isStreet = last - start >= SHORTEST_STREET && isStreetNameAt(text, units, base, start, last)
    if (isStreet || tellingFilter.holds(units, base + start, base + last)) return true
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
      continue
    }
    const box = boxAt(all, i)
    if (box) {
      const { last, hasPostcode } = tail(all, box.last)
      matches.push({
        start: all[box.first]!.start,
        end: trimmed(all, last),
        score: box.isWeak ? SCORE.weakStreet + (hasPostcode ? POSTCODE_BOOST : 0) : SCORE.box,
      })
      i = last
      continue
    }
    const placed = Math.max(placedByNumber(all, i), placedByName(all, i))
    const announced = placed < 0 ? announcedByNumber(segment, all, i) : -1
    if (placed > 0 || announced > 0) {
      const { last } = tail(all, Math.max(placed, announced))
      matches.push({ start: all[beforeStreet(all, i)]!.start, end: trimmed(all, last), score: placed > 0 ? SCORE.city : SCORE.announced })
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
