/** Half octaves: up to 2^20 requests. */
const BINS = 41
/** The share of busy spans in which a caller asks for less than its ordinary rate. */
const ORDINARY_SHARE = 0.99

/** A second span for rates, beside the slot: who asks seldom asks in bursts, and is fast only by the hour. */
const SLOTS_OF_HOUR = 12

/** The hour, since the epoch, that a slot of five minutes lies in. */
export const hourOf = (slot: number): number => Math.floor(slot / SLOTS_OF_HOUR)

export type SpanUnderWay = readonly [span: number, count: number, weight: number]

/** How many requests of one caller come in spans of one length: the span under way, and a decayed histogram of those before. */
export class Rate {
  readonly #bins = new Float64Array(BINS)
  #span = -1
  #count = 0
  #weight = 0
  #ordinary = 0

  /** More requests than this come in one busy span of a hundred; 0 while none is over. */
  get ordinary(): number {
    return this.#ordinary
  }

  /** Requests in this span so far. @param span the number of the span since the epoch. */
  countIn(span: number): number {
    return span === this.#span ? this.#count : 0
  }

  /** Counts requests, or whatever it is the rate of. @param weight of the span, in the units of the caller's habits. */
  add(span: number, weight: number, count = 1): void {
    if (span > this.#span) {
      if (this.#count > 0 && this.#weight > 0) {
        this.#bins[binOf(this.#count)]! += this.#weight
        this.#ordinary = quantile(this.#bins)
      }
      this.#span = span
      this.#count = 0
      this.#weight = 0
    }
    this.#count += count
    if (weight > this.#weight) this.#weight = weight
  }

  /** @param unit what the weights are divided by. */
  save(unit: number): number[] {
    return Array.from(this.#bins, (weight) => Math.round((weight / unit) * 1_000) / 1_000)
  }

  /** The span under way, so that a restart does not begin it anew. */
  saveSpan(unit: number): SpanUnderWay {
    return [this.#span, this.#count, Math.round((this.#weight / unit) * 1_000) / 1_000]
  }

  restoreSpan([span, count, weight]: SpanUnderWay, unit: number): void {
    this.#span = span
    this.#count = count
    this.#weight = weight * unit
  }

  restore(bins: readonly number[], unit: number): void {
    for (let bin = 0; bin < BINS; bin++) this.#bins[bin] = (bins[bin] ?? 0) * unit
    this.#ordinary = quantile(this.#bins)
  }
}

const binOf = (count: number): number => Math.min(BINS - 1, Math.floor(2 * Math.log2(count)))

/** The upper edge of the bin that the ordinary share of busy spans does not exceed. */
function quantile(bins: Float64Array): number {
  let all = 0
  for (const weight of bins) all += weight
  let above = 0
  for (let bin = BINS - 1; bin >= 0; bin--) {
    above += bins[bin]!
    if (above > (1 - ORDINARY_SHARE) * all) return 2 ** ((bin + 1) / 2)
  }
  return 0
}
