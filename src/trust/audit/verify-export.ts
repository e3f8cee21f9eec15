import { createHash } from 'node:crypto'
import { type JsonObject, RedoubtError } from '#foundation/core'
import { type Checkpoint, openCheckpoint, parseCheckpoint } from './checkpoint.ts'
import { CompactRange } from './compact-range.ts'
import { findCosignature } from './cosignature.ts'
import { parseEntry } from './event-entry.ts'
import { EXPORT_ENDED } from './export-format.ts'
import {
  endsInNewline,
  linesOf,
  type ParsedClosing,
  type ParsedOpening,
  parseClosing,
  parseEntryLine,
  parseLine,
  parseOpening,
} from './export-lines.ts'
import { leafHash, sameHash } from './merkle-hash.ts'
import { coveringSubtrees } from './prove-merkle.ts'
import { parseVerifierKey } from './signed-note.ts'
import { parseProof } from './tlog-proof.ts'
import { verifyConsistency, verifyInclusion } from './verify-merkle.ts'

export interface ExportFinding {
  /**
   * `edited`: an entry is not the one that the log has; `order`: an index is missing or out of turn; `truncated`: the file ends too early;
   * `root`: the lines do not give the signed tree; `receipt`: the file is not the one whose end the log recorded.
   */
  readonly kind: 'malformed' | 'edited' | 'order' | 'truncated' | 'root' | 'receipt' | 'checkpoint' | 'key' | 'witness'
  /** Lower case, safe to show. */
  readonly message: string
  /** From 1. */
  readonly line?: number
}

export interface ExportVerdict {
  readonly ok: boolean
  /** At most 100; the first ones. */
  readonly findings: readonly ExportFinding[]
  /** Whether all entries of the range are there, or some were chosen. Null where the file does not begin as an export does. */
  readonly kind: 'range' | 'selection' | null
  /** Indices; `end` is not in it. */
  readonly first: number
  readonly end: number
  /** As the file says what was asked for. */
  readonly selection: JsonObject
  readonly entries: number
  readonly origin: string | null
  /** Entries of the tree under which it was verified. */
  readonly size: number
  /** The key by which the signatures were verified. */
  readonly verifierKey: string | null
  /** Whether that is only the one that the file itself names: then it shows that the file is of one piece, not whose it is. */
  readonly keyOfFile: boolean
  /** Index of the entry in which the log recorded the end of this export. */
  readonly receipt: number | null
  readonly witnesses: readonly { readonly name: string; readonly time: number }[]
}

const MAX_FINDINGS = 100

/**
 * Verifies an exported file offline, without secrets and without trusting anything in it, in memory that does not grow with the file.
 * @param verifierKey Of the log, got from somewhere else than the file; without it the file's own is taken.
 * @param witnesses Verifier keys of witnesses; each must have cosigned the closing checkpoint.
 */
export async function verifyExport(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { verifierKey, witnesses = [] }: { readonly verifierKey?: string; readonly witnesses?: readonly string[] } = {},
): Promise<ExportVerdict> {
  const reading = new Reading(verifierKey ?? null, witnesses)
  for await (const line of linesOf(chunks)) if (!reading.take(line)) break
  return reading.verdict()
}

class Reading {
  readonly #givenKey: string | null
  readonly #witnessKeys: readonly string[]
  readonly #findings: ExportFinding[] = []
  readonly #witnesses: { name: string; time: number }[] = []
  readonly #digest = createHash('sha256')
  readonly #range = new CompactRange()
  #opening: ParsedOpening | null = null
  #openingCheckpoint: Checkpoint | null = null
  #closing: ParsedClosing | null = null
  #closingCheckpoint: Checkpoint | null = null
  #line = 0
  #entries = 0
  /** The lowest index that the next line may have. */
  #next = 0

  constructor(givenKey: string | null, witnessKeys: readonly string[]) {
    this.#givenKey = givenKey
    this.#witnessKeys = witnessKeys
  }

