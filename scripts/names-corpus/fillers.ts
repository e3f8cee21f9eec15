import { createHash } from 'node:crypto'
import { allFakers } from '@faker-js/faker'
import type { Random } from '../../src/gateway/filters/text/random.ts'
import type { Language } from './templates.ts'
import {
  BRAND_STARTS,
  BRAND_ENDS,
  BRAND_WORDS,
  DIAGNOSES,
  ACRONYMS,
  KEYS,
  NOUN_HEADS,
  NOUN_TAILS,
  NOUNS,
  DRUGS,
  TITLES,
  DAYS,
  MONTHS,
  HOSPITALS,
  BANKS,
  UNIVERSITIES,
} from './words.ts'

export const SPLITS = ['train', 'dev', 'test'] as const
export type Split = (typeof SPLITS)[number]

/** Seven names of ten are learned, one is for the cuts, two are measured with: by the name itself, so that no split sees another's. */
function splitOf(name: string): Split {
  const bucket = createHash('sha256').update(name.toLowerCase()).digest()[0]! % 10
  return bucket < 7 ? 'train' : bucket < 8 ? 'dev' : 'test'
}

interface Pools {
  readonly first: readonly string[]
  readonly last: readonly string[]
  readonly city: readonly string[]
  readonly country: readonly string[]
  readonly street: readonly string[]
  readonly suffix: readonly string[]
}

/** Where names in any language's text come from beside its own: people move. */
const FOREIGN = [
  'en',
  'de',
  'fr',
  'es',
  'it',
  'nl',
  'en_IN',
  'tr',
  'pl',
  'sv',
  'hr',
  'ro',
  'vi',
  'id_ID',
  'en_NG',
  'da',
  'cs_CZ',
  'fi',
] as const
const OWN_NAMES = 0.65

type Locale = keyof typeof allFakers

export const strings = (value: unknown): readonly string[] =>
  Array.isArray(value)
    ? value.filter((item) => typeof item === 'string')
    : value !== null && typeof value === 'object'
      ? Object.values(value).flatMap(strings)
      : []

