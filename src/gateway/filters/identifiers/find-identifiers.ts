import { isAlphanumericUnit, isDigitUnit } from '../characters.ts'
import { ADJACENT, type Contexts, type Lexicon } from '../contexts.ts'
import type { After, Match, Segment } from '../recogniser.ts'
import type { Identifier, Labelled } from './identifier.ts'
import { LayoutTree, NO_NODE } from './layout-tree.ts'

/** What words near a value add to its score: directly before it, or elsewhere in its context. */
const ADJACENT_BOOST = 0.5
const NEAR_BOOST = 0.4
/** What standing alone adds: the cell of a table, the field of a form. */
const ALONE_BOOST = 0.25
/** A code in small letters is less often one. */
const SMALL_LETTERS = 0.2
/** The words directly before announce a number of another kind. */
const ANNOUNCED_AS_OTHER = 0.2
/** Groups of so many digits are parts of cards, accounts and telephone numbers when others stand beside them. */
const SHORT_GROUP = 4
const SHORTEST_CODE = 3
const MAX_GROUPS = 8
const LONGEST = 40
/** Units between two groups: `12 / 27`. */
const LONGEST_SEPARATOR = 3

/** A form of some kind of number, with its score. */
interface Row {
  readonly identifier: Identifier
  readonly score: number
}

/** With the names that its labels, and the phrases that it is not meant by, have in the lexicon. */
interface LabelledRow extends Labelled {
  readonly label: string
  readonly not: string
}

/** The tables, ready to look up. */
export interface IdentifierIndex {
  readonly layouts: LayoutTree<Row>
  /** `byLength[n]`: codes of n letters and digits. */
  readonly byLength: readonly (readonly Row[])[]
  readonly labelled: readonly LabelledRow[]
  readonly lexicon: Lexicon
}

export function indexIdentifiers(identifiers: readonly Identifier[], labelled: readonly Labelled[], lexicon: Lexicon): IdentifierIndex {
  const layouts = new LayoutTree<Row>()
  const byLength: Row[][] = Array.from({ length: LONGEST + 1 }, () => [])
  for (const identifier of identifiers) {
    lexicon.add(identifier.entity, identifier.context)
    for (const { layout, score } of identifier.forms) layouts.add(layout, { identifier, score })
    const { code } = identifier
    if (code) for (let size = code.least; size <= code.most; size++) byLength[size]!.push({ identifier, score: code.score })
  }
  for (const { entity, labels, unless } of labelled) {
    lexicon.add(labelOf(entity), labels)
    if (unless) lexicon.add(notOf(entity), unless)
  }
  return { layouts, byLength, labelled: labelled.map((row) => ({ ...row, label: labelOf(row.entity), not: notOf(row.entity) })), lexicon }
}

/** Labels are apart from context words: a label stands directly before. */
const labelOf = (entity: string): string => `label ${entity}`
export const isLabel = (name: string): boolean => name.startsWith('label ')
const notOf = (entity: string): string => `not ${entity}`

function isAsciiAlphanumeric(unit: number): boolean {
  return (unit >= 0x30 && unit <= 0x39) || (unit >= 0x41 && unit <= 0x5a) || (unit >= 0x61 && unit <= 0x7a)
}

/** Runs of letters and digits: [start, end, start, end, …]. */
function groupsOf(text: string): readonly number[] {
  const groups: number[] = []
  for (let i = 0; i < text.length; i++) {
    if (!isAsciiAlphanumeric(text.charCodeAt(i))) continue
    const start = i
    while (i < text.length && isAsciiAlphanumeric(text.charCodeAt(i))) i++
    groups.push(start, i)
  }
  return groups
}

/** Whether something longer goes on before `start`: `12-521449382`, `$521449382`, `+521449382`. */
function goesOnBefore(segment: Segment, start: number): boolean {
  const unit = segment.unitAt(start - 1)
  if (unit === 0x2b || unit === 0x24 || unit === 0x20ac || unit === 0xa3 || unit === 0x40) return true
  if (unit >= 0x80 && isAlphanumericUnit(unit)) return true
  return (unit === 0x2d || unit === 0x2e || unit === 0x2f) && isAlphanumericUnit(segment.unitAt(start - 2))
}

