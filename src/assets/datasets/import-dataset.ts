import { createHash, randomBytes } from 'node:crypto'
import {
  asRedoubtError,
  type AuditSink,
  type Clock,
  type ColumnScanner,
  type DataScan,
  newId,
  RedoubtError,
  type SubjectSealer,
  type TableScan,
} from '#foundation/core'
import { type DataKey, openObject, sealObject } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { Keys, KeyUse } from '#trust/keys'
import type { Catalogue } from './catalogue.ts'
import { ColumnObserver, numberOf, textOf } from './column-type.ts'
import { CsvParser, type CsvRow } from './csv-parser.ts'
import type { ColumnDescription, ImportedVersion, RowGroup } from './dataset-version.ts'
import { ColumnProfiler, describeForAudit, encodeManifest, type Manifest, versionOf } from './manifest.ts'
import { FOLDER, groupPart, indexPart, manifestPart, ownerOf, pathsOf, resourceOf, spoolPath } from './object-paths.ts'
import { checkHeader, checkOptions, type ImportOptions } from './options.ts'
import { encodeRowGroup, MAX_GROUP_ROWS } from './row-group-codec.ts'
import { demandSensitivity, scanForAudit } from './scan-facts.ts'
import { demandLivingKeys } from './renew-keys.ts'
import { sealPart } from './seal-part.ts'
import { readFrames, writeFrame } from './spool.ts'
import { SubjectIndexBuilder } from './subject-index.ts'

export interface ImportPorts {
  readonly objects: DurableFolder
  readonly keys: Keys
  readonly audit: AuditSink
  readonly clock: Clock
  readonly sealer: SubjectSealer
  readonly catalogue: Catalogue
  /** Looks at what the columns hold. */
  readonly scanner?: ColumnScanner | undefined
  /** Runs one at a time: from choosing a version number to committing it. */
  readonly serialise: <T>(work: () => Promise<T>) => Promise<T>
}

/** Bounds the memory that one row group takes: rows × columns, and characters. */
const MAX_GROUP_CELLS = 2 ** 20
const MAX_GROUP_CHARACTERS = 2 ** 24
/** Rows are numbered by 32 bits in the subject index. */
const MAX_ROWS = 2 ** 32 - 1

/**
 * Imports a CSV file in two passes, since the type of a column is known only when its last value was seen: the first checks
 * and spools the rows into a sealed temporary object, the second reads that back, types, seals group by group. The version
 * exists when its row in SQL is committed, which is last; until then, and after any failure, nothing refers to its objects
 * and they are removed.
 */
