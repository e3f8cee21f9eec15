import { isAlphanumericUnit } from '../characters.ts'
import { ADJACENT, AWAY, type Contexts, type Lexicon } from '../contexts.ts'
import { DIGIT } from '../outline.ts'
import { type After, BEFORE_UNITS, CONTEXT_UNITS, type Match, type Segment } from '../recogniser.ts'
import type { Identifier, Labelled } from './identifier.ts'
import { LayoutTree, NO_NODE } from './layout-tree.ts'
import { NEAR_BOOST, part, type Row, RowSet } from './row-set.ts'

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
/** Between the start of a number with a slip and that of what it takes with it: farther on, the word before it may be out of sight. */
const LONGEST_HEAD = BEFORE_UNITS - CONTEXT_UNITS

/** With the names that its labels, and the phrases that it is not meant by, have in the lexicon. */
interface LabelledRow extends Labelled {
  readonly label: string
  readonly not: string
}

/** The tables, ready to look up. */
export interface IdentifierIndex {
  readonly layouts: LayoutTree<Row>
  /** By node of `layouts`, made when first asked for. */
  readonly rowSets: (RowSet | undefined)[]
  /** `byLength[n]`: codes of n letters and digits. */
  readonly byLength: readonly (readonly Row[])[]
  readonly labelled: readonly LabelledRow[]
  /** What `labelled` finds. */
  readonly loose: ReadonlySet<string>
  readonly lexicon: Lexicon
  /** Units of the shortest value of all. */
  readonly shortest: number
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
  return {
    layouts,
    rowSets: [],
    byLength,
    labelled: labelled.map((row) => ({ ...row, label: labelOf(row.entity), not: notOf(row.entity) })),
    loose: new Set(labelled.map(({ entity }) => entity)),
    lexicon,
    shortest: Math.min(
      SHORTEST_CODE,
      ...identifiers.flatMap(({ forms, code }) => [...forms.map(({ layout }) => layout.length), code?.least ?? LONGEST]),
    ),
  }
}

/** Labels are apart from context words: a label stands directly before. */
const labelOf = (entity: string): string => `label ${entity}`
export const isLabel = (name: string): boolean => name.startsWith('label ')
const notOf = (entity: string): string => `not ${entity}`

function isAsciiAlphanumeric(unit: number): boolean {
  return (unit >= 0x30 && unit <= 0x39) || (unit >= 0x41 && unit <= 0x5a) || (unit >= 0x61 && unit <= 0x7a)
}

/** Whether something longer goes on before the unit at `start`: `12-521449382`, `$521449382`, `+521449382`. */
function goesOnBefore(units: Uint16Array, start: number): boolean {
  const unit = units[start - 1]!
  if (unit <= 0x20) return false
  if (unit === 0x2b || unit === 0x24 || unit === 0x20ac || unit === 0xa3 || unit === 0x40) return true
  if (unit >= 0x80 && isAlphanumericUnit(unit)) return true
  return (unit === 0x2d || unit === 0x2e || unit === 0x2f) && isAlphanumericUnit(units[start - 2]!)
}

function goesOnAfter(units: Uint16Array, end: number): boolean {
  const unit = units[end]!
  if (unit <= 0x20) return false
  if (unit === 0x40 || unit === 0x25 || (unit >= 0x80 && isAlphanumericUnit(unit))) return true
  return (unit === 0x2d || unit === 0x2e || unit === 0x2f) && isAlphanumericUnit(units[end + 1]!)
}

