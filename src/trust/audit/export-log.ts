import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type AuditReceipt, type JsonObject, RedoubtError } from '#foundation/core'
import { parseCheckpoint } from './checkpoint.ts'
import { type Closing, EXPORT_FORMAT, type EntryLine, type ExportSelection, type Opening } from './export-format.ts'
import { leafHash } from './merkle-hash.ts'
import { consistencyProof, coveringSubtrees, inclusionProof, type NodeReader, remembering } from './prove-merkle.ts'
import type { SearchIndex, SearchQuery } from './search-index.ts'
import { formatProof } from './tlog-proof.ts'

/** Entries and bytes of one chunk: between two of them others are answered. */
const CHUNK_ENTRIES = 64
/** As many proofs; each takes hundreds of hashes. */
const CHUNK_PROOFS = 16
const CHUNK_BYTES = 64 * 1024
/** Entries that are indexed at a time before a selection begins. */
const INDEX_ROWS = 500

/** What an export reads of the log. */
export interface ExportSource {
  readonly size: number
  entry(index: number): Uint8Array | null
  /** Of the tree that is published as of now. */
  nodes(): NodeReader
  /** A checkpoint over at least so many entries, with the cosignatures that come in time. */
  covering(size: number): Promise<string>
  readonly verifierKey: string
  readonly index: Pick<SearchIndex, 'catchUp' | 'indexed' | 'indices'>
  pseudonym(subject: string): string
}

export interface ExportEnd {
  readonly entries: number
  /** SHA-256 of the lines, hex. */
  readonly digest: string
}

/** An export that is about to begin. */
export interface LogExport {
  readonly kind: Opening['kind']
  /** What it is of, for the record: personal names as pseudonyms. */
  readonly facts: JsonObject
  /** How much was given out so far. */
  readonly sent: { readonly entries: number }
  /**
   * The file, at the reader's pace.
   * @param ended Records the end, durably, before the closing line is made; its receipt goes into that line.
   * @throws {RedoubtError} what `ended` throws, `ERR_AUDIT_CORRUPT`, `ERR_STORAGE_…`: the file then has no closing line.
   */
  chunks(ended: (end: ExportEnd) => Promise<AuditReceipt>): AsyncGenerator<Buffer>
}

