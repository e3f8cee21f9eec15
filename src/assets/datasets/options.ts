import { type EntityUid, LEGAL_BASES, type LegalBasis, RedoubtError, SENSITIVITIES, type Sensitivity } from '#foundation/core'

export interface ImportOptions {
  /** Letters, digits, `.`, `_`, `-`; a name that exists gets its next version. */
  readonly name: string
  /** Column that a model shall predict. Must be present and complete. */
  readonly label?: string
  readonly sensitivity: Sensitivity
  /** What the data were collected for. */
  readonly purposes: readonly string[]
  readonly legalBasis: LegalBasis
  /** Column that names the person each row is about; never a feature. */
  readonly subject?: string
  /** Columns that are text although they look like numbers. */
  readonly textColumns?: readonly string[]
  /** Refuses the file when what is found in it calls for more than `sensitivity`; otherwise that is told and recorded. */
  readonly strict?: boolean
  readonly by: EntityUid
  readonly requestId?: string
  /** Called now and then with the rows and bytes read so far. */
  readonly progress?: (rows: number, bytes: number) => void
  readonly signal?: AbortSignal
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
const MAX_PURPOSES = 32

/** @throws {RedoubtError} `ERR_INPUT_INVALID`. */
export function checkOptions(options: ImportOptions): void {
  const { name, purposes, sensitivity, legalBasis } = options
  if (!NAME.test(name))
    throw new RedoubtError('ERR_INPUT_INVALID', 'the name of a data set is made of letters, digits and `.`, `_`, `-`, 63 at most')
  if (!SENSITIVITIES.includes(sensitivity))
    throw new RedoubtError('ERR_INPUT_INVALID', `the sensitivity is one of ${SENSITIVITIES.join(', ')}`)
  if (!LEGAL_BASES.includes(legalBasis)) throw new RedoubtError('ERR_INPUT_INVALID', `the legal basis is one of ${LEGAL_BASES.join(', ')}`)
  if (purposes.length === 0 || purposes.length > MAX_PURPOSES || !purposes.every((purpose) => NAME.test(purpose)))
    throw new RedoubtError(
      'ERR_INPUT_INVALID',
      `a data set has 1 to ${MAX_PURPOSES} purposes, made of letters, digits and \`.\`, \`_\`, \`-\``,
    )
  if (options.label !== undefined && options.label === options.subject)
    throw new RedoubtError('ERR_DATA_COLUMN', 'label and subject are the same column', { evidence: { column: options.label } })
}

const MAX_NAME_LENGTH = 200
/** What spreadsheets write in place of commas in some countries. A table of one such column would be taken for text, and nobody would be found in it. */
const OTHER_SEPARATORS = /[;\t|]/

/** @throws {RedoubtError} `ERR_DATA_COLUMN` for an empty, doubled or missing column. */
export function checkHeader(names: readonly string[], options: Pick<ImportOptions, 'label' | 'subject' | 'textColumns'>): void {
  const refuse = (message: string, column: string): never => {
    throw new RedoubtError('ERR_DATA_COLUMN', message, { evidence: { line: 1, column } })
  }
  const [only = ''] = names
  const separator = names.length === 1 ? OTHER_SEPARATORS.exec(only)?.[0] : undefined
  if (separator !== undefined)
    refuse(`the header is one column with ${separator === '\t' ? 'tabs' : `\`${separator}\``} in it: separate the fields by commas`, only)
  const seen = new Set<string>()
  names.forEach((name, i) => {
    if (name.trim() === '') refuse(`column ${i + 1} has no name`, String(i + 1))
    if (name.length > MAX_NAME_LENGTH) refuse(`the name of column ${i + 1} is longer than ${MAX_NAME_LENGTH} characters`, String(i + 1))
    if (seen.has(name)) refuse(`the column \`${name}\` is there twice`, name)
    seen.add(name)
  })
  for (const name of [options.label, options.subject, ...(options.textColumns ?? [])])
    if (name !== undefined && !seen.has(name)) refuse(`there is no column \`${name}\``, name)
}