function poolsOf(locale: Locale, split: Split): Pools {
  const { person, location, company } = allFakers[locale].rawDefinitions
  const mine = (values: readonly string[]): readonly string[] =>
    values.filter((value) => !/[\d{}#]/u.test(value) && splitOf(value) === split)
  const first = mine(strings(person?.first_name))
  const last = mine(strings(person?.last_name))
  const city = mine(strings(location?.city_name))
  const country = mine(strings(location?.country))
  const street = mine(strings(location?.street_name))
  return { first, last, city, country, street, suffix: strings(company?.['legal_entity_type']) }
}

export interface Filled {
  readonly text: string
  /** Null for what is no name. */
  readonly type: 'PERSON' | 'LOCATION' | 'ORGANISATION' | null
}

/** Fills the places of templates with names that only its split uses. */
export class Fillers {
  readonly #language: Language
  readonly #random: Random
  readonly #own: Pools
  readonly #foreign: readonly Pools[]

  constructor(language: Language, split: Split, random: Random) {
    this.#language = language
    this.#random = random
    this.#own = poolsOf(language, split)
    this.#foreign = FOREIGN.map((locale) => poolsOf(locale, split))
  }

  fill(place: string): Filled {
    const random = this.#random
    const language = this.#language
    const digits = (count: number): string => Array.from({ length: count }, () => random.below(10)).join('')
    switch (place) {
      case 'PER':
        return { text: this.#person(), type: 'PERSON' }
      case 'FIRST':
        return { text: this.#from('first'), type: 'PERSON' }
      case 'LAST':
        return { text: this.#from('last'), type: 'PERSON' }
      case 'CITY':
        return { text: this.#from('city'), type: 'LOCATION' }
      case 'COUNTRY':
        return { text: random.pick(this.#own.country), type: 'LOCATION' }
      case 'STREET':
        return { text: this.#street(), type: 'LOCATION' }
      case 'ORG':
        return { text: this.#organisation(), type: 'ORGANISATION' }
      case 'HOSPITAL':
        return { text: this.#composed(HOSPITALS[language]), type: 'ORGANISATION' }
      case 'BANK':
        return { text: this.#composed(BANKS[language]), type: 'ORGANISATION' }
      case 'UNIVERSITY':
        return { text: this.#composed(UNIVERSITIES[language]), type: 'ORGANISATION' }
      case 'TITLE':
        return { text: random.pick(TITLES[language]), type: null }
      case 'DIAGNOSIS':
        return { text: random.pick(DIAGNOSES[language]), type: null }
      case 'DRUG':
        return { text: random.pick(DRUGS), type: null }
      case 'ACRONYM':
        return { text: random.pick(ACRONYMS), type: null }
      case 'NOUN':
        return { text: random.next() < 0.5 ? random.pick(NOUNS) : `${random.pick(NOUN_HEADS)}${random.pick(NOUN_TAILS)}`, type: null }
      case 'KEY':
        return { text: random.pick(KEYS), type: null }
      case 'LOGIN':
        return { text: this.#login(random.pick(['.', '.', '.', '_', '-'])), type: 'PERSON' }
      case 'DOSE':
        return { text: `${random.pick([5, 10, 20, 50, 100, 500])} mg`, type: null }
      case 'DAY':
        return { text: random.pick(DAYS[language]), type: null }
      case 'MONTH':
        return { text: random.pick(MONTHS[language]), type: null }
      case 'DATE': {
        const month = random.pick(MONTHS[language])
        const year = 1940 + random.below(87)
        const day = 1 + random.below(28)
        return {
          text: random.pick([
            `${day} ${month} ${year}`,
            `${day}.${1 + random.below(12)}.${year}`,
            `${year}-0${1 + random.below(9)}-${10 + random.below(18)}`,
          ]),
          type: null,
        }
      }
      case 'YEAR':
        return { text: String(1900 + random.below(127)), type: null }
      case 'TIME':
        return { text: `${random.below(24)}:${10 + random.below(50)}`, type: null }
      case 'AMOUNT':
        return {
          text: random.pick([
            `$${digits(3)}.${digits(2)}`,
            `${1 + random.below(9)},${digits(3)} EUR`,
            `€ ${digits(4)}`,
            `USD ${digits(5)}`,
            `£${digits(3)}`,
          ]),
          type: null,
        }
      case 'SMALL':
        return { text: String(12 + random.below(80)), type: null }
      case 'NUMBER':
        return { text: `${1 + random.below(9)},${digits(3)}`, type: null }
      case 'ID':
        return { text: random.pick([digits(8), `AB-${digits(6)}`, `#${digits(5)}-LK`, `XG${digits(7)}`, `INV${digits(4)}`]), type: null }
      case 'PHONE':
        return {
          text: random.pick([`+${10 + random.below(80)} ${digits(3)} ${digits(7)}`, `(${digits(3)}) ${digits(3)}-${digits(4)}`]),
          type: null,
        }
      case 'MAIL':
        return { text: this.#mail(), type: null }
      default:
        throw new Error(`no filler for \`${place}\``)
    }
  }

  #from(what: 'first' | 'last' | 'city'): string {
    const random = this.#random
    for (;;) {
      const pools = random.next() < OWN_NAMES ? this.#own : random.pick(this.#foreign)
      if (pools[what].length > 0) return random.pick(pools[what])
    }
  }

  #person(): string {
    const random = this.#random
    const first = this.#from('first')
    const last = this.#from('last')
    const initial = `${this.#from('first').charAt(0)}.`
    const roll = random.next()
    if (roll < 0.6) return `${first} ${last}`
    if (roll < 0.68) return `${first} ${initial} ${last}`
    if (roll < 0.74) return `${initial} ${last}`
    if (roll < 0.79) return `${last}, ${first}`
    if (roll < 0.84) return `${first} ${last}-${this.#from('last')}`
    if (roll < 0.9) return `${first} ${this.#from('first')} ${last}`
    if (roll < 0.93) return `${first} ${last.toUpperCase()}`
    return `${random.pick(TITLES[this.#language])} ${first} ${last}`
  }

  /** First and last name as accounts are called, in the letters of ASCII. */
  #joined(sign: string): string {
    const plain = (text: string): string => text.normalize('NFD').replaceAll(/[^A-Za-z]/gu, '')
    return [plain(this.#from('first')), plain(this.#from('last'))].join(sign)
  }

  #login(sign: string): string {
    for (;;) {
      const login = this.#joined(sign).toLowerCase()
      // Names in other scripts leave nothing.
      if (!login.startsWith(sign) && !login.endsWith(sign)) return login
    }
  }

  #mail(): string {
    const random = this.#random
    const local = this.#joined(random.pick(['.', '_', '', '-']))
    const domain = `${this.#brand().toLowerCase()}.${random.pick(['com', 'org', 'net', 'io', 'de', 'example', 'co.uk'])}`
    return `${random.next() < 0.8 ? local.toLowerCase() : local}${random.next() < 0.2 ? String(random.below(100)) : ''}@${domain}`
  }

  #street(): string {
    const random = this.#random
    const number = 1 + random.below(299)
    const own = this.#own.street.length > 0
    switch (this.#language) {
      case 'de':
        return `${own ? random.pick(this.#own.street) : `${this.#from('last')}straße`} ${number}`
      case 'fr':
        return `${number} ${random.pick(['rue', 'avenue', 'boulevard', 'place'])} ${random.pick(['de', 'du', 'des'])} ${this.#from('last')}`
      case 'es':
        return `${random.pick(['Calle', 'Avenida', 'Plaza'])} ${this.#from('last')} ${number}`
      case 'it':
        return `${random.pick(['Via', 'Piazza', 'Corso', 'Viale'])} ${this.#from('last')} ${number}`
      case 'nl':
        return `${this.#from('last')}${random.pick(['straat', 'laan', 'weg', 'plein'])} ${number}`
      default:
        return `${number} ${own && random.next() < 0.5 ? random.pick(this.#own.street) : `${this.#from('last')} ${random.pick(['Street', 'Road', 'Avenue', 'Lane', 'St', 'Drive'])}`}`
    }
  }

  #brand(): string {
    const random = this.#random
    const start = random.pick(BRAND_STARTS)
    const end = random.pick(BRAND_ENDS)
    return random.next() < 0.2 ? `${start}${end.charAt(0).toUpperCase()}${end.slice(1)}` : `${start}${end}`
  }

  #organisation(): string {
    const random = this.#random
    const legal = this.#own.suffix.length > 0 ? random.pick(this.#own.suffix) : 'Ltd'
    const roll = random.next()
    if (roll < 0.25) return `${this.#brand()} ${random.pick(BRAND_WORDS)}`
    if (roll < 0.4) return this.#brand()
    if (roll < 0.55) return `${this.#brand()} ${legal}`
    if (roll < 0.67) return `${this.#from('last')} ${legal}`
    if (roll < 0.74) return `${this.#from('last')} & ${this.#from('last')}`
    if (roll < 0.8) return `${this.#from('last')} ${random.pick(BRAND_WORDS)}`
    if (roll < 0.86) return `${this.#from('city')} ${random.pick(BRAND_WORDS)}`
    if (roll < 0.9) return this.#composed(BANKS[this.#language])
    if (roll < 0.94) return this.#composed(HOSPITALS[this.#language])
    if (roll < 0.97) return this.#composed(UNIVERSITIES[this.#language])
    return Array.from({ length: 2 + random.below(3) }, () => String.fromCharCode(65 + random.below(26))).join('')
  }

  #composed(patterns: readonly string[]): string {
    return this.#random.pick(patterns).replaceAll(/\{(?<place>[A-Z]+)\}/gu, (_, place: string) => {
      if (place === 'BRAND') return this.#brand()
      return this.#from(place === 'CITY' ? 'city' : place === 'FIRST' ? 'first' : 'last')
    })
  }
}
