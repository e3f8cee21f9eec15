import { createHash } from 'node:crypto'
import { allFakers } from '@faker-js/faker'
import type { Random } from '../../src/gateway/filters/text/random.ts'
import type { Language } from './templates.ts'

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

const strings = (value: unknown): readonly string[] =>
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

const BRAND_STARTS = (
  'Nor Vel Tech Byte Rose Blue Green Sun Star Inter Trans Omni Ever Bright True Nova Alpha Delta Core Cloud Data Medi Bio Aqua Terra Silver Red Iron Stone River Oak Summit North ' +
  'Quant Zen Lumi Vita Pharma Auto Logi Fin Pay Swift Hyper Meta Cyber Opti Prime Global United First Royal Atlas Apex Crest Harbor Pine Maple'
).split(' ')
const BRAND_ENDS =
  'mont ara ix ora ium tec soft core depot wave link works lab net sys bank pay med gen form ley ton field bridge stone grid ware hub point path line cast flow ridge via nex tron ova'.split(
    ' ',
  )
const BRAND_WORDS = (
  'Analytics Systems Labs Capital Logistics Consulting Pharma Insurance Holdings Partners Technologies Networks Group Industries Solutions Media Energy Health Foods Airlines Motors ' +
  'Software Security Robotics Biotech Ventures Trust Electronics Financial Services Construction Shipping Retail Textiles Hotels Telecom'
).split(' ')

/** Words that stand around names in forms and notes and are none. */
const DIAGNOSES: Readonly<Record<Language, readonly string[]>> = {
  en: [
    'pneumonia',
    'Type 2 diabetes',
    'Parkinson disease',
    'hypertension',
    'acute appendicitis',
    'Crohn disease',
    'migraine',
    'Hodgkin lymphoma',
    'COPD',
    'a hip fracture',
  ],
  de: [
    'Lungenentzündung',
    'Diabetes mellitus Typ 2',
    'Bluthochdruck',
    'Morbus Parkinson',
    'Blinddarmentzündung',
    'Migräne',
    'COPD',
    'Hüftfraktur',
  ],
  fr: ['une pneumonie', 'un diabète de type 2', 'une hypertension', 'une maladie de Crohn', 'une appendicite', 'une migraine', 'une BPCO'],
  es: ['neumonía', 'diabetes tipo 2', 'hipertensión', 'enfermedad de Parkinson', 'apendicitis', 'migraña', 'EPOC'],
  it: ['polmonite', 'diabete di tipo 2', 'ipertensione', 'morbo di Parkinson', 'appendicite', 'emicrania', 'BPCO'],
  nl: ['longontsteking', 'diabetes type 2', 'hoge bloeddruk', 'ziekte van Parkinson', 'blindedarmontsteking', 'migraine', 'COPD'],
}
const ACRONYMS =
  'SSN CSV PDF VPN API MRN IBAN PIN IT HR ID DOB URL GDPR HTTP SQL JSON TAN OTP VAT TIN CVV SIM LDAP DNS CRM ERP XML PII PHI EHR ICU CT MRI ECG BMI'.split(
    ' ',
  )