export function findIdentifiers(segment: Segment, index: IdentifierIndex): readonly Match[] {
  if (segment.text.length < index.shortest) return NO_MATCHES
  const { layouts } = index
  const { groups, groupsEnd, kinds } = segment.outline
  const { units, base } = segment
  const search: Search = { segment, index, matches: [], refuted: [], after: null }
  for (let from = 0; from < groupsEnd; from += 2) {
    const start = groups[from]!
    if (goesOnBefore(units, base + start)) continue
    let contexts: Contexts | null = null
    let node = layouts.root
    let at = start
    let isSpaced = false
    const isBehindDigits = digitsStand(segment, from - 2)
    for (let to = from + 1; to < groupsEnd && to < from + MAX_GROUPS * 2; to += 2) {
      const end = groups[to]!
      const isFirst = to === from + 1
      if (end - start > LONGEST || (!isFirst && groups[to - 1]! - groups[to - 2]! > LONGEST_SEPARATOR)) break
      for (; at < groups[to - 1]! && node !== NO_NODE; at++) {
        const unit = units[base + at]!
        if (unit === 0x20) isSpaced = true
        node = layouts.step(node, unit)
      }
      node = layouts.walk(node, units, base + at, base + end)
      at = end
      const codes = isFirst ? index.byLength[end - start]! : NO_ROWS
      if (codes.length > 0 || layouts.hasRowsAt(node)) {
        // Groups parted by spaces among others of digits: four of a card's are no number of their own.
        const mayBePart = isSpaced || (isFirst && end - start <= SHORT_GROUP && kinds[from >> 1] === DIGIT)
        const isPart = mayBePart && (isBehindDigits || digitsStand(segment, to + 1))
        if (!isPart && !goesOnAfter(units, base + end)) {
          contexts ??= index.lexicon.before(segment, start)
          judge(search, start, end, rowSetAt(index, node), codes, contexts)
        }
      }
      if (node === NO_NODE) break
    }
    // Behind a group of digits and a space stands no label.
    if (isBehindDigits) continue
    const end = codeEnd(segment, from)
    if (end === 0) continue
    if (contexts === null && index.lexicon.mayStandBefore(segment, start)) contexts = index.lexicon.before(segment, start)
    labelledCode(search, start, end, contexts)
  }
  return search.refuted.length === 0 ? search.matches : search.matches.filter((match) => !isRefuted(search, match))
}

/** A number that its separators show, and its word where it stands before it, and whose check fails. */
interface Refuted {
  readonly start: number
  readonly end: number
  readonly isAnnounced: boolean
}

/** One search of one segment. */
interface Search {
  readonly segment: Segment
  readonly index: IdentifierIndex
  readonly matches: Match[]
  readonly refuted: Refuted[]
  /** What stands after it, read once for all values that wait for it. */
  after: { readonly text: string; readonly contexts: Contexts } | null
}

function rowSetAt({ layouts, rowSets }: IdentifierIndex, node: number): RowSet {
  return (rowSets[node] ??= new RowSet(layouts.rowsAt(node)))
}

const NO_ROWS: readonly Row[] = []
const NO_MATCHES: readonly Match[] = []

/** Whether the group that begins at `groups[at]` is of digits alone, and a space away from its neighbour. */
function digitsStand({ outline: { groups, groupsEnd, kinds }, units, base }: Segment, at: number): boolean {
  if (at < 0 || at >= groupsEnd || kinds[at >> 1] !== DIGIT) return false
  // Inside the segment only: what is before it stands there as it is cut.
  return units[base + groups[at + 1]!] === 0x20 || (groups[at]! > 0 && units[base + groups[at]! - 1] === 0x20)
}

function isOther(contexts: Contexts): boolean {
  for (const distance of contexts.values()) if (distance === ADJACENT) return true
  return false
}

