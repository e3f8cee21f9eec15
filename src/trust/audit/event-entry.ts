import {
  type AuditEvent,
  canonicalJson,
  canonicalString as quoted,
  type EntityUid,
  type JsonObject,
  parseStrictJsonText,
} from '#foundation/core'

/** Version of the shape of an entry; a member of every entry. */
export const SCHEMA_VERSION = 1
/** Entries are ours and shallow, but a verifier reads what an attacker may have written. */
const BOUNDS = { maxBytes: 65_535, maxDepth: 64 }

/** What the leaf says of sealed personal fields. The ciphertext lies outside the tree, so its key can be destroyed. */
export interface PersonalCommitment {
  readonly pseudonym: string
  /** SHA-256 of the ciphertext, hex. */
  readonly sha256: string
  /** Length of the ciphertext; the ciphertexts of an entry lie one after the other. */
  readonly bytes: number
}

export interface EntryStamp {
  readonly instance: string
  /** Epoch milliseconds by this host's clock: a claim, never an order. The index is the order. */
  readonly time: number
  /** How far the clock stands behind the latest time recorded before; left out when it does not. */
  readonly clockBehindMs: number
  readonly personal: readonly PersonalCommitment[]
}

/**
 * The entry of an event: canonical JSON (RFC 8785), written member by member in sorted order because a request waits for it twice.
 * @throws {RedoubtError} `ERR_INPUT_INVALID` for a value that JSON cannot carry.
 */
export function entryText(event: AuditEvent, stamp: EntryStamp): string {
  const { decision, details } = event
  let text = `{"action":${quoted(event.action)},"actor":${uid(event.actor)}`
  if (stamp.clockBehindMs > 0) text += `,"clockBehindMs":${stamp.clockBehindMs}`
  if (event.code !== undefined) text += `,"code":"${event.code}"`
  if (decision !== undefined)
    text += `,"decision":{"effect":${quoted(decision.effect)},"errors":${list(decision.errors)},"policies":${list(decision.policies)},"policySet":${quoted(decision.policySet)}}`
  if (details !== undefined) text += `,"details":${canonicalJson(details)}`
  text += `,"instance":${quoted(stamp.instance)}`
  if (event.legalBasis !== undefined) text += `,"legalBasis":${quoted(event.legalBasis)}`
  text += `,"outcome":${quoted(event.outcome)}`
  if (stamp.personal.length > 0) text += `,"personal":[${stamp.personal.map(commitment).join(',')}]`
  if (event.purpose !== undefined) text += `,"purpose":${quoted(event.purpose)}`
  if (event.requestId !== undefined) text += `,"requestId":${quoted(event.requestId)}`
  return `${text},"resource":${uid(event.resource)},"schema":${SCHEMA_VERSION},"time":${stamp.time},"type":${quoted(event.type)}}`
}

function commitment({ bytes, pseudonym, sha256 }: PersonalCommitment): string {
  return `{"bytes":${bytes},"pseudonym":${quoted(pseudonym)},"sha256":${quoted(sha256)}}`
}

function uid({ id, type }: EntityUid): string {
  return `{"id":${quoted(id)},"type":${quoted(type)}}`
}

function list(items: readonly string[]): string {
  let text = '['
  for (let i = 0; i < items.length; i++) text += i === 0 ? quoted(items[i]!) : `,${quoted(items[i]!)}`
  return `${text}]`
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/** Reads an entry that `record` wrote. @returns null for any other bytes: the append port takes leaves of any form. */
export function parseEntry(bytes: Uint8Array): JsonObject | null {
  if (bytes[0] !== 0x7b) return null
  try {
    const text = decoder.decode(bytes)
    const value = parseStrictJsonText(text, BOUNDS)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
    const entry = value as JsonObject
    return entry['schema'] === SCHEMA_VERSION && typeof entry['type'] === 'string' ? entry : null
  } catch {
    return null
  }
}

/** The commitments of an entry. @returns null when they are not of the form that `record` writes. */
export function personalOf(entry: JsonObject): readonly PersonalCommitment[] | null {
  const personal = entry['personal']
  if (personal === undefined) return []
  if (!Array.isArray(personal)) return null
  const commitments: PersonalCommitment[] = []
  for (const item of personal as readonly unknown[]) {
    const { pseudonym, sha256, bytes } = (item ?? {}) as Record<string, unknown>
    if (typeof pseudonym !== 'string' || typeof sha256 !== 'string' || !Number.isSafeInteger(bytes) || (bytes as number) < 0) return null
    commitments.push({ pseudonym, sha256, bytes: bytes as number })
  }
  return commitments
}

/** Cuts the body of an entry into its ciphertexts. @returns null when the lengths do not add up. */
export function splitBody(body: Uint8Array, personal: readonly PersonalCommitment[]): readonly Uint8Array[] | null {
  let at = 0
  const parts = personal.map(({ bytes }) => body.subarray(at, (at += bytes)))
  return at === body.byteLength ? parts : null
}
