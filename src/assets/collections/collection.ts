import { type EntityUid, LEGAL_BASES, type LegalBasis, RedoubtError, SENSITIVITIES, type Sensitivity } from '#foundation/core'
import type { ColumnType } from '#assets/datasets'

/** A column of rows that are collected. */
export interface CollectedColumn {
  readonly name: string
  readonly type: ColumnType
  /** A row need not have a value here. */
  readonly nullable: boolean
}

/** What is said of a collection when it is made; none of it but the collectors changes. */
export interface CollectionOptions {
  /** Of the data set that its versions will be of: lower case letters, digits, `.`, `_`, `-`. */
  readonly name: string
  readonly columns: readonly CollectedColumn[]
  /** Column that a model shall predict. */
  readonly label?: string | undefined
  /** Column of text that names the person each row is about. */
  readonly subject?: string | undefined
  readonly sensitivity: Sensitivity
  readonly purposes: readonly string[]
  readonly legalBasis: LegalBasis
  /** Service accounts that it is granted to; policies decide what that lets them do. */
  readonly collectors: readonly string[]
  /** Hours after which what was collected becomes a version by itself; null for when somebody asks. */
  readonly cutHours: number | null
}

export interface Collection extends CollectionOptions {
  readonly id: string
  readonly label: string | undefined
  readonly subject: string | undefined
  readonly state: 'open' | 'closed'
  readonly createdAt: number
  /** When rows last became a version, or it was made. */
  readonly cutAt: number
  /** The last version that was made of it; its rows are in the next one too. Null before the first. */
  readonly version: number | null
}

export interface CreateCollection extends CollectionOptions {
  readonly by: EntityUid
  readonly requestId?: string
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/
const PURPOSE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
const MAX_PURPOSES = 32
const MAX_COLUMNS = 512
const MAX_COLUMN_NAME = 200
const MAX_COLLECTORS = 256
/** A year. */
export const MAX_CUT_HOURS = 8_784

/** @throws {RedoubtError} `ERR_INPUT_INVALID`, `ERR_DATA_COLUMN`. */
export function checkCollection(options: CollectionOptions): void {
  const refuse = (message: string): never => {
    throw new RedoubtError('ERR_INPUT_INVALID', message)
  }
  const { name, columns, purposes, collectors, cutHours } = options
  if (!NAME.test(name)) refuse('the name of a collection is made of lower case letters, digits and `.`, `_`, `-`, 63 at most')
  if (!SENSITIVITIES.includes(options.sensitivity)) refuse(`the sensitivity is one of ${SENSITIVITIES.join(', ')}`)
  if (!LEGAL_BASES.includes(options.legalBasis)) refuse(`the legal basis is one of ${LEGAL_BASES.join(', ')}`)
  if (purposes.length === 0 || purposes.length > MAX_PURPOSES || !purposes.every((purpose) => PURPOSE.test(purpose)))
    refuse(`a collection has 1 to ${MAX_PURPOSES} purposes, made of letters, digits and \`.\`, \`_\`, \`-\``)
  if (cutHours !== null && !(Number.isInteger(cutHours) && cutHours >= 1 && cutHours <= MAX_CUT_HOURS))
    refuse(`rows become a version every 1 to ${MAX_CUT_HOURS} hours`)
  checkCollectors(collectors)
  checkColumns(columns, options)
}

/** @throws {RedoubtError} `ERR_INPUT_INVALID`. */
export function checkCollectors(collectors: readonly string[]): void {
  if (collectors.length > MAX_COLLECTORS || new Set(collectors).size !== collectors.length)
    throw new RedoubtError('ERR_INPUT_INVALID', `a collection is granted to ${MAX_COLLECTORS} accounts at most, each named once`)
}

function checkColumns(columns: readonly CollectedColumn[], { label, subject }: CollectionOptions): void {
  const refuse = (message: string, column: string): never => {
    throw new RedoubtError('ERR_DATA_COLUMN', message, { evidence: { column } })
  }
  if (columns.length === 0 || columns.length > MAX_COLUMNS)
    throw new RedoubtError('ERR_INPUT_INVALID', `a collection has 1 to ${MAX_COLUMNS} columns`)
  const byName = new Map<string, CollectedColumn>()
  for (const [i, column] of columns.entries()) {
    const { name } = column
    if (name.trim() === '' || name.length > MAX_COLUMN_NAME || !name.isWellFormed() || name === '__proto__')
      refuse(`column ${i + 1} has no name, or one that cannot be used`, String(i + 1))
    if (byName.has(name)) refuse(`the column \`${name}\` is there twice`, name)
    byName.set(name, column)
  }
  for (const name of [label, subject]) if (name !== undefined && !byName.has(name)) refuse(`there is no column \`${name}\``, name)
  if (label !== undefined && label === subject) refuse('label and subject are the same column', label)
  if (label !== undefined && byName.get(label)?.nullable) refuse('every row has a label: its column may not be left out', label)
  // A subject is a name: 007 and 7 are two people.
  if (subject !== undefined && byName.get(subject)?.type !== 'text') refuse('the subject is a column of text', subject)
}
