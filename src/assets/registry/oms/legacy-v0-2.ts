import { failure, isObject, MAX_BUNDLE_BYTES, type Failure } from './bundle.ts'
import { parseStrictJsonText, type JsonValue } from '#foundation/core'
import { rootDigest, STATEMENT_TYPE, type SignedResource, type Statement } from './statement.ts'

/**
 * Bundles of the reference tool's release 0.2.0: no DSSE but its own encoding, made from Python's text form of the payload bytes,
 * hashed with SHA-256 whatever the curve. Verified only when the caller asks for it by name.
 */
const LEGACY_PREDICATE_TYPE = 'https://model_signing/Digests/v0.1'

export function legacyEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  return Buffer.from(`DSSEV1 ${payloadType.length} ${payloadType} ${payload.byteLength} ${pythonBytesText(payload)}`)
}

export function isLegacyPayload(payload: Uint8Array): boolean {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).includes(LEGACY_PREDICATE_TYPE)
}

export function parseLegacyStatement(payload: Uint8Array): Statement | Failure {
  let document: JsonValue
  try {
    document = parseStrictJsonText(Buffer.from(payload).toString('utf8'), { maxBytes: MAX_BUNDLE_BYTES, maxDepth: 8 })
  } catch {
    return failure('statement', 'the statement is not JSON')
  }
  if (!isObject(document) || document['_type'] !== STATEMENT_TYPE || document['predicateType'] !== LEGACY_PREDICATE_TYPE)
    return failure('statement', 'the payload is not a statement of release 0.2.0')
  const resources: SignedResource[] = []
  for (const subject of Array.isArray(document['subject']) ? (document['subject'] as readonly JsonValue[]) : []) {
    const digest = isObject(subject) && isObject(subject['digest']) ? subject['digest']['sha256'] : undefined
    if (!isObject(subject) || typeof subject['name'] !== 'string' || typeof digest !== 'string' || !/^[0-9a-f]{64}$/.test(digest))
      return failure('statement', 'a subject has no name or no digest')
    resources.push({ name: subject['name'], digest })
  }
  if (resources.length === 0 || new Set(resources.map(({ name }) => name)).size !== resources.length)
    return failure('statement', 'the subjects are not a list of different names')
  return { name: rootDigest(resources), resources, ignorePaths: [] }
}

/** `repr(bytes)` of Python: the quote is `'` unless the bytes hold one and no `"`. */
function pythonBytesText(bytes: Uint8Array): string {
  const quote = bytes.includes(39) && !bytes.includes(34) ? '"' : "'"
  let text = `b${quote}`
  for (const byte of bytes) {
    const character = String.fromCharCode(byte)
    if (character === quote || character === '\\') text += `\\${character}`
    else if (byte === 9) text += '\\t'
    else if (byte === 10) text += '\\n'
    else if (byte === 13) text += '\\r'
    else if (byte < 32 || byte > 126) text += `\\x${byte.toString(16).padStart(2, '0')}`
    else text += character
  }
  return text + quote
}