/** Every kind of number that the value is by its checks and its context: a policy may name any of them. */
function judge(search: Search, start: number, end: number, set: RowSet, codes: readonly Row[], contexts: Contexts): void {
  const { minScore, units, base } = search.segment
  const small = hasSmallLetter(units, base + start, base + end) ? SMALL_LETTERS : 0
  const otherwise = -small - (contexts.size > 0 && isOther(contexts) ? ANNOUNCED_AS_OTHER : 0)
  const isAlike = contexts.size === 0 || !set.isAnnounced(contexts)
  const parted = isAlike ? set.parted(otherwise, minScore) : part(set.rows, otherwise, contexts, minScore)
  let { weak } = parted
  if (parted.sure.length + weak.length + codes.length === 0) return
  const compact = compactForm(search.segment.text.slice(start, end))
  for (const row of parted.sure) take(search, start, end, row, compact, contexts)
  if (codes.length > 0) {
    const fitting = codes.filter(({ identifier }) => identifier.code!.pattern.test(compact))
    const partedCodes = part(fitting, otherwise, contexts, minScore)
    for (const row of partedCodes.sure) take(search, start, end, row, compact, contexts)
    if (partedCodes.weak.length > 0) weak = [...weak, ...partedCodes.weak]
  }
  if (weak.length === 0) return
  search.matches.push({ start, end, score: 0, resolve: (after) => lift(search, compact, weak, after) })
}

function take(search: Search, start: number, end: number, { identifier, score }: Row, compact: string, contexts: Contexts): void {
  const { entity, valid } = identifier
  if (valid(compact)) search.matches.push({ start, end, score, entity })
  else if (isWrittenInParts(search.segment, start, end, compact))
    search.refuted.push({ start, end, isAnnounced: contexts.get(entity) === ADJACENT })
}

/** With separators, and behind the last space more than a letter, which may be a word; in capital letters. */
function isWrittenInParts({ text, units, base }: Segment, start: number, end: number, compact: string): boolean {
  return compact.length < end - start && text[end - 2] !== ' ' && !hasSmallLetter(units, base + start, base + end)
}

/** The end of a number with a slip in it is no number of another kind; where its word stands before it, it is no code of any shape either. */
function isRefuted({ refuted, index, segment }: Search, { start, end, entity }: Match): boolean {
  const isLoose = index.loose.has(entity ?? '')
  return refuted.some(
    (span) =>
      start >= span.start &&
      end <= span.end &&
      start - span.start <= LONGEST_HEAD &&
      (start > span.start ? !(isLoose && isWord(segment, span.start, start)) : span.isAnnounced && isLoose),
  )
}

/** Whether letters and a space stand there: `MRN 482193` is no register entry with a slip, its letters are the word for the code. */
function isWord({ units, base }: Segment, start: number, end: number): boolean {
  for (let i = start; i < end - 1; i++) if ((units[base + i]! | 0x20) < 0x61 || (units[base + i]! | 0x20) > 0x7a) return false
  return units[base + end - 1] === 0x20
}

function hasSmallLetter(units: Uint16Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (units[i]! >= 0x61 && units[i]! <= 0x7a) return true
  return false
}

/** Capital letters and digits, separators left out. */
function compactForm(written: string): string {
  let compact = ''
  let from = 0
  for (let i = 0; i <= written.length; i++) {
    if (i < written.length && isAsciiAlphanumeric(written.charCodeAt(i))) continue
    if (i > from) compact += written.slice(from, i)
    from = i + 1
  }
  return compact.toUpperCase()
}

/** Weak values, by what stands after them. */
function lift(search: Search, compact: string, rows: readonly Row[], { text, alone }: After): readonly { score: number; entity: string }[] {
  const { minScore } = search.segment
  const contexts = contextsAfter(search, text)
  if (contexts.size === 0 && !alone) return NOTHING_LIFTED
  const found: { score: number; entity: string }[] = []
  for (const { identifier, score } of rows) {
    const boost = contexts.has(identifier.entity) ? NEAR_BOOST : alone ? ALONE_BOOST : 0
    if (score + boost >= minScore && identifier.valid(compact)) found.push({ score: score + boost, entity: identifier.entity })
  }
  return found
}

const NOTHING_LIFTED: readonly never[] = []

function contextsAfter(search: Search, text: string): Contexts {
  if (search.after?.text !== text) search.after = { text, contexts: search.index.lexicon.after(text) }
  return search.after.contexts
}

