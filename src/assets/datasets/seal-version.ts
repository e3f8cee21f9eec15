import { createHash, randomBytes } from 'node:crypto'
import {
  type ColumnScanner,
  type DataScan,
  type LegalBasis,
  RedoubtError,
  type Sensitivity,
  type SubjectSealer,
  type TableScan,
} from '#foundation/core'
import type { DurableFolder } from '#foundation/storage'
import type { Keys, KeyUse } from '#trust/keys'
import type { ColumnDescription, DatasetVersion, DerivedFrom, RowGroup } from './dataset-version.ts'
import { ColumnProfiler, encodeManifest, type Manifest, versionOf } from './manifest.ts'
import { groupPart, indexPart, manifestPart } from './object-paths.ts'
import { regroup } from './regroup.ts'
import { encodeRowGroup } from './row-group-codec.ts'
import { sealPart } from './seal-part.ts'
import { SubjectIndexBuilder } from './subject-index.ts'

/** What sealing needs of the house; a thread that seals has it by messages. */
export interface SealPorts {
  readonly objects: DurableFolder
  readonly keys: Pick<Keys, 'generateDataKey'>
  readonly sealer: Pick<SubjectSealer, 'pseudonym'>
  /** Looks at what the columns hold. */
  readonly scanner?: ColumnScanner | undefined
}

/** What is said of a version beside its rows. */
export interface VersionFacts {
  readonly name: string
  /** Of which every group of the source is made, in order. */
  readonly columns: readonly Pick<ColumnDescription, 'name' | 'type'>[]
  readonly label?: string | undefined
  readonly subject?: string | undefined
  readonly sensitivity: Sensitivity
  readonly purposes: readonly string[]
  readonly legalBasis: LegalBasis
  /** Of what it is made, where a transform makes it. */
  readonly derivedFrom?: DerivedFrom | undefined
}

/** Which version it becomes. Whoever was told it is waited for, and nobody else is given a place meanwhile. */
export interface VersionPlace {
  readonly version: number
  /** Epoch milliseconds. */
  readonly createdAt: number
}

/** What is to be sealed, for which use of keys. Plain but for `place`. */
export interface SealJob {
  readonly id: string
  readonly use: KeyUse
  /** Asked once, when all groups are sealed. */
  readonly place: () => Promise<VersionPlace>
}

/** Sealed whole, with its manifest, and known to nobody yet. */
export interface SealedVersion {
  readonly version: DatasetVersion
  readonly scan: DataScan | null
}

/** Rows are numbered by 32 bits in the subject index. */
const MAX_ROWS = 2 ** 32 - 1

/**
 * Seals typed rows as the objects of one version, group by group, in whatever thread has them. Memory is bounded by two groups, and 36 bytes a
 * row where there is a subject column.
 * @param bytes size of what the rows came from; asked when all are read.
 * @throws {RedoubtError} `ERR_DATA_MALFORMED` for no rows; what source, storage and keys throw; the signal's reason.
 */
export async function sealVersion(
  ports: SealPorts,
  source: AsyncIterable<RowGroup>,
  { id, use, place }: SealJob,
  facts: VersionFacts,
  watch: {
    readonly bytes: () => number
    readonly progress?: ((rows: number) => void) | undefined
    readonly signal?: AbortSignal | undefined
  },
): Promise<SealedVersion> {
  const { name } = facts
  const seal = async (part: string, bytes: readonly Uint8Array[]): Promise<string> =>
    (await sealPart(ports, { id, name }, part, use, bytes)).plaintextDigest
  const table = new TableFacts(facts, ports)
  const groups: { rows: number; digest: string }[] = []
  for await (const group of regroup(source, facts.columns)) {
    watch.signal?.throwIfAborted()
    table.add(group)
    const number = groups.length
    groups.push({ rows: group.rows, digest: await seal(groupPart(number), encodeRowGroup(group)) })
    watch.progress?.(table.rows)
  }
  if (table.rows === 0) throw new RedoubtError('ERR_DATA_MALFORMED', 'there are no rows to make a version of')
  const index = table.index?.finish()
  if (index) await seal(indexPart(0), [index])
  const scan = (await table.scan?.finish(watch.signal)) ?? null
  const manifest: Manifest = {
    format: 1,
    id,
    name,
    ...(await place()),
    salt: randomBytes(16).toString('base64url'),
    rows: table.rows,
    bytes: watch.bytes(),
    columns: table.columns(),
    label: facts.label ?? null,
    subject: facts.subject ?? null,
    sensitivity: facts.sensitivity,
    purposes: [...facts.purposes],
    legalBasis: facts.legalBasis,
    groups,
    subjectIndex: index ? createHash('sha256').update(index).digest('hex') : null,
    profile: table.profilers.map((profiler) => profiler.finish()),
    ...(facts.derivedFrom === undefined ? {} : { derivedFrom: derivation(facts.derivedFrom) }),
  }
  const { bytes, digest } = encodeManifest(manifest)
  await seal(manifestPart(0), [bytes])
  return { version: versionOf(manifest, digest), scan }
}

function derivation({ transform, sources, codeDigest, person }: DerivedFrom): NonNullable<Manifest['derivedFrom']> {
  return { transform: { ...transform }, sources: sources.map((source) => ({ ...source })), codeDigest, person: { ...person } }
}

/** What is known of a table when its last row has passed. */
class TableFacts {
  rows = 0
  readonly profilers: readonly ColumnProfiler[]
  readonly index: SubjectIndexBuilder | null
  readonly scan: TableScan | null
  readonly #columns: VersionFacts['columns']
  readonly #nullable: boolean[]
  readonly #subject: number
  readonly #pseudonym: (subject: string) => string

  constructor({ columns, subject }: VersionFacts, { sealer, scanner }: Pick<SealPorts, 'sealer' | 'scanner'>) {
    this.#columns = columns
    this.#nullable = columns.map(() => false)
    this.#subject = columns.findIndex(({ name }) => name === subject)
    this.#pseudonym = (one) => sealer.pseudonym(one)
    this.profilers = columns.map(() => new ColumnProfiler())
    this.index = this.#subject >= 0 ? new SubjectIndexBuilder() : null
    this.scan = scanner?.begin(columns.map(({ name }) => name)) ?? null
  }

  columns(): ColumnDescription[] {
    return this.#columns.map(({ name, type }, c) => ({ name, type, nullable: this.#nullable[c]! }))
  }

  add(group: RowGroup): void {
    if (this.rows + group.rows > MAX_ROWS) throw new RedoubtError('ERR_INPUT_TOO_LARGE', `a version has at most ${MAX_ROWS} rows`)
    group.columns.forEach((column, c) => {
      this.profilers[c]!.add(column)
      if (!this.#nullable[c]) this.#nullable[c] = column.type === 'text' ? column.values.includes(null) : column.values.some(Number.isNaN)
    })
    if (this.scan) for (let row = 0; row < group.rows; row++) this.scan.row(group.columns.map(({ values }) => fieldOf(values[row] ?? null)))
    const subjects = this.index ? group.columns[this.#subject]! : null
    subjects?.values.forEach((subject, row) => {
      if (typeof subject === 'string') this.index?.add(this.#pseudonym(subject), this.rows + row)
    })
    this.rows += group.rows
  }
}

/** A value as a file would have it. */
function fieldOf(value: number | string | null): string {
  return value === null || Number.isNaN(value) ? '' : String(value)
}
