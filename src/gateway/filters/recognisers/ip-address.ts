import { isIPv6 } from 'node:net'
import { isAlphanumericUnit, isDigitUnit } from '../characters.ts'
import { contextWords, type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'

const SCORE_V4 = 0.7
const SCORE_V6 = 0.8
/** `1.2.3.4` after a word of this kind is a version or a section. */
const VERSION_PENALTY = 0.4
const VERSION = contextWords(
  'version',
  'versions',
  'ver',
  'v',
  'release',
  'build',
  'firmware',
  'section',
  'clause',
  'chapter',
  'paragraph',
  '§',
  'update',
)
/** How near, in units, such a word must stand. */
const VERSION_UNITS = 14

/** RFC 4291 §2.2 with an embedded IPv4 address. */
const MAX_V6 = 45

/** Four numbers of 0 to 255 without leading zeros, dots between them. @returns the end; 0 if none begins at `start`. */
function v4At(units: Uint16Array, start: number): number {
  let i = start
  for (let octet = 0; octet < 4; octet++) {
    const from = i
    let value = 0
    for (; i - from < 4 && isDigitUnit(units[i]!); i++) value = value * 10 + (units[i]! - 0x30)
    const size = i - from
    if (size === 0 || size > 3 || value > 255 || (size > 1 && units[from] === 0x30)) return 0
    if (octet < 3 && units[i++] !== 0x2e) return 0
  }
  if (isAlphanumericUnit(units[i]!)) return 0
  return units[i] === 0x2e && isDigitUnit(units[i + 1]!) ? 0 : i
}

function findV4(segment: Segment, matches: Match[]): void {
  const { units, base } = segment
  const { digits, digitsEnd } = segment.outline
  for (let at = 0; at + 6 < digitsEnd; at += 2) {
    // Three more numbers stand behind it, one sign apart.
    if (digits[at + 6]! - digits[at + 1]! > 9 || digits[at + 2]! - digits[at + 1]! !== 1) continue
    const start = digits[at]!
    const before = segment.unitAt(start - 1)
    if (isAlphanumericUnit(before) || (before === 0x2e && isAlphanumericUnit(segment.unitAt(start - 2)))) continue
    const end = v4At(units, base + start) - base
    if (end <= 0) continue
    const isVersion = segment.hasContext(start, VERSION, VERSION_UNITS)
    matches.push({ start, end, score: isVersion ? SCORE_V4 - VERSION_PENALTY : SCORE_V4 })
    at += 6
  }
}

function isV6Unit(unit: number): boolean {
  return isDigitUnit(unit) || unit === 0x3a || unit === 0x2e || (unit >= 0x41 && unit <= 0x46) || (unit >= 0x61 && unit <= 0x66)
}

function findV6(segment: Segment, matches: Match[]): void {
  const { text } = segment
  for (let i = 0; i < text.length; i++) {
    if (!isV6Unit(text.charCodeAt(i))) continue
    const start = i
    while (i < text.length && isV6Unit(text.charCodeAt(i))) i++
    if (isAlphanumericUnit(segment.unitAt(start - 1)) || isAlphanumericUnit(text.charCodeAt(i))) continue
    // A label may stand before, a sentence may end behind: `peer:2001:db8::1.`
    const end = trimEnd(text, start, i)
    if (end - start <= MAX_V6 && isIPv6(text.slice(start, end)) && isTelling(text.slice(start, end))) {
      matches.push({ start, end: zoneEnd(text, end), score: SCORE_V6 })
    }
  }
}

function trimEnd(text: string, start: number, end: number): number {
  let i = end
  while (i > start && text[i - 1] === '.') i--
  while (i > start + 2 && text[i - 1] === ':' && text[i - 2] !== ':') i--
  return i
}

/** `::`, `a::b` and `fe::de` are more often code than addresses. */
function isTelling(address: string): boolean {
  return address.replaceAll(':', '').length >= 7 || /\d/u.test(address)
}

/** RFC 4007 §11. */
function zoneEnd(text: string, end: number): number {
  if (text[end] !== '%') return end
  let i = end + 1
  while (i < end + 16 && isAlphanumericUnit(text.charCodeAt(i))) i++
  return i
}

function find(segment: Segment): readonly Match[] {
  const matches: Match[] = []
  findV4(segment, matches)
  if (segment.text.includes(':')) findV6(segment, matches)
  return matches
}

export const ipAddress: Recogniser = { entities: ['IP_ADDRESS'], needs: TRAIT.dots | TRAIT.colons, find }
