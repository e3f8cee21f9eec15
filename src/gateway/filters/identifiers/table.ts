import { Lexicon } from '../contexts.ts'
import { type Recogniser, TRAIT } from '../recogniser.ts'
import { AFRICA_MIDDLE_EAST } from './africa-middle-east.ts'
import { ASIA_PACIFIC } from './asia-pacific.ts'
import { DOCUMENTS, DOCUMENTS_LABELLED } from './documents.ts'
import { EASTERN_EUROPE } from './eastern-europe.ts'
import { FINANCE, FINANCE_LABELLED } from './finance.ts'
import { findIdentifiers, indexIdentifiers } from './find-identifiers.ts'
import { HEALTH, HEALTH_LABELLED } from './health.ts'
import type { Identifier, Labelled } from './identifier.ts'
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

const lexicon = new Lexicon()
const index = indexIdentifiers(IDENTIFIERS, LABELLED, lexicon)
const [first, ...others] = new Set([...IDENTIFIERS, ...LABELLED].map(({ entity }) => entity))

/** One recogniser for all tables: the segment is parted once, and each candidate looked up by how it is written. */
export const identifierTable: Recogniser = {
  entities: [first!, ...others],
  needs: TRAIT.digit | TRAIT.capitals,
  find: (segment) => findIdentifiers(segment, index),
}