  /** @returns whether to go on. */
  take(line: Uint8Array | null): boolean {
    this.#line++
    if (this.#closing !== null) return this.#stop('malformed', 'there is something behind the closing line')
    if (line === null) return this.#stop('malformed', 'the line is too long')
    const parsed = endsInNewline(line) ? parseLine(line) : null
    if (parsed === null) {
      if (!endsInNewline(line)) return this.#stop('truncated', 'the file ends in the middle of a line')
      this.#find('malformed', 'the line is no JSON object')
      this.#digest.update(line)
      return this.#opening !== null
    }
    if (this.#opening === null) return this.#open(parsed, line)
    if (Object.hasOwn(parsed, 'closing')) {
      const closing = parseClosing(parsed)
      if (closing === null) return this.#stop('malformed', 'the closing line is not well-formed')
      this.#closing = closing
      this.#close(this.#opening, closing)
      return true
    }
    this.#digest.update(line)
    this.#entry(this.#opening, parsed)
    return true
  }

  verdict(): ExportVerdict {
    if (this.#opening === null && this.#findings.length === 0) this.#find('truncated', 'the file is empty')
    if (this.#opening !== null && this.#closing === null && !this.#findings.some(({ kind }) => kind === 'truncated'))
      this.#find('truncated', 'the file has no closing line')
    const opening = this.#opening?.opening
    return {
      ok: this.#findings.length === 0,
      findings: this.#findings,
      kind: opening?.kind ?? null,
      first: opening?.first ?? 0,
      end: opening?.end ?? 0,
      selection: opening?.selection ?? {},
      entries: this.#entries,
      origin: this.#closingCheckpoint?.origin ?? null,
      size: this.#closingCheckpoint?.size ?? 0,
      verifierKey: this.#givenKey ?? this.#closing?.closing.verifierKey ?? null,
      keyOfFile: this.#givenKey === null,
      receipt: this.#closing?.closing.receipt.index ?? null,
      witnesses: this.#witnesses,
    }
  }

  #open(parsed: JsonObject, line: Uint8Array): boolean {
    const found = parseOpening(parsed)
    if (found === null) return this.#stop('malformed', 'the file does not begin as an export of a log does')
    const { kind, first, checkpoint } = found.opening
    this.#opening = found
    this.#digest.update(line)
    this.#openingCheckpoint = parseCheckpoint(checkpoint)
    this.#next = first
    if (kind === 'range' && !this.#add(0, first, found.left)) this.#find('root', 'what lies before the range does not fit it')
    return true
  }

  #entry({ opening }: ParsedOpening, parsed: JsonObject): void {
    const line = parseEntryLine(parsed)
    if (line === null) return this.#find('malformed', 'the line is no entry')
    const { index, bytes } = line
    this.#entries++
    const inTurn = opening.kind === 'range' ? index === this.#next : index >= this.#next
    if (!inTurn)
      this.#find('order', `the entry ${index} stands where ${this.#next}${opening.kind === 'range' ? '' : ' or a later one'} is due`)
    if (index >= opening.end) this.#find('order', `the entry ${index} is not of the range that the file names`)
    this.#next = index + 1
    const leaf = leafHash(bytes)
    if (leaf.toString('base64') !== line.leafHash)
      this.#find('edited', `the entry ${index} is not the one of which the line names the hash`)
    if (opening.kind === 'range') this.#range.append(leaf, () => undefined)
    else if (!this.#isProved(line.proof, index, leaf)) this.#find('edited', `the entry ${index} is not proved to be in the log`)
  }

  #isProved(text: string | null, index: number, leaf: Uint8Array): boolean {
    const proof = text === null ? null : parseProof(text)
    const checkpoint = this.#openingCheckpoint
    // All under one tree head, whose signature is verified once, at the end.
    if (proof === null || checkpoint === null || proof.index !== index || proof.checkpoint !== this.#opening?.opening.checkpoint)
      return false
    return verifyInclusion({ index, size: checkpoint.size, leafHash: leaf, root: checkpoint.root, proof: proof.path })
  }

  #close({ opening }: ParsedOpening, { closing, right, consistency, path }: ParsedClosing): void {
    const digest = this.#digest.digest('hex')
    if (this.#givenKey !== null && this.#givenKey.trim() !== closing.verifierKey)
      this.#find('key', 'the file names another key of the log than the one given')
    const key = this.#givenKey ?? closing.verifierKey
    const before = this.#signed(opening.checkpoint, key, 'the opening checkpoint')
    const checkpoint = this.#signed(closing.checkpoint, key, 'the closing checkpoint')
    if (opening.kind === 'range' && this.#next !== opening.end)
      this.#find('truncated', `the range ends before ${opening.end}, and the last entry is ${this.#next - 1}`)
    if (closing.entries !== this.#entries)
      this.#find('truncated', `the file has ${this.#entries} entries and says that it had ${closing.entries}`)
    if (closing.digest !== digest) this.#find('receipt', 'the lines are not those of which the closing line names the digest')
    if (before === null || checkpoint === null) return
    this.#closingCheckpoint = checkpoint
    if (!isExtension(before, checkpoint, consistency)) this.#find('root', 'the closing checkpoint does not extend the opening one')
    if (opening.kind === 'range') {
      const whole = this.#add(opening.end, checkpoint.size, right)
      if (!whole || !sameHash(this.#range.root(), checkpoint.root)) this.#find('root', 'the lines do not give the root of the checkpoint')
    }
    this.#receipt(closing, path, checkpoint, digest)
    this.#checkWitnesses(checkpoint)
  }

  /** The log's own word for how many lines there are and which: nobody without its key can cut the file and make it good again. */
  #receipt({ receipt }: ParsedClosing['closing'], path: readonly Uint8Array[], checkpoint: Checkpoint, digest: string): void {
    const bytes = Buffer.from(receipt.entry)
    const claim = { index: receipt.index, size: checkpoint.size, leafHash: leafHash(bytes), root: checkpoint.root, proof: path }
    if (!verifyInclusion(claim)) return this.#find('receipt', 'the record of the end of this export is not proved to be in the log')
    const event = parseEntry(bytes)
    const details = (event?.['details'] ?? {}) as JsonObject
    if (event?.['type'] !== EXPORT_ENDED || event['outcome'] !== 'success')
      this.#find('receipt', 'what the file brings is no record of the end of an export')
    else if (details['digest'] !== digest || details['entries'] !== this.#entries)
      this.#find('receipt', 'the file is not the one whose end the log recorded')
  }

  #add(start: number, end: number, hashes: readonly Uint8Array[]): boolean {
    const subtrees = coveringSubtrees(start, end)
    return subtrees.length === hashes.length && subtrees.every(({ height }, i) => this.#range.appendSubtree(hashes[i]!, height))
  }

  #signed(text: string, key: string, which: string): Checkpoint | null {
    try {
      return openCheckpoint(text, key)
    } catch (cause) {
      if (!(cause instanceof RedoubtError)) throw cause
      this.#find('checkpoint', `${which}: ${cause.message}`)
      return null
    }
  }

  #checkWitnesses(checkpoint: Checkpoint): void {
    for (const text of this.#witnessKeys) {
      const key = parseVerifierKey(text)
      const time = findCosignature(checkpoint, key)
      if (time === null) this.#find('witness', `the witness \`${key.name}\` did not cosign the closing checkpoint`)
      else this.#witnesses.push({ name: key.name, time })
    }
  }

  #stop(kind: ExportFinding['kind'], message: string): false {
    this.#find(kind, message)
    return false
  }

  #find(kind: ExportFinding['kind'], message: string): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push({ kind, message, line: this.#line })
  }
}

function isExtension(before: Checkpoint, after: Checkpoint, proof: readonly Uint8Array[]): boolean {
  if (before.size === 0) return true
  return verifyConsistency({ size1: before.size, size2: after.size, root1: before.root, root2: after.root, proof })
}
