import { isAlphanumericUnit } from '../characters.ts'
import { ADJACENT, type Contexts, type Lexicon } from '../contexts.ts'
import type { After, Match, Segment } from '../recogniser.ts'
import type { Identifier, Labelled } from './identifier.ts'

/** What words near a value add to its score: directly before it, or elsewhere in its context. */
const ADJACENT_BOOST = 0.5
const NEAR_BOOST = 0.4
/** What standing alone adds: the cell of a table, the field of a form. */
const ALONE_BOOST = 0.25
/** A code in small letters is less often one. */
const SMALL_LETTERS = 0.2
/** The words directly before announce a number of another kind. */
const ANNOUNCED_AS_OTHER = 0.15
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

/** The tables, ready to look up. */
export interface IdentifierIndex {
  readonly byLayout: ReadonlyMap<string, readonly Row[]>
  /** Every layout up to the end of each of its groups. */
  readonly heads: ReadonlySet<string>
  /** `byLength[n]`: codes of n letters and digits. */
  readonly byLength: readonly (readonly Row[])[]
  readonly labelled: readonly (Labelled & { readonly label: string })[]
  readonly lexicon: Lexicon
}

export function indexIdentifiers(identifiers: readonly Identifier[], labelled: readonly Labelled[], lexicon: Lexicon): IdentifierIndex {
  const byLayout = new Map<string, Row[]>()
  const heads = new Set<string>()
  const byLength: Row[][] = Array.from({ length: LONGEST + 1 }, () => [])
  for (const identifier of identifiers) {
    lexicon.add(identifier.entity, identifier.context)
    for (const { layout, score } of identifier.forms) {
      for (const { index, 0: group } of layout.matchAll(/[9A]+/gu)) heads.add(layout.slice(0, index + group.length))
      const rows = byLayout.get(layout)
      if (rows) rows.push({ identifier, score })
      else byLayout.set(layout, [{ identifier, score }])
    }
    const { code } = identifier
    if (code) for (let size = code.least; size <= code.most; size++) byLength[size]!.push({ identifier, score: code.score })
  }
  for (const { entity, labels } of labelled) lexicon.add(labelOf(entity), labels)
  return { byLayout, heads, byLength, labelled: labelled.map((row) => ({ ...row, label: labelOf(row.entity) })), lexicon }
}

/** Labels are apart from context words: a label stands directly before. */
const labelOf = (entity: string): string => `label ${entity}`

function isAsciiAlphanumeric(unit: number): boolean {
  return (unit >= 0x30 && unit <= 0x39) || (unit >= 0x41 && unit <= 0x5a) || (unit >= 0x61 && unit <= 0x7a)
}

const NINES = Array.from({ length: LONGEST + 1 }, (_, size) => '9'.repeat(size))
const LETTERS = Array.from({ length: LONGEST + 1 }, (_, size) => 'A'.repeat(size))

/** The group with `9` for every digit and `A` for every letter; empty when it is longer than any value. */
function layoutOf(text: string, start: number, end: number): string {
  const size = end - start
  if (size > LONGEST) return ''
  let digits = 0
  for (let i = start; i < end; i++) if (text.charCodeAt(i) <= 0x39) digits++
  if (digits === size) return NINES[size]!
  if (digits === 0) return LETTERS[size]!
  let layout = ''
  for (let i = start; i < end; i++) layout += text.charCodeAt(i) <= 0x39 ? '9' : 'A'
  return layout
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
  const matches: Match[] = []
  const groups = groupsOf(text)
  for (let from = 0; from < groups.length; from += 2) {
    const start = groups[from]!
    if (goesOnBefore(segment, start)) continue
    let contexts: Contexts | null = null
    const around = (): Contexts => (contexts ??= index.lexicon.before(segment, start))
    let form = ''
    for (let to = from + 1; to < groups.length && to < from + MAX_GROUPS * 2; to += 2) {
      const end = groups[to]!
      const separator = to === from + 1 ? '' : text.slice(groups[to - 2], groups[to - 1])
      if (end - start > LONGEST || separator.length > LONGEST_SEPARATOR) break
      form += separator + layoutOf(text, groups[to - 1]!, end)
      const codes = to === from + 1 ? index.byLength[end - start]! : NO_ROWS
      const known = index.heads.has(form)
      if (known || codes.length > 0) {
        const rows = index.byLayout.get(form) ?? NO_ROWS
        // Groups parted by spaces among others of digits: four of a card's are no number of their own.
        const mayBePart = form.includes(' ') || (to === from + 1 && end - start <= SHORT_GROUP && !form.includes('A'))
        const isPart = mayBePart && (digitsStand(text, groups, from - 1) || digitsStand(text, groups, to + 2))
        if (rows.length + codes.length > 0 && !isPart && !goesOnAfter(text, end))
          judge(segment, start, end, rows, codes, around, index.lexicon, matches)
      }
      if (!known) break
    }
    // Behind a group of digits and a space stands no label.
    if (!digitsStand(text, groups, from - 1)) labelledCode(text, groups, from, around, index, matches)
  }
  return matches
}

const NO_ROWS: readonly Row[] = []

/** Whether the group that ends at `groups[at]` is of digits alone, and a space away from its neighbour. */
function digitsStand(text: string, groups: readonly number[], at: number): boolean {
  const end = groups[at]
  if (end === undefined || at < 1) return false
  const start = groups[at - 1]!
  return /^\d+$/u.test(text.slice(start, end)) && (text[end] === ' ' || text[start - 1] === ' ')
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
  const written = segment.text.slice(start, end)
  const compact = written.replaceAll(/[^A-Za-z0-9]/gu, '').toUpperCase()
  const small = /[a-z]/u.test(written) ? SMALL_LETTERS : 0
  const weak: Row[] = []
  const look = (row: Row): void => {
    const { entity, valid } = row.identifier
    const distance = around().get(entity)
    const boost =
      distance === undefined ? -small - (isOther(around()) ? ANNOUNCED_AS_OTHER : 0) : distance === ADJACENT ? ADJACENT_BOOST : NEAR_BOOST
    const score = Math.min(1, row.score + boost)
    if (score >= minScore) {
      if (valid(compact)) matches.push({ start, end, score, entity })
    } else if (distance === undefined && score + NEAR_BOOST >= minScore) weak.push({ identifier: row.identifier, score })
  }
  for (const row of rows) look(row)
  for (const row of codes) if (row.identifier.code!.pattern.test(compact)) look(row)
  if (weak.length > 0) matches.push({ start, end, score: 0, resolve: (after) => lift(compact, weak, minScore, after, lexicon) })
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

const CODE_SIGN = /[-./_]/u

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
  if (from > 0 && isNext(groups, from) && CODE_SIGN.test(text[start - 1]!) && text[start - 1] !== '_') return
  let to = from + 1
  while (to + 2 < groups.length && isNext(groups, to + 1) && CODE_SIGN.test(text[groups[to]!]!)) to += 2
  const end = groups[to]!
  if (end - start < SHORTEST_CODE || end - start > LONGEST || text[end] === '@') return
  const code = text.slice(start, end).toUpperCase()
  if (!/\d/u.test(code)) return
  const contexts = around()
  if (contexts.size === 0) return
  for (const { entity, label, pattern, score } of index.labelled) {
    if (contexts.get(label) === ADJACENT && pattern.test(code)) matches.push({ start, end, score, entity })
  }
}
