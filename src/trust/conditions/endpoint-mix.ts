import { hourOf } from './rate.ts'

/** What a request may add at most: of what was never asked for the surprise has no bound. Bits. */
const MOST_BITS = 8
/** By so much more than usual must a request surprise before it counts: mixes vary. */
const SLACK_BITS = 1
/** Half of what was unusual is forgotten: a working day's half, so that who asks thrice an hour is judged by a dozen requests. */
const HALF_LIFE_MS = 6 * 60 * 60 * 1000
/** A job of a busy caller is one thing, however many requests of the hour are of it. Bits. */
const MOST_OF_A_BUSY_HOUR = 6
/** As if each had been asked for in half a slot. */
const PRIOR = 0.5

/**
 * Whether a caller asks for its usual things in its usual mix: how much more than usual its last requests surprise, by what it asked for
 * before. A cumulative sum of the surprise over the entropy of its habit, so that a few requests tell, however few there are an hour.
 * @see E. S. Page, Continuous Inspection Schemes, Biometrika 41 (1954)
 */
export class EndpointMix {
  /** Sum of the weights of all endpoints, and of weight times its logarithm. */
  #total = 0
  #weighted = 0
  #bits = 0
  #at = 0
  #lastName = ''
  #lastSlot = -1
  #hour = -1
  #bitsInHour = 0

  /** Takes note of a weight that changes. */
  change(before: number, after: number): void {
    this.#total = Math.max(0, this.#total + after - before)
    this.#weighted += weighted(after) - weighted(before)
  }

  /**
   * The bits by which the last requests were more surprising than usual, with one more; 0 for the usual mix.
   * @param weight of what is asked for. @param unit what one slot weighs. @param counted whether it was asked for in this slot before.
   * @param busy whether the caller makes many requests in an hour.
   */
  with(name: string, weight: number, slot: number, at: number, unit: number, counted: boolean, busy: boolean): number {
    const bits = this.#bits === 0 ? 0 : this.#bits * 2 ** (-Math.max(0, at - this.#at) / HALF_LIFE_MS)
    if (counted || this.#total <= 0 || (name === this.#lastName && slot === this.#lastSlot)) return bits
    const entropy = Math.log2(this.#total) - this.#weighted / this.#total
    const surprise = Math.min(MOST_BITS, -Math.log2((weight + PRIOR * unit) / (this.#total + PRIOR * unit)))
    const more = surprise - entropy - SLACK_BITS
    const most = busy ? MOST_OF_A_BUSY_HOUR - (hourOf(slot) === this.#hour ? this.#bitsInHour : 0) : MOST_BITS
    return Math.max(0, bits + Math.min(more, most))
  }

  /** @param bits what `with` said of the request that was made. */
  note(name: string, slot: number, at: number, bits: number): void {
    const hour = hourOf(slot)
    this.#bitsInHour = Math.max(0, bits - this.#bits) + (hour === this.#hour ? this.#bitsInHour : 0)
    this.#hour = hour
    this.#bits = bits
    this.#at = at
    this.#lastName = name
    this.#lastSlot = slot
  }

  save(): readonly [bits: number, at: number] {
    return [Math.round(this.#bits * 1_000) / 1_000, this.#at]
  }

  restore([bits, at]: readonly [bits: number, at: number]): void {
    this.#bits = bits
    this.#at = at
  }
}

const weighted = (weight: number): number => (weight > 0 ? weight * Math.log2(weight) : 0)
