import type { AuditEvent } from '#foundation/core'
import { Rate, type SpanUnderWay } from './rate.ts'

const HOUR_MS = 3_600_000
/** Of one caller; the one not used for longest is forgotten. */
const MAX_DATA_SETS = 128
/** A name is what an administrator gave, yet nothing from outside is kept without a bound. */
const MAX_NAME = 160

type Saved = readonly [bins: readonly number[], span: SpanUnderWay, dataSets: readonly string[], firstUsedAt: number | null]

/** What is usual of one caller's use of data keys: how many an hour, and of which data sets. */
export class KeyUse {
  readonly #inHour = new Rate()
  /** In the order of their last use. */
  readonly #dataSets = new Set<string>()
  #firstUsedAt = Number.NEGATIVE_INFINITY

  /** More keys than this in one hour come in one busy hour of a hundred; 0 while nothing is known. */
  get ordinary(): number {
    return this.#inHour.ordinary
  }

  /** @param keys that were used, those from memory included. @param learning whether a data set of now is usual from the first. */
  note(dataSet: string, keys: number, at: number, learning: boolean, weight: number): void {
    this.#inHour.add(Math.floor(at / HOUR_MS), weight, keys)
    const name = dataSet.slice(0, MAX_NAME)
    if (!this.#dataSets.delete(name) && !learning) this.#firstUsedAt = at
    this.#dataSets.add(name)
    if (this.#dataSets.size > MAX_DATA_SETS) for (const oldest of this.#dataSets) return void this.#dataSets.delete(oldest)
  }

  /** How many times its ordinary number of keys the caller has used in the hour under way. @param least that counts as a number at all. */
  excess(at: number, least: number): number {
    return this.#inHour.countIn(Math.floor(at / HOUR_MS)) / Math.max(least, this.#inHour.ordinary)
  }

  /** Milliseconds since the keys of a data set were used that had not been before. */
  sinceFirstUse(at: number): number {
    return at - this.#firstUsedAt
  }

  save(unit: number): Saved {
    const firstUsedAt = Number.isFinite(this.#firstUsedAt) ? this.#firstUsedAt : null
    return [this.#inHour.save(unit), this.#inHour.saveSpan(unit), [...this.#dataSets], firstUsedAt]
  }

  restore([bins, span, dataSets, firstUsedAt]: Saved, unit: number): void {
    this.#inHour.restore(bins, unit)
    this.#inHour.restoreSpan(span, unit)
    for (const name of dataSets.slice(-MAX_DATA_SETS)) this.#dataSets.add(name)
    this.#firstUsedAt = firstUsedAt ?? Number.NEGATIVE_INFINITY
  }
}

/** The uses of data keys of data sets that an event tells of, those that the cache served included; 0 for any other event. */
export function keysUsed({ type, outcome, details }: AuditEvent): number {
  if (type !== 'key.unwrap' || outcome !== 'success' || details?.['keyClass'] !== 'dataset') return 0
  const hits = details['cacheHits']
  return (details['cached'] === true ? 0 : 1) + (typeof hits === 'number' && hits > 0 ? hits : 0)
}
