import { ADJACENT, Lexicon } from '../contexts.ts'
import { type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { AFRICA_MIDDLE_EAST } from './africa-middle-east.ts'
import { ASIA_PACIFIC } from './asia-pacific.ts'
import { DOCUMENTS, DOCUMENTS_LABELLED } from './documents.ts'
import { EASTERN_EUROPE } from './eastern-europe.ts'
import { FINANCE, FINANCE_LABELLED } from './finance.ts'
import { findIdentifiers, indexIdentifiers, isLabel } from './find-identifiers.ts'
import { HEALTH, HEALTH_LABELLED } from './health.ts'
import { always, type Identifier, type Labelled, phrases } from './identifier.ts'
import { LATIN_AMERICA } from './latin-america.ts'
import { NORTH_AMERICA } from './north-america.ts'
import { NORTHERN_EUROPE } from './northern-europe.ts'
import { SOUTHERN_EUROPE } from './southern-europe.ts'
import { WESTERN_EUROPE } from './western-europe.ts'

/** Every table. The order decides between values that are equal in score and length. */
export const IDENTIFIERS: readonly Identifier[] = [
  ...FINANCE,
  ...HEALTH,
  ...NORTH_AMERICA,
  ...WESTERN_EUROPE,
  ...NORTHERN_EUROPE,
  ...SOUTHERN_EUROPE,
  ...EASTERN_EUROPE,
  ...LATIN_AMERICA,
  ...ASIA_PACIFIC,
  ...AFRICA_MIDDLE_EAST,
  ...DOCUMENTS,
]
const LABELLED: readonly Labelled[] = [...HEALTH_LABELLED, ...FINANCE_LABELLED, ...DOCUMENTS_LABELLED]

/** What other recognisers find: behind their words a number of the tables is less often one. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  US_SSN: phrases('ssn, social security, social security number'),
  CREDIT_CARD: phrases(
    'credit card, card number, debit card, card no, kreditkarte, kartennummer, carte bancaire, tarjeta, carta di credito',
  ),
  IBAN_CODE: phrases('iban'),
}
/** Telephones, and what is announced by the words that announce these: `my number`. */
const PHONES: ReadonlySet<string> = new Set(['PH_MOBILE', 'TR_PHONE', 'JP_MY_NUMBER'])

const lexicon = new Lexicon()
for (const [entity, words] of Object.entries(ELSEWHERE)) lexicon.add(entity, words)
const index = indexIdentifiers(IDENTIFIERS, LABELLED, lexicon)
const [first, ...others] = new Set([...IDENTIFIERS, ...LABELLED].map(({ entity }) => entity))

/** One recogniser for all tables: the segment is parted once, and each candidate looked up by how it is written. */
export const identifierTable: Recogniser = {
  entities: [first!, ...others],
  needs: TRAIT.digit | TRAIT.capitals,
  find: (segment) => findIdentifiers(segment, index),
}

/** Kinds whose check digits would have told. */
const CHECKED: ReadonlySet<string> = new Set([
  ...IDENTIFIERS.filter(({ entity, forms, valid }) => forms.length > 0 && valid !== always && !PHONES.has(entity)).map(
    ({ entity }) => entity,
  ),
  ...Object.keys(ELSEWHERE),
])

/**
 * Whether the words directly before `start` announce a number with check digits that is not `entity`, and nothing that has none: what stands
 * there is more likely that number with a slip in it. `Account 030 1234567` may be anything.
 */
export function isAnnouncedAsOther(segment: Segment, start: number, entity: string): boolean {
  const contexts = lexicon.before(segment, start)
  let isOther = false
  for (const [name, distance] of contexts) {
    if (distance !== ADJACENT) continue
    if (name === entity || isLabel(name)) return false
    if (CHECKED.has(name)) isOther = true
  }
  return isOther
}
