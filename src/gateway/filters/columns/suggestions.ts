import { type ColumnScan, SENSITIVITIES, type Sensitivity, type SpecialCategory } from '#foundation/core'
import { presetEntities } from '../presets.ts'
import type { ColumnMeaning } from './column-words.ts'

/** What names or reaches a person, and is on many lists. */
const CONTACTS: ReadonlySet<string> = new Set([
  'PERSON',
  'DATE_OF_BIRTH',
  'EMAIL_ADDRESS',
  'PHONE_NUMBER',
  'ADDRESS',
  'IP_ADDRESS',
  'MAC_ADDRESS',
  'CRYPTO',
])
/** What says something of a person only together with other things. */
const WEAK = /^(?:DATE_TIME|AGE|URL)$|(?:POSTCODE|ZIP_CODE|POSTAL_CODE|_PLZ)$/u
/** From these shares of the values on: one random number in some dozens passes a check digit, and hardly any is a secret. */
const SHARE = { secret: 0.001, contact: 0.01, card: 0.05, number: 0.2 } as const

/** The least sensitivity that what was found in a column calls for; `public` where nothing was. */
export function sensitivityOf(entities: ColumnScan['entities'], categories: readonly SpecialCategory[]): Sensitivity {
  if (categories.length > 0) return 'restricted'
  let least: Sensitivity = 'public'
  for (const { entity, share } of entities) {
    if (presetEntities('secrets').has(entity)) {
      if (share >= SHARE.secret) return 'restricted'
    } else if (presetEntities('pci').has(entity)) {
      if (share >= SHARE.card) return 'restricted'
    } else if (CONTACTS.has(entity)) {
      if (share >= SHARE.contact) least = 'confidential'
    } else if (!WEAK.test(entity) && presetEntities('gdpr').has(entity) && share >= SHARE.number) return 'restricted'
  }
  return least
}

export function strictest(all: readonly Sensitivity[]): Sensitivity {
  return SENSITIVITIES[Math.max(0, ...all.map((one) => SENSITIVITIES.indexOf(one)))]!
}

/** Share of the values that must be of one kind for the column to name people by it. */
const NAMING_SHARE = 0.8
/** Distinct values a row, above which a column may name each row's person. */
const NAMING_DISTINCT = 0.5
const LEAST_POINTS = 3

export interface SubjectFacts {
  readonly name: string
  readonly meaning: ColumnMeaning
  readonly entities: ColumnScan['entities']
  /** Of the values that are there: distinct ones, and how many there are, each as a share of the rows. */
  readonly distinct: number
  readonly present: number
}

/** The column that most likely says whom each row is about; null where none does. */
export function suggestedSubject(columns: readonly SubjectFacts[]): string | null {
  let best: string | null = null
  let most = LEAST_POINTS - 1
  for (const { name, meaning, entities, distinct, present } of columns) {
    if (present < NAMING_SHARE) continue
    const named = entities.some(
      ({ entity, share }) =>
        share >= NAMING_SHARE && !WEAK.test(entity) && entity !== 'DATE_OF_BIRTH' && presetEntities('gdpr').has(entity),
    )
    const points =
      (meaning.isSubject ? 2 : 0) +
      (meaning.isIdentifier ? 1 : 0) +
      (named ? 2 : 0) +
      (meaning.entities.includes('PERSON') ? 1 : 0) +
      (distinct >= NAMING_DISTINCT ? 1 : 0)
    // Of a kind of person alone, `customer_type`, there are few.
    if (points <= most || (distinct < NAMING_DISTINCT && !meaning.isIdentifier && !named)) continue
    best = name
    most = points
  }
  return best
}