export async function importDataset(
  ports: ImportPorts,
  source: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<ImportedVersion> {
  const id = newId('ds')
  const resource = { type: 'Dataset', id: options.name }
  const event = {
    type: 'data.import',
    actor: options.by,
    action: 'import',
    resource,
    ...(options.requestId === undefined ? {} : { requestId: options.requestId }),
  }
  try {
    checkOptions(options)
    ports.catalogue.demandNotShredded(options.name)
    const use: KeyUse = {
      principal: options.by,
      purpose: 'data-import',
      resource,
      ...(options.requestId === undefined ? {} : { requestId: options.requestId }),
    }
    const spoolKey = await ports.keys.generateDataKey(ownerOf(options.name), resourceOf(id, 'spool'), use)
    const table = await spoolRows(ports, id, spoolKey, source, options)
    if (table.scan && options.strict === true) demandSensitivity(table.scan, options.sensitivity)
    const sealed = await sealGroups(ports, id, spoolKey, table, options, use)
    ports.objects.remove(spoolPath(id))
    return await ports.serialise(async () => {
      ports.catalogue.demandNotShredded(options.name)
      const manifest: Manifest = {
        format: 1,
        id,
        name: options.name,
        version: ports.catalogue.nextVersion(options.name),
        salt: randomBytes(16).toString('base64url'),
        rows: table.rows,
        bytes: table.bytes,
        columns: [...table.columns],
        label: options.label ?? null,
        subject: options.subject ?? null,
        sensitivity: options.sensitivity,
        purposes: [...options.purposes],
        legalBasis: options.legalBasis,
        createdAt: ports.clock.now(),
        ...sealed,
      }
      const { bytes, digest } = encodeManifest(manifest)
      await sealPart(ports, { id, name: options.name }, manifestPart(0), use, [bytes])
      const version = versionOf(manifest, digest)
      options.signal?.throwIfAborted()
      demandLivingKeys(ports, id)
      // Recorded before it exists: a version that the log does not know must not be found.
      await ports.audit.record({
        ...event,
        outcome: 'success',
        purpose: options.purposes.join(' '),
        legalBasis: options.legalBasis,
        details: { ...describeForAudit(version), ...(table.scan ? { scan: scanForAudit(table.scan, options.sensitivity) } : {}) },
      })
      ports.catalogue.add(version, table.scan)
      return table.scan ? { ...version, scan: table.scan } : version
    })
  } catch (thrown) {
    removeUnlessCommitted(ports, id)
    const error = asRedoubtError(thrown)
    // The first error is the one to tell, even when the log is what failed.
    await ports.audit.record({ ...event, outcome: 'failed', code: error.code, details: recordable(error) }).catch(() => undefined)
    throw thrown
  }
}

/** In a file without a header the names of columns are the values of a person: the caller is told them, the log is not. */
function recordable({ evidence }: RedoubtError): RedoubtError['evidence'] {
  return Object.fromEntries(Object.entries(evidence).filter(([name]) => name !== 'column'))
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

/** Best effort: what cannot be removed now is removed at the next start, since no version refers to it. */
export function removeObjects(objects: DurableFolder, id: string): void {
  try {
    for (const path of pathsOf(objects, id)) objects.remove(path)
    objects.syncFolder(FOLDER)
  } catch {
    return
  }
}

interface SpooledTable {
  readonly columns: readonly ColumnDescription[]
  readonly rows: number
  readonly bytes: number
  readonly scan: DataScan | null
}

/** First pass: shape of every row, kinds of every column. */
async function spoolRows(
  ports: ImportPorts,
  id: string,
  key: DataKey,
  source: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<SpooledTable> {
  const parser = new CsvParser()
  let observers: readonly ColumnObserver[] | null = null
  let scan: TableScan | null = null
  let groupRows = MAX_GROUP_ROWS
  let rows = 0
  let bytes = 0
  let pending: (readonly string[])[] = []
  let characters = 0

  function* take(parsed: Iterable<CsvRow>): Generator<Uint8Array> {
    for (const { line, fields } of parsed) {
      if (observers === null) {
        checkHeader(fields, options)
        observers = fields.map((name) => new ColumnObserver(name))
        scan = ports.scanner?.begin(fields) ?? null
        groupRows = Math.max(1, Math.min(MAX_GROUP_ROWS, Math.floor(MAX_GROUP_CELLS / fields.length)))
        continue
      }
      if (fields.length !== observers.length)
        throw new RedoubtError('ERR_DATA_RAGGED', `line ${line} has ${fields.length} fields, the header has ${observers.length}`, {
          evidence: { line, expected: observers.length, found: fields.length },
        })
      for (let i = 0; i < fields.length; i++) {
        observers[i]!.observe(fields[i]!, line)
        characters += fields[i]!.length
      }
      scan?.row(fields)
      pending.push(fields)
      if (++rows > MAX_ROWS) throw new RedoubtError('ERR_INPUT_TOO_LARGE', `the file has more than ${MAX_ROWS} rows`)
      if (pending.length === groupRows || characters > MAX_GROUP_CHARACTERS) yield* flush()
    }
  }
  function* flush(): Generator<Uint8Array> {
    if (pending.length === 0) return
    yield* writeFrame(pending)
    pending = []
    characters = 0
    options.progress?.(rows, bytes)
  }
  async function* frames(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      options.signal?.throwIfAborted()
      bytes += chunk.byteLength
      yield* take(parser.push(chunk))
    }
    yield* take(parser.end())
    yield* flush()
  }

  await sealObject(ports.objects, spoolPath(id), key, frames())
  if (observers === null || rows === 0) throw new RedoubtError('ERR_DATA_MALFORMED', 'the file has no rows below its header')
  const columns = decideColumns(observers, options)
  return { columns, rows, bytes, scan: await finished(scan, options.signal) }
}

/** The scan was begun inside a generator, where its type is not followed. */
function finished(scan: TableScan | null, signal: AbortSignal | undefined): Promise<DataScan> | null {
  return scan && scan.finish(signal)
}

function decideColumns(observers: readonly ColumnObserver[], options: ImportOptions): readonly ColumnDescription[] {
  return observers.map((observer) => {
    const { name, nullable } = observer
    if (name === options.label && nullable)
      throw new RedoubtError('ERR_DATA_MISTYPED', `line ${observer.firstMissingLine} has no value in the label column \`${name}\``, {
        evidence: { line: observer.firstMissingLine, column: name },
      })
    // A subject is a name: 007 and 7 are two people.
    return { name, nullable, type: observer.decide(name === options.subject || (options.textColumns?.includes(name) ?? false)) }
  })
}

/** Second pass: typed columns, sealed under one key each group. */
async function sealGroups(
  ports: ImportPorts,
  id: string,
  spoolKey: DataKey,
  table: SpooledTable,
  options: ImportOptions,
  use: KeyUse,
): Promise<Pick<Manifest, 'groups' | 'subjectIndex' | 'profile'>> {
  const spool = await openObject(ports.objects, spoolPath(id), async () => spoolKey.key, { resource: resourceOf(id, 'spool') })
  const profilers = table.columns.map(() => new ColumnProfiler())
  const subject = table.columns.findIndex((column) => column.name === options.subject)
  const index = subject >= 0 ? new SubjectIndexBuilder() : null
  const groups: { rows: number; digest: string }[] = []
  let row = 0
  for await (const rows of readFrames(spool.read())) {
    options.signal?.throwIfAborted()
    const group = toColumns(rows, table.columns)
    group.columns.forEach((column, i) => profilers[i]!.add(column))
    if (index) for (const [i, fields] of rows.entries()) addSubject(index, ports.sealer, textOf(fields[subject]!), row + i)
    row += group.rows
    const number = groups.length
    const { plaintextDigest } = await sealPart(ports, { id, name: options.name }, groupPart(number), use, encodeRowGroup(group))
    groups.push({ rows: group.rows, digest: plaintextDigest })
  }
  let subjectIndex: string | null = null
  if (index) {
    const bytes = index.finish()
    await sealPart(ports, { id, name: options.name }, indexPart(0), use, [bytes])
    subjectIndex = createHash('sha256').update(bytes).digest('hex')
  }
  return { groups, subjectIndex, profile: profilers.map((profiler) => profiler.finish()) }
}

function addSubject(index: SubjectIndexBuilder, sealer: SubjectSealer, subject: string | null, row: number): void {
  if (subject !== null) index.add(sealer.pseudonym(subject), row)
}

function toColumns(rows: readonly (readonly string[])[], columns: readonly ColumnDescription[]): RowGroup {
  return {
    rows: rows.length,
    columns: columns.map(({ name, type }, c) =>
      type === 'text'
        ? { name, type, values: rows.map((fields) => textOf(fields[c]!)) }
        : { name, type, values: Float64Array.from(rows, (fields) => numberOf(fields[c]!)) },
    ),
  }
}
