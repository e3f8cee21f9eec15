import { type JsonObject, parseStrictJson } from '#foundation/core'
import { parseCheckpoint } from './checkpoint.ts'
import { type Closing, EXPORT_FORMAT, type EntryLine, MAX_LINE_BYTES, type Opening } from './export-format.ts'
import { HASH_BYTES } from './merkle-hash.ts'
import { strictBase64 } from './signed-note.ts'

/** Reads lines of an export that an attacker may have written. */
const BOUNDS = { maxBytes: MAX_LINE_BYTES, maxDepth: 4 }
/** A tree of 2^53 leaves has fewer than so many subtrees beside a range, and hashes in a proof. */
const MAX_HASHES = 110
const NEWLINE = 0x0a

/** The lines of a file with their newlines; the last has none where the file was cut. A line that is too long comes as null and is the last. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array | null> {
  let parts: Uint8Array[] = []
  let size = 0
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength;) {
      const newline = chunk.indexOf(NEWLINE, at)
      const end = newline < 0 ? chunk.byteLength : newline + 1
      parts.push(chunk.subarray(at, end))
      size += end - at
      if (size > MAX_LINE_BYTES) {
        yield null
        return
      }
      at = end
      if (newline < 0) continue
      yield parts.length === 1 ? parts[0]! : Buffer.concat(parts)
      ;[parts, size] = [[], 0]
    }
  }
  if (size > 0) yield Buffer.concat(parts)
}

export function endsInNewline(line: Uint8Array): boolean {
  return line.at(-1) === NEWLINE
}

/** @returns null unless the line is one JSON object. */
export function parseLine(line: Uint8Array): JsonObject | null {
  try {
    const value = parseStrictJson(line, BOUNDS)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : null
  } catch {
    return null
  }
}

export interface ParsedOpening {
  readonly opening: Opening
  readonly left: readonly Uint8Array[]
}

/** @returns null when it is no opening line. */
export function parseOpening(line: JsonObject): ParsedOpening | null {
  const { format, kind, first, end, selection, checkpoint } = line
  const left = hashes(line['left'])
  const known = format === EXPORT_FORMAT && (kind === 'range' || kind === 'selection') && isObject(selection)
  if (!known || !isIndex(first) || !isIndex(end) || first > end || typeof checkpoint !== 'string' || left === null) return null
  const size = parseCheckpoint(checkpoint)?.size
  if (size === undefined || end > size) return null
  return { opening: line as unknown as Opening, left }
}

export interface ParsedEntry {
  readonly index: number
  readonly leafHash: string
  readonly bytes: Uint8Array
  readonly proof: string | null
}

/** @returns null when it is no entry line. */
export function parseEntryLine(line: JsonObject): ParsedEntry | null {
  const { index, leafHash, entry, entryBase64, proof } = line as unknown as Partial<Record<keyof EntryLine, unknown>>
  if (!isIndex(index) || typeof leafHash !== 'string' || (proof !== undefined && typeof proof !== 'string')) return null
  if ((entry === undefined) === (entryBase64 === undefined)) return null
  const bytes =
    typeof entry === 'string' && entry.isWellFormed()
      ? Buffer.from(entry)
      : typeof entryBase64 === 'string'
        ? strictBase64(entryBase64)
        : null
  return bytes && { index, leafHash, bytes, proof: proof ?? null }
}

export interface ParsedClosing {
  readonly closing: Closing['closing']
  readonly right: readonly Uint8Array[]
  readonly consistency: readonly Uint8Array[]
  readonly path: readonly Uint8Array[]
}

/** @returns null when it is no closing line. */
export function parseClosing(line: JsonObject): ParsedClosing | null {
  const { closing } = line
  if (!isObject(closing)) return null
  const { entries, digest, checkpoint, verifierKey, receipt } = closing
  const [right, consistency] = [hashes(closing['right']), hashes(closing['consistency'])]
  if (!isIndex(entries) || typeof digest !== 'string' || typeof checkpoint !== 'string' || typeof verifierKey !== 'string') return null
  if (!isObject(receipt) || !isIndex(receipt['index']) || typeof receipt['entry'] !== 'string') return null
  const path = hashes(receipt['path'])
  if (right === null || consistency === null || path === null) return null
  return { closing: closing as unknown as Closing['closing'], right, consistency, path }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)
}

function hashes(value: unknown): readonly Uint8Array[] | null {
  if (!Array.isArray(value) || value.length > MAX_HASHES) return null
  const found = value.map((each) => (typeof each === 'string' ? strictBase64(each) : null))
  return found.every((each) => each?.byteLength === HASH_BYTES) ? (found as Uint8Array[]) : null
}