function goesOnAfter(text: string, end: number): boolean {
  const unit = text.charCodeAt(end)
  if (unit === 0x40 || unit === 0x25 || (unit >= 0x80 && isAlphanumericUnit(unit))) return true
  return (unit === 0x2d || unit === 0x2e || unit === 0x2f) && isAlphanumericUnit(text.charCodeAt(end + 1))
}

export function findIdentifiers(segment: Segment, index: IdentifierIndex): readonly Match[] {
  const { text } = segment
  const { layouts } = index
  const matches: Match[] = []
  const groups = groupsOf(text)
  for (let from = 0; from < groups.length; from += 2) {
    const start = groups[from]!
    if (goesOnBefore(segment, start)) continue
    let contexts: Contexts | null = null
    const around = (): Contexts => (contexts ??= index.lexicon.before(segment, start))
    let node = layouts.root
    let at = start
    let isSpaced = false
    for (let to = from + 1; to < groups.length && to < from + MAX_GROUPS * 2; to += 2) {
      const end = groups[to]!
      const isFirst = to === from + 1
      if (end - start > LONGEST || (!isFirst && groups[to - 1]! - groups[to - 2]! > LONGEST_SEPARATOR)) break
      for (; at < end && node !== NO_NODE; at++) {
        const unit = text.charCodeAt(at)
        if (unit === 0x20) isSpaced = true
        node = layouts.step(node, unit)
      }
      const codes = isFirst ? index.byLength[end - start]! : NO_ROWS
      const rows = layouts.rowsAt(node)
      if (rows.length + codes.length > 0) {
        // Groups parted by spaces among others of digits: four of a card's are no number of their own.
        const mayBePart = isSpaced || (isFirst && end - start <= SHORT_GROUP && isOfDigits(text, start, end))
        const isPart = mayBePart && (digitsStand(text, groups, from - 1) || digitsStand(text, groups, to + 2))
        if (!isPart && !goesOnAfter(text, end)) judge(segment, start, end, rows, codes, around, index.lexicon, matches)
      }
      if (node === NO_NODE) break
    }
    // Behind a group of digits and a space stands no label.
    if (!digitsStand(text, groups, from - 1)) labelledCode(text, groups, from, around, index, matches)
  }
  return matches
}

const NO_ROWS: readonly Row[] = []

function isOfDigits(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (!isDigitUnit(text.charCodeAt(i))) return false
  return true
}

/** Whether the group that ends at `groups[at]` is of digits alone, and a space away from its neighbour. */
function digitsStand(text: string, groups: readonly number[], at: number): boolean {
  if (at < 1 || at >= groups.length) return false
  const end = groups[at]!
  const start = groups[at - 1]!
  return (text.charCodeAt(end) === 0x20 || text.charCodeAt(start - 1) === 0x20) && isOfDigits(text, start, end)
}

function isOther(contexts: Contexts): boolean {
  for (const distance of contexts.values()) if (distance === ADJACENT) return true
  return false
}

/** Every kind of number that the value is by its checks and its context: a policy may name any of them. */
function judge(
  segment: Segment,
  start: number,
  end: number,
  rows: readonly Row[],
  codes: readonly Row[],
  around: () => Contexts,
  lexicon: Lexicon,
  matches: Match[],
): void {
  const { minScore } = segment
  const contexts = around()
  const written = segment.text.slice(start, end)
  const small = hasSmallLetter(written) ? SMALL_LETTERS : 0
  const otherwise = -small - (isOther(contexts) ? ANNOUNCED_AS_OTHER : 0)
  let compact = ''
  let weak: Row[] | null = null
  for (let i = 0; i < rows.length + codes.length; i++) {
    const row = i < rows.length ? rows[i]! : codes[i - rows.length]!
    const { entity, code } = row.identifier
    const distance = contexts.size === 0 ? undefined : contexts.get(entity)
    const boost = distance === undefined ? otherwise : distance === ADJACENT ? ADJACENT_BOOST : NEAR_BOOST
    const score = Math.min(1, row.score + boost)
    const mayWait = distance === undefined && score + NEAR_BOOST >= minScore
    if (score < minScore && !mayWait) continue
    if (compact === '') compact = compactForm(written)
    if (i >= rows.length && !code!.pattern.test(compact)) continue
    if (score < minScore) (weak ??= []).push({ identifier: row.identifier, score })
    else if (row.identifier.valid(compact)) matches.push({ start, end, score, entity })
  }
  if (weak !== null) {
    const rowsThatWait = weak
    matches.push({ start, end, score: 0, resolve: (after) => lift(compact, rowsThatWait, minScore, after, lexicon) })
  }
}

