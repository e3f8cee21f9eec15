import type { EntityUid, JsonObject } from '#foundation/core'
import { MAX_ENTRY_BYTES } from './entry-bundle.ts'

/**
 * An export of the log: NDJSON. An opening line, one line an entry, a closing line. Whole ranges are proved by what lies left and right of
 * them in the tree; of a selection each line carries a proof of its own. The closing line brings the entry in which the log itself recorded
 * how many lines there are, and their digest. Described in `docs/reference/audit-log.md`.
 */
export const EXPORT_FORMAT = 'redoubt-audit-export@v1'
/** An entry may be escaped to six times its length; a tlog-proof with post-quantum cosignatures is the rest. */
export const MAX_LINE_BYTES = 6 * MAX_ENTRY_BYTES + 512 * 1024
/** Types of the events that record an export: as it begins, and as it ends. */
export const EXPORT_BEGUN = 'audit.export'
export const EXPORT_ENDED = 'audit.exported'

/** What is asked for; without anything but times, the whole range between them. */
export interface ExportSelection {
  /** Epoch milliseconds, inclusive. */
  readonly from?: number
  readonly to?: number
  readonly type?: string
  readonly actor?: EntityUid
  readonly resource?: EntityUid
  readonly requestId?: string
  /** The person as the caller names them; the file and the record name the pseudonym. */
  readonly subject?: string
  readonly code?: string
  readonly outcome?: string
}

export interface Opening {
  readonly format: typeof EXPORT_FORMAT
  readonly kind: 'range' | 'selection'
  /** Indices of the range, or of what the selection was made from: `first` is in it, `end` is not. */
  readonly first: number
  readonly end: number
  /** What was asked for; `subject` is a pseudonym. */
  readonly selection: JsonObject
  /** The signed tree head under which the lines of a selection are proved. */
  readonly checkpoint: string
  /** Of a range: roots of the complete subtrees over the entries before it, from left to right, base64. */
  readonly left: readonly string[]
}

export interface EntryLine {
  readonly index: number
  /** RFC 6962, base64. */
  readonly leafHash: string
  /** The entry as text, whose UTF-8 bytes are the leaf; `entryBase64` where they are no text. */
  readonly entry?: string
  readonly entryBase64?: string
  /** Of a selection: C2SP tlog-proof under the opening checkpoint. */
  readonly proof?: string
}

export interface Closing {
  readonly closing: {
    readonly entries: number
    /** SHA-256 of all lines before this one, their newlines included; hex. */
    readonly digest: string
    /** A signed tree head that covers everything, the end of the export too, with the cosignatures that came in time. */
    readonly checkpoint: string
    /** As the log states it: whoever has to be sure compares it with what they got elsewhere. */
    readonly verifierKey: string
    /** Of a range: roots of the complete subtrees over the entries behind it, from left to right, base64. */
    readonly right: readonly string[]
    /** RFC 6962 consistency proof from the opening checkpoint to the closing one, base64. */
    readonly consistency: readonly string[]
    /** The entry that records the end of this export, and its inclusion path under the closing checkpoint, base64. */
    readonly receipt: { readonly index: number; readonly entry: string; readonly path: readonly string[] }
  }
}
