import { RedoubtError } from '#foundation/core'
import { FingerprintCollector } from './fingerprint-table.ts'
import { EMPTY_SOURCE, type FingerprintSource } from './fingerprint-source.ts'
import type { FingerprintKey } from './keyed-hash.ts'
import { LetterReader } from './letter-reader.ts'
import { PassageReader } from './read-documents.ts'
import { MOST_WORDS, WordReader } from './words.ts'

export type Cell = string | number | null

/** Columns that a table has at least: with fewer, a row is no combination. Its long texts are protected all the same. */
export const FEWEST_COLUMNS = 3
/** Words of one fingerprint of a row, at least; more where cells are long, or words short. */
const FEWEST_WORDS = 5
/** Cells that it reaches over at least, and its letters and digits: short common values alone are no row. */
const FEWEST_CELLS = 3
/** Cells of usual length that it is made for. */
const USUAL_CELLS = 4
const FEWEST_LETTERS = 12
/** Rows from which the number of words is taken. */
const SAMPLE = 64
/** What more rows have in common points at none of them. */
const MOST_ROWS_ALIKE = 3
/** Fingerprints of one table at most, before those in common are dropped. */
const MOST_FINGERPRINTS = 24_000_000
/** What stands for a missing value, or between cells, in JSON and HTML. */
const BETWEEN_CELLS = 'null none nan na undefined true false td tr th br'

/**
 * A table, row by row. A fingerprint is made of five neighbouring words or more that reach over three columns and have twelve letters and digits
 * together; one that more than three rows have is dropped. Names of columns are passed over, so that CSV, JSON, `name: value` and tables read alike.
 */
export class RowsReader {
  rows = 0
  readonly #key: FingerprintKey
  readonly #passages: PassageReader
  readonly #fingerprints = new FingerprintCollector()
  readonly #skipped: ReadonlySet<number>
  readonly #columns: number
  /** Words of one fingerprint; 0 until that is known, and where rows are none. */
  #rowWords = 0
  #sample: (readonly Cell[])[] = []
  #sampled = false
  readonly #words: WordReader
  readonly #reader: LetterReader
  /** The cell of each of the last words, by word number. */
  readonly #cells = new Int32Array(16)
  #cell = 0
  #kept = 0

  constructor(key: FingerprintKey, columns: readonly string[]) {
    this.#key = key
    this.#passages = new PassageReader(key)
    this.#columns = columns.length
    this.#skipped = wordsOf(key, [...columns, BETWEEN_CELLS])
    this.#words = new WordReader(key)
    const words = this.#words
    this.#reader = new LetterReader({
      letter: (letter, start, end, small) => words.letter(letter, start, end, small),
      gap: () => {
        if (words.gap()) this.#word()
      },
    })
  }

  /** @throws {RedoubtError} `ERR_INPUT_TOO_LARGE`. */
  add(values: readonly Cell[]): void {
    this.rows++
    if (this.#sampled) return this.#take(values)
    this.#sample.push(values)
    if (this.#sample.length === SAMPLE) this.#measure()
  }

  finish(): FingerprintSource {
    if (!this.#sampled) this.#measure()
    return {
      ...EMPTY_SOURCE,
      kind: 'data',
      passages: this.#passages.fingerprints.finishRare(MOST_ROWS_ALIKE),
      rows: this.#fingerprints.finishRare(MOST_ROWS_ALIKE),
      rowWords: this.#rowWords,
      skipped: Int32Array.from(this.#skipped),
    }
  }

  #take(values: readonly Cell[]): void {
    this.#words.reset()
    this.#kept = 0
    for (let cell = 0; cell < values.length; cell++) {
      const value = values[cell]
      if (value === null || value === undefined) continue
      const text = textOf(value)
      this.#cell = cell
      if (this.#rowWords > 0) {
        this.#reader.push(text)
        this.#reader.end()
      }
      if (typeof value !== 'string') continue
      this.#passages.push(value)
      this.#passages.end()
    }
    if (this.#fingerprints.size + this.#passages.fingerprints.size > MOST_FINGERPRINTS)
      throw new RedoubtError('ERR_INPUT_TOO_LARGE', `a protected data set has at most ${MOST_FINGERPRINTS} fingerprints: protect its parts`)
  }

  /** Chooses the number of words by the first rows, and takes these in. */
  #measure(): void {
    this.#sampled = true
    const sample = this.#sample
    this.#sample = []
    if (this.#columns >= FEWEST_COLUMNS) {
      let cells = 0
      let words = 0
      let letters = 0
      for (const row of sample)
        for (const value of row) {
          if (value === null) continue
          cells++
          for (const word of textOf(value).match(/[\p{L}\p{N}]+/gu) ?? []) {
            words++
            letters += word.length
          }
        }
      const wanted = Math.max(FEWEST_WORDS, Math.ceil((USUAL_CELLS * words) / cells) + 1, Math.ceil((FEWEST_LETTERS * words) / letters))
      const inRow = Math.round(words / Math.max(1, sample.length))
      this.#rowWords = Number.isFinite(wanted) ? Math.max(FEWEST_COLUMNS, Math.min(wanted, MOST_WORDS, inRow - 1)) : 0
    }
    for (const row of sample) this.#take(row)
  }

  #word(): void {
    const { ring } = this.#words
    if (this.#skipped.has(ring.lastHash)) {
      ring.count--
      return
    }
    this.#cells[this.#kept++ % 16] = this.#cell
    const words = this.#rowWords
    if (this.#kept < words) return
    let cells = 1
    for (let i = this.#kept - words + 1; i < this.#kept; i++) if (this.#cells[i % 16] !== this.#cells[(i - 1) % 16]) cells++
    if (cells < FEWEST_CELLS || ring.sizeOf(words) < FEWEST_LETTERS) return
    ring.gram(words)
    this.#key.hash.digest(ring.lane1, ring.lane2)
    this.#fingerprints.add(this.#key.hash.high, this.#key.hash.low)
  }
}

const textOf = (value: string | number): string => (typeof value === 'string' ? value : Number.isNaN(value) ? '' : String(value))

function wordsOf(key: FingerprintKey, texts: readonly string[]): ReadonlySet<number> {
  const hashes = new Set<number>()
  const words = new WordReader(key)
  const reader = new LetterReader({
    letter: (letter, start, end, small) => words.letter(letter, start, end, small),
    gap: () => {
      if (words.gap()) hashes.add(words.ring.lastHash)
    },
  })
  for (const text of texts) {
    reader.push(text)
    reader.end()
  }
  return hashes
}