/** @throws {RedoubtError} `ERR_AUDIT_UNAVAILABLE` when no checkpoint can be published. */
export async function beginExport(source: ExportSource, selection: ExportSelection): Promise<LogExport> {
  const { from, to, subject, ...others } = selection
  const kind = subject !== undefined || Object.values(others).some((value) => value !== undefined) ? 'selection' : 'range'
  const end = source.size
  const times = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
  const timed = from !== undefined || to !== undefined
  // Indexed slice by slice, so that an index that lags leaves nothing out and nobody waits for it.
  if (timed || kind === 'selection')
    while (source.index.indexed < end) {
      source.index.catchUp(INDEX_ROWS)
      await nextTurn()
    }
  const range = kind === 'range' && timed ? rangeOf(source, times, end) : { first: 0, end }
  const checkpoint = await source.covering(end)
  const size = sizeOf(checkpoint)
  const asked: JsonObject = {
    ...(JSON.parse(JSON.stringify({ ...times, ...others })) as JsonObject),
    ...(subject === undefined ? {} : { subject: source.pseudonym(subject) }),
  }
  const { first } = range
  const left = kind === 'range' ? hashesOf(0, first, source.nodes()) : []
  const opening: Opening = { format: EXPORT_FORMAT, kind, ...range, selection: asked, checkpoint, left }
  const sent = { entries: 0 }

  async function* chunks(ended: (end: ExportEnd) => Promise<AuditReceipt>): AsyncGenerator<Buffer> {
    const digest = createHash('sha256')
    const chunk = (lines: readonly object[]): Buffer => {
      const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
      digest.update(bytes)
      return bytes
    }
    yield chunk([opening])
    const query: SearchQuery = { ...selection, before: range.end }
    const chosen = (next: number): readonly number[] =>
      source.index.indices({ ...query, first: next, limit: CHUNK_PROOFS }, (name) => source.pseudonym(name))
    for (let next = first; ;) {
      const indices = kind === 'range' ? upTo(next, range.end) : chosen(next)
      if (indices.length === 0) break
      // Anew for each chunk: it keeps what it has read.
      const nodes = remembering(source.nodes())
      let lines: EntryLine[] = []
      let bytes = 0
      for (const index of indices) {
        const entry = source.entry(index)
        if (entry === null) throw new RedoubtError('ERR_AUDIT_CORRUPT', `the log has no entry ${index}`)
        const proof = kind === 'range' ? {} : { proof: formatProof({ index, path: inclusionProof(index, size, nodes), checkpoint }) }
        lines.push({ index, leafHash: leafHash(entry).toString('base64'), ...textOrBytes(entry), ...proof })
        bytes += entry.byteLength + (proof.proof?.length ?? 0)
        if (bytes < CHUNK_BYTES) continue
        sent.entries += lines.length
        yield chunk(lines)
        ;[lines, bytes] = [[], 0]
      }
      sent.entries += lines.length
      if (lines.length > 0) yield chunk(lines)
      next = indices.at(-1)! + 1
      await nextTurn()
    }
    const sum = digest.digest('hex')
    const receipt = await ended({ entries: sent.entries, digest: sum })
    yield Buffer.from(`${JSON.stringify(await closingOf(sum, receipt))}\n`)
  }

  async function closingOf(digest: string, receipt: AuditReceipt): Promise<Closing> {
    const entry = source.entry(receipt.index)
    const checkpoint = await source.covering(receipt.index + 1)
    const closingSize = sizeOf(checkpoint)
    const nodes = source.nodes()
    return {
      closing: {
        entries: sent.entries,
        digest,
        checkpoint,
        verifierKey: source.verifierKey,
        right: kind === 'range' ? hashesOf(range.end, closingSize, nodes) : [],
        consistency: consistencyProof(size, closingSize, nodes).map(base64),
        receipt: {
          index: receipt.index,
          entry: Buffer.from(entry ?? []).toString(),
          path: inclusionProof(receipt.index, closingSize, nodes).map(base64),
        },
      },
    }
  }

  return { kind, facts: { kind, ...range, selection: asked }, sent, chunks }
}

/** From the first to the last entry with a time between the two. What lies between them is in it, whatever its clock said. */
function rangeOf({ index }: ExportSource, times: Pick<SearchQuery, 'from' | 'to'>, size: number): { first: number; end: number } {
  const none = (): string => ''
  const query = { ...times, before: size, limit: 1 }
  const [first] = index.indices(query, none)
  const [last] = index.indices(query, none, 'DESC')
  return first === undefined || last === undefined ? { first: size, end: size } : { first, end: last + 1 }
}

function upTo(first: number, end: number): readonly number[] {
  return Array.from({ length: Math.max(0, Math.min(CHUNK_ENTRIES, end - first)) }, (_, i) => first + i)
}

function hashesOf(start: number, end: number, nodes: NodeReader): readonly string[] {
  return coveringSubtrees(start, end).map(({ height, index }) => base64(nodes(height, index)))
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOrBytes(entry: Uint8Array): Pick<EntryLine, 'entry' | 'entryBase64'> {
  try {
    return { entry: decoder.decode(entry) }
  } catch {
    return { entryBase64: base64(entry) }
  }
}

/** Of a note that the log made itself. */
function sizeOf(checkpoint: string): number {
  const parsed = parseCheckpoint(checkpoint)
  if (parsed === null) throw new RedoubtError('ERR_AUDIT_CORRUPT', 'the checkpoint of the log is not well-formed')
  return parsed.size
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
