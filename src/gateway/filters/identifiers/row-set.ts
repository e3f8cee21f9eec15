import { ADJACENT, type Contexts } from '../contexts.ts'
import type { Identifier } from './identifier.ts'

/** What words near a value add to its score: directly before it, or elsewhere in its context. */
const ADJACENT_BOOST = 0.5
export const NEAR_BOOST = 0.4

/** A form of some kind of number, with its score. */
export interface Row {
  readonly identifier: Identifier
  readonly score: number
}

/** Rows as their scores part them: what counts if its checks hold, and what may count yet by what stands behind it. */
export interface Parted {
  readonly sure: readonly Row[]
  readonly weak: readonly Row[]
}

/** The rows of one layout. */
export class RowSet {
  readonly rows: readonly Row[]
  readonly #entities: ReadonlySet<string>
  #minScore = Number.NaN
  /** By what all scores are lowered by, of which there are a handful. */
  readonly #parted = new Map<number, Parted>()

  constructor(rows: readonly Row[]) {
    this.rows = rows
    this.#entities = new Set(rows.map(({ identifier }) => identifier.entity))
  }

  /** Whether a word near announces one of them, so that scores differ by row. */
  isAnnounced(contexts: Contexts): boolean {
    for (const name of contexts.keys()) if (this.#entities.has(name)) return true
    return false
  }

  /** Scores with `boost`, for rows that nothing announces. */
  parted(boost: number, minScore: number): Parted {
    if (minScore !== this.#minScore) this.#parted.clear()
    this.#minScore = minScore
    const known = this.#parted.get(boost)
    if (known !== undefined) return known
    const scored = this.rows.map(({ identifier, score }) => ({ identifier, score: Math.min(1, score + boost) }))
    const made = {
      sure: scored.filter(({ score }) => score >= minScore),
      weak: scored.filter(({ score }) => score < minScore && mayWait(score, minScore)),
    }
    this.#parted.set(boost, made)
    return made
  }
}

const mayWait = (score: number, minScore: number): boolean => score + NEAR_BOOST >= minScore

/** Rows some of which a word near announces. */
export function part(rows: readonly Row[], otherwise: number, contexts: Contexts, minScore: number): Parted {
  const sure: Row[] = []
  const weak: Row[] = []
  for (const { identifier, score: own } of rows) {
    const distance = contexts.size === 0 ? undefined : contexts.get(identifier.entity)
    const boost = distance === undefined ? otherwise : distance === ADJACENT ? ADJACENT_BOOST : NEAR_BOOST
    const score = Math.min(1, own + boost)
    if (score >= minScore) sure.push({ identifier, score })
    else if (distance === undefined && mayWait(score, minScore)) weak.push({ identifier, score })
  }
  return { sure, weak }
}
