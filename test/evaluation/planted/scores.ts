import type { PlantedDocument } from './documents.ts'

export interface FoundSpan {
  readonly start: number
  readonly end: number
  readonly entity: string
}

/** True positives, false positives and false negatives, in spans, tokens or characters. */
export interface Tally {
  tp: number
  fp: number
  fn: number
}

export const emptyTally = (): Tally => ({ tp: 0, fp: 0, fn: 0 })

export interface Measure {
  readonly precision: number
  readonly recall: number
  /** F with recall worth twice precision, as Presidio reports it. */
  readonly f2: number
}

export function measure({ tp, fp, fn }: Tally): Measure {
  const precision = tp + fp === 0 ? 1 : tp / (tp + fp)
  const recall = tp + fn === 0 ? 1 : tp / (tp + fn)
  return { precision, recall, f2: precision + recall === 0 ? 0 : (5 * precision * recall) / (4 * precision + recall) }
}

export interface DocumentScores {
  readonly spans: Tally
  readonly characters: Tally
  /** Tokens as Presidio's evaluator counts them: each has the entity of the span it is in, or none. */
  readonly tokens: Tally
  readonly byEntity: ReadonlyMap<string, Tally>
}

/** Entities that name the same value in more detail: `US_PASSPORT` for `PASSPORT`, and parts of an address. */
const SAME: Readonly<Record<string, readonly string[]>> = {
  PASSPORT: ['US_PASSPORT', 'IN_PASSPORT', 'UK_PASSPORT', 'IT_PASSPORT', 'DE_PASSPORT', 'ES_PASSPORT'],
  PHONE_NUMBER: ['PH_MOBILE', 'TR_PHONE'],
}

const names = (wanted: string, found: string): boolean => wanted === found || (SAME[wanted]?.includes(found) ?? false)

/** A span is found when a finding of its entity covers half of it at least and is not twice its size. */
export function scoreDocument({ text, spans }: PlantedDocument, found: readonly FoundSpan[]): DocumentScores {
  const scores = { spans: emptyTally(), characters: emptyTally(), tokens: emptyTally(), byEntity: new Map<string, Tally>() }
  const tallyOf = (entity: string): Tally => {
    const tally = scores.byEntity.get(entity) ?? emptyTally()
    scores.byEntity.set(entity, tally)
    return tally
  }
  const used = new Set<FoundSpan>()
  for (const span of spans) {
    const match = found.find((finding) => names(span.entity, finding.entity) && isSame(span, finding) && !used.has(finding))
    if (match) used.add(match)
    for (const tally of [scores.spans, tallyOf(span.entity)]) tally[match ? 'tp' : 'fn']++
  }
  for (const finding of found) if (!used.has(finding)) for (const tally of [scores.spans, tallyOf(finding.entity)]) tally.fp++
  const entityAt = (list: readonly FoundSpan[], at: number): string | null =>
    list.find(({ start, end }) => at >= start && at < end)?.entity ?? null
  for (let i = 0; i < text.length; i++) count(scores.characters, entityAt(spans, i), entityAt(found, i))
  for (const { index } of text.matchAll(/[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu))
    count(scores.tokens, entityAt(spans, index), entityAt(found, index))
  return scores
}

function isSame(span: FoundSpan, finding: FoundSpan): boolean {
  const common = Math.min(span.end, finding.end) - Math.max(span.start, finding.start)
  const size = span.end - span.start
  return common * 2 >= size && finding.end - finding.start <= size * 2
}

function count(tally: Tally, wanted: string | null, got: string | null): void {
  if (wanted !== null && got !== null && names(wanted, got)) tally.tp++
  else {
    if (got !== null) tally.fp++
    if (wanted !== null) tally.fn++
  }
}

export function addTally(into: Tally, other: Tally): void {
  into.tp += other.tp
  into.fp += other.fp
  into.fn += other.fn
}
