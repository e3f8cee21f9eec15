import { everyMatch } from './every-match.ts'
import { CONNECTORS, plainForm } from './joining-words.ts'

/** Words of a street's name, of a city's. */
export const NAME_WORDS = 5
export const CITY_WORDS = 3

export const words = (text: string): ReadonlySet<string> => new Set(text.split(' '))
/** Ends of English street names that are hardly anything else. */
export const SURE = words('street st road rd avenue ave boulevard blvd lane ln drive dr court ct place pl square sq terrace way highway hwy parkway pkwy circle cir trail trl close crescent cres grove gardens mews row walk plaza loop alley pike turnpike') // prettier-ignore
export const GERMAN = words(
  'strasse str markt steig chaussee vag gata gade vej utca korut caddesi cad sokak bulvari weg platz allee ring gasse damm ufer straat laan plein',
)
export const UNITS = words('apt apartment suite ste unit floor fl flat room rm building bldg no nr # bis ter lgh lok m box top stiege piso esc int scala bus') // prettier-ignore
export const DIRECTIONS = words('n s e w ne nw se sw north south east west northeast northwest southeast southwest o')
export const STATES = words('AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC PR AP AE AA AB BC MB NB NL NS ON PE QC SK NT NU YT NSW VIC QLD TAS ACT') // prettier-ignore
export const COUNTRIES = words('usa us uk france germany deutschland spain espana italy italia netherlands nederland belgium austria switzerland schweiz canada australia ireland poland polska portugal brasil brazil mexico india') // prettier-ignore

export const HOUSE = /^#?\d{1,6}(?:[A-Za-z]|(?:[-/]\d{1,4})?[A-Za-z]?)$/u
export const NUMBER_AFTER = /^\d{1,4}(?:[-/]\d{1,4})?[A-Za-z]?(?:\/\d{1,4})?\.?$/u
export const ORDINAL = /^\d{1,3}(?:st|nd|rd|th)$/iu
/** The floor and the door: `3º B`, `2º izq.`, `3.º Esq.` */
export const FLOOR = /^\d{1,2}\.?[ºª°oa]$/u
export const DOOR = /^(?:[A-Z]|izq|izda|dcha|dta|cto|esq|dto|der|int)$/iu
/** `C/ Mayor`, short for `calle`. */
export const CALLE = /^c\/$/iu
export const CAPITAL = /^[\p{Lu}][\p{L}.'’-]{0,30}$/u
/** Postal codes of one word; those of two (`SW1A 1AA`, `1017 AB`, `K1A 0B1`) by their halves. */
const POSTCODE = /^(?:[A-Z]{1,2}-)?\d{4,6}(?:-\d{3,4})?$|^\d{2}-\d{3}$/u
const HALVES = /^(?:[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|\d{4} [A-Z]{2}|[A-Z]\d[A-Z] \d[A-Z]\d|\d{3} \d{2})$/u

const WORDS = /[^\s,]+/gu
/** A bracket or a quote before the first letter or digit. */
const OPENED = /^[("'][\p{L}\d]/u

export interface Word {
  readonly text: string
  readonly plain: string
  readonly start: number
  readonly end: number
  /** A comma or a line end stands behind it. */
  readonly breaks: boolean
}

export function wordsOf(text: string): readonly Word[] {
  const found: Word[] = []
  for (const { 0: raw, index } of everyMatch(WORDS, text)) {
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

export const isName = ({ text, plain }: Word): boolean => CAPITAL.test(text) || ORDINAL.test(text) || CONNECTORS.has(plain)

/** @returns how many words the postal code at `i` has; 0 if there is none. */
export function isPostcode(all: readonly Word[], i: number): number {
  const first = all[i]!.text.replace(/\.$/u, '')
  if (all[i + 1] && HALVES.test(`${first} ${all[i + 1]!.text.replace(/\.$/u, '')}`)) return 2
  return POSTCODE.test(first) ? 1 : 0
}
