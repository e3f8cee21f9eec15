/** Keyed hashes of one source, as they are kept: unsigned halves. */
export interface Fingerprints {
  readonly high: Uint32Array
  readonly low: Uint32Array
}

export const NO_FINGERPRINTS: Fingerprints = { high: new Uint32Array(0), low: new Uint32Array(0) }

/** Collects fingerprints; memory is at most twice what it holds. */
export class FingerprintCollector {
  size = 0
  #high = new Uint32Array(256)
  #low = new Uint32Array(256)

  add(high: number, low: number): void {
    if (this.size === this.#high.length) {
      this.#high = grown(this.#high)
      this.#low = grown(this.#low)
    }
    this.#high[this.size] = high
    this.#low[this.size++] = low
  }

  /** @returns each once, in ascending order. */
  finish(): Fingerprints {
    return distinct(this.#high.subarray(0, this.size), this.#low.subarray(0, this.size), Number.POSITIVE_INFINITY)
  }

  /** @returns those that were added at most `most` times, each once, in ascending order. */
  finishRare(most: number): Fingerprints {
    return distinct(this.#high.subarray(0, this.size), this.#low.subarray(0, this.size), most)
  }
}

function grown(old: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * old.length)
  larger.set(old)
  return larger
}

function distinct(high: Uint32Array, low: Uint32Array, most: number): Fingerprints {
  const both = new BigUint64Array(high.length)
  const halves = new Uint32Array(both.buffer)
  // Little-endian, as every platform that this runs on.
  for (let i = 0; i < high.length; i++) {
    halves[2 * i] = low[i]!
    halves[2 * i + 1] = high[i]!
  }
  both.sort()
  let size = 0
  for (let i = 0; i < high.length;) {
    let end = i + 1
    while (end < high.length && both[end] === both[i]) end++
    if (end - i <= most) both[size++] = both[i]!
    i = end
  }
  return {
    high: Uint32Array.from({ length: size }, (_, i) => halves[2 * i + 1]!),
    low: Uint32Array.from({ length: size }, (_, i) => halves[2 * i]!),
  }
}

/**
 * The fingerprints of many sources, looked up in constant time: sorted by hash, with an index of where each prefix begins. The hashes are uniform, so that
 * a prefix holds about one; most look-ups end at the index. 14 bytes a fingerprint at the most full, 18 at the least.
 */
export class FingerprintTable {
  readonly size: number
  readonly #high: Uint32Array
  readonly #low: Uint32Array
  readonly #sources: Uint16Array
  /** Where the fingerprints of each prefix begin, and one more. */
  readonly #begins: Uint32Array
  readonly #shift: number

  /** @param sources by number, which has 16 bits: at most 65,535. */
  constructor(sources: readonly Fingerprints[]) {
    let size = 0
    for (const { high } of sources) size += high.length
    const bits = Math.max(1, Math.ceil(Math.log2(size + 1)))
    this.size = size
    this.#shift = 32 - bits
    this.#high = new Uint32Array(size)
    this.#low = new Uint32Array(size)
    this.#sources = new Uint16Array(size)
    const begins = new Uint32Array((1 << bits) + 1)
    for (const { high } of sources) for (let i = 0; i < high.length; i++) begins[(high[i]! >>> this.#shift) + 1]!++
    for (let prefix = 1; prefix < begins.length; prefix++) begins[prefix]! += begins[prefix - 1]!
    this.#begins = begins
    const next = begins.slice()
    sources.forEach(({ high, low }, source) => {
      for (let i = 0; i < high.length; i++) {
        const at = next[high[i]! >>> this.#shift]!++
        this.#high[at] = high[i]!
        this.#low[at] = low[i]!
        this.#sources[at] = source
      }
    })
  }

  get bytes(): number {
    return this.#high.byteLength + this.#low.byteLength + this.#sources.byteLength + this.#begins.byteLength
  }

  /** @returns the place of the first fingerprint that is these halves, or -1. */
  find(high: number, low: number): number {
    const prefix = high >>> this.#shift
    return this.#findFrom(this.#begins[prefix]!, high, low)
  }

  /** @returns the place of the next one after `place` with the same halves, of another source; or -1. */
  next(place: number): number {
    return this.#findFrom(place + 1, this.#high[place]!, this.#low[place]!)
  }

  sourceAt(place: number): number {
    return this.#sources[place]!
  }

  #findFrom(from: number, high: number, low: number): number {
    const end = this.#begins[(high >>> this.#shift) + 1]!
    for (let at = from; at < end; at++) if (this.#high[at] === high && this.#low[at] === low) return at
    return -1
  }
}
