import { createHash, randomBytes } from 'node:crypto'
import {
  asRedoubtError,
  type EntityUid,
  type JsonObject,
  type LegalBasis,
  newId,
  RedoubtError,
  type Sensitivity,
  type TableScan,
} from '#foundation/core'
import type { KeyUse } from '#trust/keys'
import type { ColumnDescription, ImportedVersion, RowGroup } from './dataset-version.ts'
import { type ImportPorts, removeObjects } from './import-dataset.ts'
import { ColumnProfiler, describeForAudit, encodeManifest, type Manifest, versionOf } from './manifest.ts'
import { groupPart, indexPart, manifestPart } from './object-paths.ts'
import { checkHeader, checkOptions } from './options.ts'
import { regroup } from './regroup.ts'
import { encodeRowGroup } from './row-group-codec.ts'
import { scanForAudit } from './scan-facts.ts'
import { sealPart } from './seal-part.ts'
import { SubjectIndexBuilder } from './subject-index.ts'

/** A version made of rows whose types are known: of what was collected, or of another version. */
export interface WriteOptions {
  readonly name: string
  /** Of which every group of the source is made, in order. */
  readonly columns: readonly Pick<ColumnDescription, 'name' | 'type'>[]
  readonly label?: string | undefined
  readonly subject?: string | undefined
  readonly sensitivity: Sensitivity
  readonly purposes: readonly string[]
  readonly legalBasis: LegalBasis
  readonly by: EntityUid
  readonly requestId?: string | undefined
  /** Type of the event that is durable before the version exists. */
  readonly event: string
  /** What else is in it: no values. Asked when all rows are read. */
  readonly details: () => JsonObject
  /** Size of what the rows came from. Asked when all rows are read. */
  readonly bytes: () => number
  /** Done in the transaction that makes the version exist; what it throws makes it not exist. */
  readonly commit?: ((version: ImportedVersion) => void) | undefined
  /** Called after each group with the rows written so far. */
  readonly progress?: ((rows: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Rows are numbered by 32 bits in the subject index. */
const MAX_ROWS = 2 ** 32 - 1

/**
 * Writes typed rows as the next version of a name, sealed group by group. The version exists when its transaction is committed, which is
 * last; until then, and after any failure, nothing refers to its objects and they are removed. Memory is bounded by two groups, and 36
 * bytes a row where there is a subject column.
 * @throws {RedoubtError} `ERR_INPUT_INVALID`, `ERR_DATA_COLUMN`, `ERR_DATA_MALFORMED` for no rows; what source, storage, keys, audit and
 *   `commit` throw; the signal's reason.
 */
export async function writeVersion(ports: ImportPorts, source: AsyncIterable<RowGroup>, options: WriteOptions): Promise<ImportedVersion> {
  const id = newId('ds')
  const { requestId, signal } = options
  const resource = { type: 'Dataset', id: options.name }
  const asked = requestId === undefined ? {} : { requestId }
  const event = { type: options.event, actor: options.by, action: options.event.slice(options.event.indexOf('.') + 1), resource, ...asked }
  const use: KeyUse = { principal: options.by, purpose: event.action, resource, ...asked }
  const seal = async (part: string, bytes: readonly Uint8Array[]): Promise<string> =>
    (await sealPart(ports, { id, name: options.name }, part, use, bytes)).plaintextDigest
  try {
    demandOptions(options)
    const table = new TableFacts(options, ports)
    const groups: { rows: number; digest: string }[] = []
    for await (const group of regroup(source, options.columns)) {
      signal?.throwIfAborted()
      table.add(group)
      const number = groups.length
      groups.push({ rows: group.rows, digest: await seal(groupPart(number), encodeRowGroup(group)) })
      options.progress?.(table.rows)
    }
    if (table.rows === 0) throw new RedoubtError('ERR_DATA_MALFORMED', 'there are no rows to make a version of')
    const index = table.index?.finish()
    if (index) await seal(indexPart(0), [index])
    const scan = (await table.scan?.finish(signal)) ?? null
    return await ports.serialise(async () => {
      const manifest: Manifest = {
        format: 1,
        id,
        name: options.name,
        version: ports.catalogue.nextVersion(options.name),
        salt: randomBytes(16).toString('base64url'),
        rows: table.rows,
        bytes: options.bytes(),
        columns: table.columns(),
        label: options.label ?? null,
        subject: options.subject ?? null,
        sensitivity: options.sensitivity,
        purposes: [...options.purposes],
        legalBasis: options.legalBasis,
        createdAt: ports.clock.now(),
        groups,
        subjectIndex: index ? createHash('sha256').update(index).digest('hex') : null,
        profile: table.profilers.map((profiler) => profiler.finish()),
      }
      const { bytes, digest } = encodeManifest(manifest)
      await seal(manifestPart(0), [bytes])
      const version: ImportedVersion = { ...versionOf(manifest, digest), ...(scan ? { scan } : {}) }
      signal?.throwIfAborted()
      // Recorded before it exists: a version that the log does not know must not be found.
      await ports.audit.record({
        ...event,
        outcome: 'success',
        purpose: options.purposes.join(' '),
        legalBasis: options.legalBasis,
        details: {
          ...describeForAudit(version),
          ...options.details(),
          ...(scan ? { scan: scanForAudit(scan, options.sensitivity) } : {}),
        },
      })
      ports.catalogue.add(versionOf(manifest, digest), scan, () => options.commit?.(version))
      return version
    })
  } catch (thrown) {
    removeUnlessCommitted(ports, id)
    const { code } = asRedoubtError(thrown)
    // The first error is the one to tell, even when the log is what failed.
    await ports.audit.record({ ...event, outcome: 'failed', code }).catch(() => undefined)
    throw thrown
  }
}

function demandOptions({ columns, label, subject, ...options }: WriteOptions): void {
  const named = { ...(label === undefined ? {} : { label }), ...(subject === undefined ? {} : { subject }) }
  checkOptions({ name: options.name, sensitivity: options.sensitivity, purposes: options.purposes, legalBasis: options.legalBasis, by: options.by, ...named }) // prettier-ignore
  checkHeader(columns.map(({ name }) => name), named) // prettier-ignore
}

/** A commit that was reported lost may have happened: then the version stands. Who cannot tell leaves it to the next start. */
function removeUnlessCommitted({ objects, catalogue }: ImportPorts, id: string): void {
  try {
    if (catalogue.byId(id) !== null) return
  } catch {
    return
  }
  removeObjects(objects, id)
}

/** What is known of a table when its last row has passed. */
class TableFacts {
  rows = 0
  readonly profilers: readonly ColumnProfiler[]
  readonly index: SubjectIndexBuilder | null
  readonly scan: TableScan | null
  readonly #columns: WriteOptions['columns']
  readonly #nullable: boolean[]
  readonly #subject: number
  readonly #pseudonym: (subject: string) => string

  constructor({ columns, subject }: WriteOptions, { sealer, scanner }: Pick<ImportPorts, 'sealer' | 'scanner'>) {
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
