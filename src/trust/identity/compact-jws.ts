import { type ErrorCode, type JsonObject, parseStrictJsonText, RedoubtError } from '#foundation/core'

/** Our own tokens are about 500 bytes. The cap is checked before anything is decoded. */
export const MAX_TOKEN_CHARACTERS = 8_192
/** A header or claims object of ours is flat; one level more is parsed so that the refusal can say what is wrong. */
const MAX_JSON_DEPTH = 4

/** One JWS in compact serialisation, decoded but not verified: nothing in it may be believed yet. */
export interface CompactJws {
  readonly header: JsonObject
  readonly payload: JsonObject
  /** ASCII of `header.payload`, what the signature covers. */
  readonly signingInput: string
  readonly signature: Uint8Array
}

const THREE_PARTS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Decodes a compact JWS in its one canonical form. Padding, white space, non-canonical trailing bits, other serialisations,
 * repeated members and bytes that are not UTF-8 are refused, so that one token has exactly one byte string.
 * No cryptography happens here. Never throws.
 * @returns the parts, or the code of the refusal.
 * @see RFC 7515 §3.1, §5.2 and §10.12; RFC 7515 §2 (base64url without padding, line breaks or other characters)
 */
export function parseCompactJws(text: string): CompactJws | ErrorCode {
  if (text.length > MAX_TOKEN_CHARACTERS) return 'ERR_TOKEN_TOO_LARGE'
  if (!THREE_PARTS.test(text)) return 'ERR_TOKEN_MALFORMED'
  const first = text.indexOf('.')
  const second = text.indexOf('.', first + 1)
  const headerBytes = decodeCanonical(text.slice(0, first))
  const payloadBytes = decodeCanonical(text.slice(first + 1, second))
  const signature = decodeCanonical(text.slice(second + 1))
  if (headerBytes === null || payloadBytes === null || signature === null) return 'ERR_TOKEN_MALFORMED'
  const header = decodeObject(headerBytes, 'ERR_TOKEN_HEADER')
  if (typeof header === 'string') return header
  const payload = decodeObject(payloadBytes, 'ERR_TOKEN_CLAIMS')
  if (typeof payload === 'string') return payload
  return { header, payload, signingInput: text.slice(0, second), signature }
}

/** Two texts can decode to the same bytes (the last character carries unused bits); only the one that encodes back is taken. */
function decodeCanonical(part: string): Buffer | null {
  const bytes = Buffer.from(part, 'base64url')
  return bytes.toString('base64url') === part ? bytes : null
}

function decodeObject(bytes: Uint8Array, whenNotStrict: 'ERR_TOKEN_HEADER' | 'ERR_TOKEN_CLAIMS'): JsonObject | ErrorCode {
  try {
    const value = parseStrictJsonText(decoder.decode(bytes), { maxBytes: MAX_TOKEN_CHARACTERS, maxDepth: MAX_JSON_DEPTH })
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'ERR_TOKEN_MALFORMED'
    return value as JsonObject
  } catch (error) {
    // Well-formed JSON that names a member twice, or `__proto__`, is an attack on readers that disagree about it.
    if (error instanceof RedoubtError && (error.code === 'ERR_INPUT_DUPLICATE_KEY' || error.message.includes('__proto__')))
      return whenNotStrict
    return 'ERR_TOKEN_MALFORMED'
  }
}
