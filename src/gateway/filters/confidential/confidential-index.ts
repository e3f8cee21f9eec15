import { BitFilter } from './bit-filter.ts'
import { BOILERPLATE_DOCUMENTS, withoutBoilerplate } from './boilerplate.ts'
import type { ConfidentialEntity } from './entities.ts'
import { type Fingerprints, FingerprintTable } from './fingerprint-table.ts'
import type { FingerprintSource } from './fingerprint-source.ts'
import type { FingerprintKey } from './keyed-hash.ts'
import { CAPITAL_MARKINGS, MARKINGS } from './markings.ts'
import { TermsReader } from './read-terms.ts'
import { BUCKETS } from './sentence-reader.ts'
import type { TextModel } from './text-model.ts'

/** A table whose hits mean different entities. */
export interface EntityTable {
  readonly table: FingerprintTable
  /** By number of source. */
  readonly entities: readonly ConfidentialEntity[]
  /** Whether words count in capitals alone, by number of source. */
  readonly capitals: readonly boolean[]
}

/** The rows of one data set. */
export interface RowTable {
  readonly table: FingerprintTable
  readonly words: number
  readonly skipped: ReadonlySet<number>
}

/** Everything that is registered, ready to be looked up. Never changes: what is registered later makes another. */
export interface ConfidentialIndex {
  readonly key: FingerprintKey
  readonly passages: EntityTable
  readonly terms: EntityTable
  readonly termTails: BitFilter
  /** Words of the longest term. */
  readonly longestTerm: number
  readonly rows: readonly RowTable[]
  readonly canaries: FingerprintTable
  readonly canaryTails: BitFilter
  /** Of passages, made from examples; null where none was trained. */
  readonly classifier: TextModel | null
  /** Memory of the tables. */
  readonly bytes: number
  /** Passages of documents and long texts that are looked for, by source: what is public or boilerplate is not. */
  readonly lookedFor: ReadonlyMap<FingerprintSource, number>
}

const termsOf = (key: FingerprintKey, terms: readonly string[]): FingerprintSource => {
  const reader = new TermsReader(key)
  reader.push(terms.join('\n'))
  return reader.finish()
}

export interface IndexOptions {
  readonly classifier?: TextModel | null
  /** Documents that share what is none of theirs, at least; 0 where all of it is looked for. */
  readonly boilerplate?: number | undefined
}

/** @param sources what is registered; markings are found without. */
export function confidentialIndex(
  key: FingerprintKey,
  sources: readonly FingerprintSource[],
  { classifier = null, boilerplate = BOILERPLATE_DOCUMENTS }: IndexOptions = {},
): ConfidentialIndex {
  const marked = [termsOf(key, MARKINGS), termsOf(key, CAPITAL_MARKINGS)]
  const open = tableOf(
    sources.filter(({ kind }) => kind === 'public'),
    (source) => source.passages,
  )
  const passages = sources.filter(({ kind, passages }) => kind !== 'public' && passages.high.length > 0)
  const documents = passages.filter(({ kind }) => kind === 'document')
  const ownOf = new Map<FingerprintSource, Fingerprints>(passages.map((source) => [source, source.passages]))
  const own = withoutBoilerplate(documents.map((source) => source.passages), boilerplate) // prettier-ignore
  for (const [i, source] of documents.entries()) ownOf.set(source, own[i]!)
  if (open.size > 0) for (const [source, kept] of ownOf) ownOf.set(source, without(kept, open))
  const lists = [...marked, ...sources.filter((source) => source.terms.high.length > 0)]
  const rows = sources.filter((source) => source.rows.high.length > 0)
  const canaries = sources.filter((source) => source.kind === 'canary')
  const index = {
    key,
    passages: {
      table: tableOf(passages, (source) => ownOf.get(source)!),
      entities: passages.map(({ kind }): ConfidentialEntity => (kind === 'data' ? 'TRAINING_DATA' : 'CONFIDENTIAL_DOCUMENT')),
      capitals: passages.map(() => false),
    },
    terms: {
      table: tableOf(lists, ({ terms }) => terms),
      entities: lists.map((_, i): ConfidentialEntity => (i < marked.length ? 'CONFIDENTIAL_MARKING' : 'CONFIDENTIAL_TERM')),
      capitals: lists.map((_, i) => i === 1),
    },
    termTails: new BitFilter(lists.map(({ tails }) => tails)),
    longestTerm: lists.reduce((longest, source) => Math.max(longest, source.longest), 0),
    rows: rows.map((source) => ({
      table: new FingerprintTable([source.rows]),
      words: source.rowWords,
      skipped: new Set(source.skipped),
    })),
    canaries: tableOf(canaries, (source) => source.canaries),
    canaryTails: new BitFilter(canaries.map(({ tails }) => tails)),
    classifier,
  }
  const tables = [index.passages.table, index.terms.table, index.canaries, ...index.rows.map(({ table }) => table)]
  const bytes = tables.reduce((sum, table) => sum + table.bytes, index.termTails.bytes + index.canaryTails.bytes)
  const lookedFor = new Map([...ownOf].map(([source, { high }]) => [source, high.length]))
  return { ...index, bytes: bytes + (classifier === null ? 0 : BUCKETS), lookedFor }
}

function without({ high, low }: Fingerprints, open: FingerprintTable): Fingerprints {
  const kept = [...high.keys()].filter((i) => open.find(high[i]!, low[i]!) < 0)
  return { high: Uint32Array.from(kept, (i) => high[i]!), low: Uint32Array.from(kept, (i) => low[i]!) }
}

const tableOf = (sources: readonly FingerprintSource[], pick: (source: FingerprintSource) => Fingerprints): FingerprintTable =>
  new FingerprintTable(sources.map((source) => pick(source)))
