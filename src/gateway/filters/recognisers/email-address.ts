import { classify, DIGIT, isAlphanumericUnit, LETTER } from '../characters.ts'
import { type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'

/** RFC 5321 §4.5.3.1.1 and §4.5.3.1.2. */
const MAX_LOCAL = 64
const MAX_DOMAIN = 255
/** RFC 1035 §2.3.4. */
const MAX_LABEL = 63
const SCORE = 0.95

/** The dot-atom characters of RFC 5322 §3.2.3 that addresses in use have; signs that more often delimit than belong are left out. */
function isLocalUnit(unit: number): boolean {
  return isAlphanumericUnit(unit) || unit === 0x2e || unit === 0x5f || unit === 0x25 || unit === 0x2b || unit === 0x2d || unit === 0x27
}

/** Each `@` is expanded to both sides: linear, for both sides are bounded and stop at the next `@`. */
function find(segment: Segment): readonly Match[] {
  const { text } = segment
  const matches: Match[] = []
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    const start = localStart(text, at)
    if (start === at) continue
    const end = domainEnd(text, at + 1)
    if (end > 0) matches.push({ start, end, score: SCORE })
  }
  return matches
}

function localStart(text: string, at: number): number {
  let start = at
  while (start > 0 && at - start < MAX_LOCAL && isLocalUnit(text.charCodeAt(start - 1))) {
    if (text[start - 1] === '.' && (start === at || text[start] === '.')) break
    start--
  }
  // Signs before the first letter or digit are quotes, bullets or the end of a sentence.
  while (start < at && !isAlphanumericUnit(text.charCodeAt(start)) && text[start] !== '_') start++
  return start
}

/** End of the longest domain from `start` whose last label is a top-level domain by form; 0 if there is none. */
function domainEnd(text: string, start: number): number {
  const limit = Math.min(text.length, start + MAX_DOMAIN)
  let end = 0
  let label = start
  for (let i = start; i <= limit; i++) {
    const unit = i < limit ? text.charCodeAt(i) : 0
    const inLabel = isAlphanumericUnit(unit) || (unit === 0x2d && i > label)
    if (inLabel) continue
    if (i === label || i - label > MAX_LABEL) break
    if (label > start && isTopLevel(text, label, i)) end = trimDashes(text, i)
    if (unit !== 0x2e) break
    label = i + 1
  }
  return end
}

function trimDashes(text: string, end: number): number {
  let i = end
  while (text[i - 1] === '-') i--
  return i
}

function isTopLevel(text: string, from: number, to: number): boolean {
  const end = trimDashes(text, to)
  if (end - from < 2) return false
  if (text.startsWith('xn--', from)) return end - from > 4
  for (let i = from; i < end; i++) {
    const kind = classify(text.charCodeAt(i))
    if (kind === DIGIT || kind !== LETTER) return false
  }
  return true
}

export const emailAddress: Recogniser = { entities: ['EMAIL_ADDRESS'], needs: TRAIT.at, find }