function hasSmallLetter(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0x61 && unit <= 0x7a) return true
  }
  return false
}

/** Capital letters and digits, separators left out. */
function compactForm(written: string): string {
  let compact = ''
  let from = 0
  for (let i = 0; i <= written.length; i++) {
    if (isAsciiAlphanumeric(written.charCodeAt(i))) continue
    if (i > from) compact += written.slice(from, i)
    from = i + 1
  }
  return compact.toUpperCase()
}

/** Weak values, by what stands after them. */
function lift(
  compact: string,
  rows: readonly Row[],
  minScore: number,
  { text, alone }: After,
  lexicon: Lexicon,
): readonly { score: number; entity: string }[] {
  const contexts = lexicon.after(text)
  const found: { score: number; entity: string }[] = []
  for (const { identifier, score } of rows) {
    const boost = contexts.has(identifier.entity) ? NEAR_BOOST : alone ? ALONE_BOOST : 0
    if (score + boost >= minScore && identifier.valid(compact)) found.push({ score: score + boost, entity: identifier.entity })
  }
  return found
}

/** One sign stands between the group that begins at `groups[at]` and the one before. */
const isNext = (groups: readonly number[], at: number): boolean => (groups[at] ?? 0) - (groups[at - 1] ?? 0) === 1

/** A code before its label is as long as this and has five digits: anything may be said of a short number. */
const SHORTEST_BEFORE_LABEL = 6
const LONG_CODE = /^(?:[^\d]*\d){5}/u
/** Between a code and its label behind it. */
const COPULA = /^["')\]’”»]{0,2} (?:is|was|as|are|ist|war|als|est|es|è) /u

/** `- . / _` */
const isCodeSign = (unit: number): boolean => unit === 0x2d || unit === 0x2e || unit === 0x2f || unit === 0x5f

/** A code directly after its label, its groups joined by single signs. */
function labelledCode(
  text: string,
  groups: readonly number[],
  from: number,
  around: () => Contexts,
  index: IdentifierIndex,
  matches: Match[],
): void {
  const start = groups[from]!
  // The middle of a code: it was looked at from its first group.
  if (from > 0 && isNext(groups, from) && isCodeSign(text.charCodeAt(start - 1)) && text[start - 1] !== '_') return
  let to = from + 1
  while (to + 2 < groups.length && isNext(groups, to + 1) && isCodeSign(text.charCodeAt(groups[to]!))) to += 2
  const end = groups[to]!
  if (end - start < SHORTEST_CODE || end - start > LONGEST || text[end] === '@' || !hasDigit(text, start, end)) return
  const contexts = around()
  const code = text.slice(start, end).toUpperCase()
  // `912803456 is my passport number`, where nothing but a quote can stand between.
  if (!hasLabel(contexts) && text.length - end <= 1 && end - start >= SHORTEST_BEFORE_LABEL && LONG_CODE.test(code))
    matches.push({ start, end, score: 0, resolve: ({ text: after }) => labelledAfter(code, after, index) })
  if (contexts.size === 0) return
  for (const { entity, label, not, pattern, score } of index.labelled) {
    if (contexts.get(label) === ADJACENT && contexts.get(not) !== ADJACENT && pattern.test(code))
      matches.push({ start, end, score, entity })
  }
}

function hasLabel(contexts: Contexts): boolean {
  for (const [name, distance] of contexts) if (distance === ADJACENT && isLabel(name)) return true
  return false
}

/** What a label behind a code says of it. */
function labelledAfter(code: string, after: string, { labelled, lexicon }: IdentifierIndex): readonly { score: number; entity: string }[] {
  if (!COPULA.test(after)) return []
  const contexts = lexicon.after(after)
  return labelled
    .filter(({ label, not, pattern }) => contexts.get(label) === ADJACENT && contexts.get(not) !== ADJACENT && pattern.test(code))
    .map(({ entity, score }) => ({ entity, score }))
}

function hasDigit(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (isDigitUnit(text.charCodeAt(i))) return true
  return false
}
