import { MONTHS } from './joining-words.ts'
import { contextWords, type Segment } from './recogniser.ts'
import {
  CAPITAL,
  CITY_WORDS,
  HOUSE,
  isName,
  isPostcode,
  NAME_WORDS,
  NUMBER_AFTER,
  STATES,
  UNITS,
  type Word,
  words,
} from './address-words.ts'

/** What lifts a street whose kind is also another word: `I live at 402 Waters Brook`. */
export const ANNOUNCED = contextWords('address', 'live at', 'lives at', 'lived at', 'living at', 'reside at', 'resides at', 'residing at', 'located at', 'deliver to', 'delivered to', 'ship to', 'shipped to', 'moved to', 'adresse', 'anschrift', 'wohnhaft', 'wohnt', 'habite', 'domicile', 'dirección', 'direccion', 'domicilio', 'vive en', 'indirizzo', 'adres', 'endereço', 'endereco', 'adress') // prettier-ignore
export const ANNOUNCED_UNITS = 24

/** Words before a number that make a count or a place in a text of it. */
const NO_STREETS = words(
  'section chapter article act page figure table version windows level step day week part vol volume number lot order invoice item line case clause annex schedule appendix paragraph',
)

/** `98 Kingsway, Hove BN3 2QT`, `12 Broadway, New York, NY 10004`: no kind of street, but a town with its code. @returns index of its last word, -1 if it is none. */
export function placedByNumber(all: readonly Word[], i: number): number {
  if (!HOUSE.test(all[i]!.text) || all[i]!.breaks) return -1
  let street = i + 1
  while (street < i + NAME_WORDS && all[street] && isName(all[street]!) && !all[street]!.breaks) street++
  if (!all[street]?.breaks || !CAPITAL.test(all[street]!.text)) return -1
  let at = street + 1
  while (at <= street + CITY_WORDS && all[at] && CAPITAL.test(all[at]!.text) && !STATES.has(all[at]!.text) && isPostcode(all, at) === 0)
    at++
  if (at === street + 1 || !all[at]) return -1
  if (STATES.has(all[at]!.text) && /^\d{5}(?:-\d{4})?$/u.test(all[at + 1]?.text.replace(/\.$/u, '') ?? '')) return at + 1
  return isPostcode(all, at) === 2 ? at + 1 : -1
}

/** `Lange Reihe 12, 20099 Hamburg`, `Unter den Linden 77, 10117 Berlin`: the same where the number stands behind. */
export function placedByName(all: readonly Word[], i: number): number {
  if (!CAPITAL.test(all[i]!.text)) return -1
  let number = i
  while (number < i + NAME_WORDS && all[number] && isName(all[number]!) && !all[number]!.breaks) number++
  const name = all[number - 1]
  if (!name || !CAPITAL.test(name.text) || name.breaks || MONTHS.has(name.plain) || NO_STREETS.has(name.plain) || UNITS.has(name.plain))
    return -1
  if (!all[number]?.breaks || !NUMBER_AFTER.test(all[number]!.text)) return -1
  const code = number + 1
  const size = all[code] ? isPostcode(all, code) : 0
  // `March 12, 2000`, and other years.
  if (size === 0 || /^(?:19|20)\d\d$/u.test(all[code]!.text) || /^\d{6}/u.test(all[code]!.text)) return -1
  let city = code + size
  if (!all[city] || !CAPITAL.test(all[city]!.text) || all[city - 1]!.breaks) return -1
  while (city < code + size + CITY_WORDS - 1 && !all[city]!.breaks && all[city + 1] && CAPITAL.test(all[city + 1]!.text)) city++
  return city
}

/** `address: 98 Kingsway`. */
export function announcedByNumber(segment: Segment, all: readonly Word[], i: number): number {
  if (!HOUSE.test(all[i]!.text) || all[i]!.breaks || !all[i + 1] || !CAPITAL.test(all[i + 1]!.text)) return -1
  if (!segment.hasContext(all[i]!.start, ANNOUNCED, ANNOUNCED_UNITS)) return -1
  let last = i + 1
  while (last < i + CITY_WORDS && !all[last]!.breaks && all[last + 1] && CAPITAL.test(all[last + 1]!.text)) last++
  return last
}

export const BOXES = words('box postfach apartado casella skrytka postbus postboks postbox caixa bp cp')
/** Between the word for a box and its number: `Casella Postale 77`. */
const BOX_PARTS = words('postale postal pocztowa de correos')
/** Mean other things as well, so that a postal code is to follow. */
const WEAK_BOXES = words('box bp cp caixa')
const MOST_BOX_GROUPS = 3

interface Box {
  readonly first: number
  readonly last: number
  readonly isWeak: boolean
}

/** `P.O. Box 123`, `Post Office Box 12`, `Postfach 10 20 30`, `Apartado de Correos 45`. */
export function boxAt(all: readonly Word[], i: number): Box | null {
  const { plain, breaks } = all[i]!
  if (!BOXES.has(plain) || breaks) return null
  let number = i + 1
  while (number < i + 3 && all[number] && BOX_PARTS.has(all[number]!.plain)) number++
  if (!all[number] || !/^\d{1,7}\.?$/u.test(all[number]!.text)) return null
  let last = number
  while (last < number + MOST_BOX_GROUPS && !all[last]!.breaks && all[last + 1] && /^\d{2,3}$/u.test(all[last + 1]!.text)) last++
  const isPo = i > 0 && /^p\.?\s?o$/u.test(all[i - 1]!.plain)
  const isOffice = i > 1 && all[i - 1]!.plain === 'office' && all[i - 2]!.plain === 'post'
  return { first: isPo ? i - 1 : isOffice ? i - 2 : i, last, isWeak: !isPo && !isOffice && WEAK_BOXES.has(plain) && number === i + 1 }
}
