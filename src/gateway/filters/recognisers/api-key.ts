import { contextWords, type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { credentials } from '../credential-shapes.ts'
import { SHAPE, signBit } from '../outline.ts'
import { mayBeVendorKey, vendorKeyAt } from '../vendor-keys.ts'

const MIN_TOKEN = 16
const SCORE_JWT = 0.95
const SCORE_PEM = 1
const SCORE_NAMED = 0.7

/** What a secret without a vendor's prefix is announced by, directly before it: `api_key = "…"`, `Authorization: Bearer …`. */
const NAMED =
  /(?<![a-z0-9])(?:(?:[a-z0-9]{1,16}[_-]){0,3}(?:api[_ -]?key|access[_ -]?key|secret[_ -]?key|private[_ -]?key|secret|token|bearer|credential)s?)["'`]{0,2}(?:\s{0,2}(?:[:=]|=>|is|:=)\s{0,2}|\s{1,2})["'`]{0,2}$/u
/** RFC 9110 §11.6.2: the credentials of a request behind their scheme, `Authorization: Basic …`. */
const AUTHORIZATION = /(?<![a-z0-9])authorization["'`]?\s{0,2}[:=]\s{0,2}["'`]?[a-z][a-z0-9_-]{1,23}\s{1,2}$/u
/** Words that take it back. */
const UNREAL = contextWords('example', 'sample', 'placeholder')

/** Bits of Shannon entropy a character, estimated from the token itself; English words and identifiers stay below. */
const MIN_ENTROPY = 3.2

function entropy(token: string): number {
  const counts = new Map<string, number>()
  for (const character of token) counts.set(character, (counts.get(character) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= (count / token.length) * Math.log2(count / token.length)
  return bits
}

const TOKEN_UNITS = Uint8Array.from({ length: 128 }, (_, unit) => (/[\w-]/u.test(String.fromCharCode(unit)) ? 1 : 0))

function isTokenUnit(unit: number): boolean {
  return unit < 128 && TOKEN_UNITS[unit] === 1
}

/** `e` */
const JWT_HEAD = 0x65
/** RFC 7515 §3.1 and RFC 7516 §3.1: base64url parts with dots, the first a JSON object that names an algorithm. */
const JWT_REST = /(?:\.[A-Za-z0-9_-]*){1,4}/uy

function jwtEnd(text: string, start: number, end: number): number {
  if (!text.startsWith('eyJ', start)) return 0
  const header = Buffer.from(text.slice(start, Math.min(end, start + 512)), 'base64url').toString('latin1')
  if (!header.includes('"alg"')) return 0
  JWT_REST.lastIndex = end
  return JWT_REST.test(text) ? JWT_REST.lastIndex : 0
}

function isNamed(segment: Segment, start: number, end: number): boolean {
  const token = segment.text.slice(start, end)
  if (!/\d/u.test(token) || !/[A-Za-z]/u.test(token)) return false
  const context = segment.context(start)
  return (NAMED.test(context) || AUTHORIZATION.test(context)) && !UNREAL.test(context) && entropy(token) >= MIN_ENTROPY
}

/** Base64 goes on after these, which end a token elsewhere. */
function isBase64Sign(unit: number): boolean {
  return unit === 0x2f || unit === 0x2b || unit === 0x2e
}

function base64End(units: Uint16Array, base: number, end: number, length: number): number {
  let i = end
  while (i < length && (isTokenUnit(units[base + i]!) || isBase64Sign(units[base + i]!))) i++
  while (units[base + i - 1] === DOT) i--
  return i
}

const DOT = 0x2e

/** The header's last word and what must stand before it; the space before it ends a segment. */
const PEM_HEADERS = [
  { last: 'KEY-----', opened: /-----begin [a-z0-9 ]{0,32}private $/u },
  { last: 'BLOCK-----', opened: /-----begin [a-z0-9 ]{0,32}private key $/u },
] as const
const PEM_FOOTER = '-----END'

/** RFC 7468 §2. The header's last word is taken with the body; the body ends at the footer, here or in what follows. */
function pem(segment: Segment): Match | null {
  for (const { last, opened } of PEM_HEADERS) {
    const start = segment.text.indexOf(last)
    if (start < 0 || !opened.test(segment.context(start))) continue
    const footer = segment.text.indexOf(PEM_FOOTER, start + last.length)
    return footer >= 0
      ? { start, end: footer + PEM_FOOTER.length, score: SCORE_PEM }
      : { start, end: segment.text.length, score: SCORE_PEM, continues: 'pem' }
  }
  return null
}

const DASHES = signBit('-')

/** `y`, behind `e` */
const JWT_SECOND = 0x79

/** Whether a word is as long as a token, or some group of letters and digits begins as a vendor's key or a JWT does: each of these begins a group. */
function mayHoldToken({ isAscii, outline: { shape, groups, groupsEnd }, units, base }: Segment): boolean {
  if (!isAscii || (shape & SHAPE.longWord) !== 0) return true
  for (let at = 0; at < groupsEnd; at += 2) {
    const first = units[base + groups[at]!]!
    const second = units[base + groups[at]! + 1]!
    if (mayBeVendorKey(first, second) || (first === JWT_HEAD && second === JWT_SECOND)) return true
  }
  return false
}

function find(segment: Segment): readonly Match[] {
  const opened = (segment.outline.signs & DASHES) !== 0 && segment.text.includes('-----') ? pem(segment) : null
  if (opened === null && !mayHoldToken(segment)) return credentials(segment)
  const { text, units, base } = segment
  const matches: Match[] = []
  if (opened) matches.push(opened)
  for (let i = 0; i < text.length; i++) {
    if (!isTokenUnit(units[base + i]!)) continue
    const start = i
    while (i < text.length && isTokenUnit(units[base + i]!)) i++
    const before = units[base + start - 1]!
    if (isTokenUnit(before)) continue
    const key = mayBeVendorKey(units[base + start]!, units[base + start + 1]!) ? vendorKeyAt(text, start) : null
    const jwt = key || units[base + start] !== JWT_HEAD ? 0 : jwtEnd(text, start, i)
    if (key) {
      matches.push({ start, end: key.end, score: key.score })
      i = Math.max(i, key.end)
    } else if (jwt > 0) matches.push({ start, end: jwt, score: SCORE_JWT })
    else if (!isBase64Sign(before)) {
      const end = base64End(units, base, i, text.length)
      if (end - start < MIN_TOKEN || !isNamed(segment, start, end)) continue
      matches.push({ start, end, score: SCORE_NAMED })
      i = end
    }
    i = Math.max(i, jwt)
  }
  for (const secret of credentials(segment)) matches.push(secret)
  return matches
}

export const apiKey: Recogniser = { entities: ['API_KEY'], needs: TRAIT.long | TRAIT.dashes, find }