/** German writes every noun with a capital, and makes new ones by joining: these are heads and tails of such words. */
const NOUN_HEADS = (
  'Versicherungs Kunden Arbeits Rechnungs Kranken Daten Bank Auto Haus Reise Schul Sport Stadt Wohnungs Verkehrs Sicherheits Gesundheits Umwelt Energie Handels ' +
  'Steuer Fahrzeug Lebens Wetter Computer Telefon Bau Garten Küchen Winter'
).split(' ')
const NOUN_TAILS = (
  'vertrag nummer zeit konto wagen plan bericht schutz stelle dienst preis karte frage antrag liste regel kosten anlage messung verwaltung gebühr ordnung betrieb leistung ' +
  'prüfung werkstatt verein'
).split(' ')
const NOUNS = (
  'Vertrag Rechnung Bericht Ordner Zahl Antrag Januar Ministerium Grund Gesetz Frage Antwort Hund Katze Tisch Stuhl Buch Schule Kind Kinder Mutter Vater Arbeit Arzt Ärztin ' +
  'Chef Kollege Firma Geld Bank Konto Karte Zug Bahnhof Flug Urlaub Sommer Winter Abend Morgen Woche Stunde Problem Lösung Fehler Programm Datei Rechner Handy Wohnung Miete ' +
  'Vermieter Garten Auto Fahrrad Straße Brücke Wasser Feuer Schmerzen Fieber Husten Operation Untersuchung Behandlung Medikament Klinik Patient Versicherung Schaden Unfall ' +
  'Polizei Gericht Anwalt Urteil Regierung Wahl Partei Steuer Freiheit Liebe Angst Freude Musik Film Rezept Suppe Kuchen Kaffee Brot Wein Ausbildung Studium Prüfung Zeugnis'
).split(' ')
const DRUGS = [
  'Metformin',
  'Ibuprofen',
  'Amoxicillin',
  'Lisinopril',
  'Paracetamol',
  'Aspirin',
  'Insulin',
  'Ramipril',
  'Xarelto',
  'Pfizer vaccine',
  'Atorvastatin',
  'Omeprazole',
]
const TITLES: Readonly<Record<Language, readonly string[]>> = {
  en: ['Mr.', 'Mrs.', 'Ms.', 'Dr.', 'Mr', 'Mrs', 'Prof.'],
  de: ['Herr', 'Frau', 'Dr.', 'Prof. Dr.'],
  fr: ['M.', 'Mme', 'Dr'],
  es: ['Sr.', 'Sra.', 'Dr.', 'Dra.', 'don', 'doña'],
  it: ['sig.', 'sig.ra', 'dott.', 'Avv.'],
  nl: ['dhr.', 'mevr.', 'dr.'],
}
const DAYS: Readonly<Record<Language, readonly string[]>> = {
  en: ['Monday', 'Tuesday', 'Friday', 'Sunday', 'tomorrow', 'next week'],
  de: ['Montag', 'Dienstag', 'Freitag', 'Sonntag'],
  fr: ['lundi', 'mardi', 'vendredi', 'dimanche'],
  es: ['lunes', 'martes', 'viernes', 'domingo'],
  it: ['lunedì', 'martedì', 'venerdì', 'domenica'],
  nl: ['maandag', 'dinsdag', 'vrijdag', 'zondag'],
}
const MONTHS: Readonly<Record<Language, readonly string[]>> = {
  en: ['January', 'March', 'May', 'April', 'August', 'October'],
  de: ['Januar', 'März', 'Mai', 'August', 'Oktober'],
  fr: ['janvier', 'mars', 'mai', 'août', 'octobre'],
  es: ['enero', 'marzo', 'mayo', 'agosto', 'octubre'],
  it: ['gennaio', 'marzo', 'maggio', 'agosto', 'ottobre'],
  nl: ['januari', 'maart', 'mei', 'augustus', 'oktober'],
}
const HOSPITALS: Readonly<Record<Language, readonly string[]>> = {
  en: [
    '{CITY} General Hospital',
    'St. {FIRST} Hospital',
    'Memorial Hospital',
    '{LAST} Medical Center',
    '{CITY} Clinic',
    'Mercy Hospital',
    '{CITY} University Hospital',
  ],
  de: ['Universitätsklinikum {CITY}', 'Klinikum {CITY}', 'St.-{FIRST}-Krankenhaus', 'Krankenhaus {CITY}'],
  fr: ['Hôpital {LAST}', 'CHU de {CITY}', 'Clinique Saint-{FIRST}', 'Centre hospitalier de {CITY}'],
  es: ['Hospital General de {CITY}', 'Hospital San {FIRST}', 'Clínica {LAST}'],
  it: ['Ospedale San {FIRST}', 'Ospedale di {CITY}', 'Policlinico di {CITY}', 'Clinica {LAST}'],
  nl: ['{CITY} Ziekenhuis', 'Sint {FIRST} Ziekenhuis', 'Medisch Centrum {CITY}'],
}
const BANKS: Readonly<Record<Language, readonly string[]>> = {
  en: ['Bank of {CITY}', '{LAST} National Bank', 'First {CITY} Bank', '{BRAND} Bank', '{LAST} & {LAST} Trust'],
  de: ['Sparkasse {CITY}', 'Volksbank {CITY}', '{BRAND} Bank AG', 'Bankhaus {LAST}'],
  fr: ['Banque {LAST}', 'Crédit {BRAND}', 'Caisse de {CITY}', 'Banque de {CITY}'],
  es: ['Banco {BRAND}', 'Banco de {CITY}', 'Caja {CITY}'],
  it: ['Banca {BRAND}', 'Banca di {CITY}', 'Cassa di Risparmio di {CITY}'],
  nl: ['{BRAND} Bank', 'Bank {LAST}', 'Spaarbank {CITY}'],
}
const UNIVERSITIES: Readonly<Record<Language, readonly string[]>> = {
  en: ['University of {CITY}', '{CITY} University', '{LAST} College'],
  de: ['Universität {CITY}', 'Hochschule {CITY}'],
  fr: ['Université de {CITY}', 'École {LAST}'],
  es: ['Universidad de {CITY}', 'Universidad {LAST}'],
  it: ['Università di {CITY}', 'Politecnico di {CITY}'],
  nl: ['Universiteit {CITY}', 'Hogeschool {CITY}'],
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

  #mail(): string {
    const random = this.#random
    const plain = (text: string): string => text.normalize('NFD').replaceAll(/[^A-Za-z]/gu, '')
    const local = [plain(this.#from('first')), plain(this.#from('last'))].join(random.pick(['.', '_', '', '-']))
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