/** Units between the group that begins at `groups[at]` and the one before. */
const gapBefore = (groups: Int32Array, at: number): number => groups[at]! - groups[at - 1]!

/** A code before its label is as long as this and has five digits: anything may be said of a short number. */
const SHORTEST_BEFORE_LABEL = 6
const DIGITS_OF_LONG = 5
/** Between a code and its label behind it. */
const COPULA = /^["')\]’”»]{0,2} (?:is|was|as|are|ist|war|als|est|es|è) /u

/** `- . / _` */
const isCodeSign = (unit: number): boolean => unit === 0x2d || unit === 0x2e || unit === 0x2f || unit === 0x5f

/** End of the code that begins with group `from`, its groups joined by single signs; 0 if there is none. */
function codeEnd({ outline: { groups, groupsEnd, kinds }, units, base }: Segment, from: number): number {
  const start = groups[from]!
  // The middle of a code: it was looked at from its first group.
  const before = units[base + start - 1]!
  if (from > 0 && gapBefore(groups, from) === 1 && isCodeSign(before) && before !== UNDERSCORE) return 0
  let to = from + 1
  let found = kinds[from >> 1]!
  while (to + 2 < groupsEnd && gapBefore(groups, to + 1) === 1 && isCodeSign(units[base + groups[to]!]!)) {
    to += 2
    found |= kinds[to >> 1]!
  }
  const end = groups[to]!
  if (end - start < SHORTEST_CODE || end - start > LONGEST || units[base + end] === AT) return 0
  return (found & DIGIT) !== 0 ? end : 0
}

const AT = 0x40
const UNDERSCORE = 0x5f

/** A code directly after its label. @param contexts null if no phrase ends directly before it. */
function labelledCode(search: Search, start: number, end: number, contexts: Contexts | null): void {
  if (contexts === null || !hasLabel(contexts)) {
    codeBeforeLabel(search, start, end)
    return
  }
  const code = search.segment.text.slice(start, end).toUpperCase()
  if (YEAR.test(code) && !ANNOUNCING.test(search.segment.rawContext(start, LONGEST_SEPARATOR))) return
  for (const { entity, score } of labelledRows(search.index, contexts, code)) search.matches.push({ start, end, score, entity })
}

/** `The account for 2023`, but `MRN: 2023`. */
const YEAR = /^(?:19|20)\d\d$/u
const ANNOUNCING = /[:=#.(>|"'][ \t\n]?["'(]?$/u

function hasLabel(contexts: Contexts): boolean {
  for (const [name, distance] of contexts) if (distance < AWAY && isLabel(name)) return true
  return false
}

/** `912803456 is my passport number`, where nothing but a quote can stand between. */
function codeBeforeLabel(search: Search, start: number, end: number): void {
  const { text, units, base } = search.segment
  if (text.length - end > 1 || end - start < SHORTEST_BEFORE_LABEL || digitsIn(units, base + start, base + end) < DIGITS_OF_LONG) return
  const resolve = ({ text: after }: After): readonly LabelledRow[] =>
    COPULA.test(after) ? labelledRows(search.index, contextsAfter(search, after), text.slice(start, end).toUpperCase()) : NOTHING_LIFTED
  search.matches.push({ start, end, score: 0, resolve })
}

function digitsIn(units: Uint16Array, from: number, to: number): number {
  let digits = 0
  for (let i = from; i < to; i++) if (units[i]! >= 0x30 && units[i]! <= 0x39) digits++
  return digits
}

/** What the labels directly beside a code say of it. */
function labelledRows({ labelled }: IdentifierIndex, contexts: Contexts, code: string): readonly LabelledRow[] {
  return labelled.filter(
    ({ label, not, pattern }) => (contexts.get(label) ?? AWAY) < AWAY && (contexts.get(not) ?? AWAY) >= AWAY && pattern.test(code),
  )
}
