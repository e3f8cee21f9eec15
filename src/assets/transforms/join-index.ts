import { RedoubtError } from '#foundation/core'
import type { RowGroup } from '#assets/datasets'
import type { PlannedStep } from './plan.ts'
import { isMissing } from './rows.ts'

type Join = Extract<PlannedStep, { kind: 'join' }>
type Cell = number | string | null

/** What a joined data set may take in memory. */
export interface JoinBounds {
  readonly rows: number
  /** Of keys and taken columns, as they are counted here. */
  readonly bytes: number
}
export const JOIN_BOUNDS: JoinBounds = { rows: 2_000_000, bytes: 256 * 2 ** 20 }
/** A row's place in the index, and what a text costs beside its characters. */
const ROW_BYTES = 64
const TEXT_BYTES = 32

/** A joined data set by its keys, with the columns that are taken. Two missing keys are not equal. */
export class JoinIndex {
  readonly #join: Join
  readonly #bounds: JoinBounds
  readonly #columns: Cell[][]
  readonly #rows = new Map<string, number[]>()
  #count = 0
  #bytes = 0

  constructor(join: Join, bounds: JoinBounds) {
    this.#join = join
    this.#bounds = bounds
    this.#columns = join.taken.map(() => [])
  }

  /** @throws {RedoubtError} `ERR_TRANSFORM_LIMIT` for more than the bounds. */
  add(group: RowGroup): void {
    const keys = this.#join.keys.map(({ there }) => group.columns[there]!)
    const taken = this.#join.taken.map(({ position }) => group.columns[position]!)
    for (let row = 0; row < group.rows; row++) {
      const key = keyOf(keys, row)
      if (key === null) continue
      const place = this.#count++
      taken.forEach(({ values }, i) => {
        const cell = values[row] ?? null
        this.#columns[i]!.push(isMissing(cell) ? null : cell)
        this.#bytes += typeof cell === 'string' ? TEXT_BYTES + 2 * cell.length : 8
      })
      this.#bytes += ROW_BYTES + 2 * key.length
      const places = this.#rows.get(key)
      if (places) places.push(place)
      else this.#rows.set(key, [place])
      if (this.#count > this.#bounds.rows || this.#bytes > this.#bounds.bytes)
        throw new RedoubtError(
          'ERR_TRANSFORM_LIMIT',
          `${this.#join.place}: what is joined is held in memory, at most ${this.#bounds.rows} rows and ${this.#bounds.bytes} bytes`,
        )
    }
  }

  /** Places of the rows that equal a row of a group by its keys. */
  matches(group: RowGroup, row: number): readonly number[] {
    const key = keyOf(
      this.#join.keys.map(({ here }) => group.columns[here]!),
      row,
    )
    return key === null ? NONE : (this.#rows.get(key) ?? NONE)
  }

  /** A cell of a taken column; null for no row. */
  cell(column: number, place: number): Cell {
    return place < 0 ? null : this.#columns[column]![place]!
  }
}

const NONE: readonly number[] = []

/** A text that two keys share if and only if they are equal; null where one is missing. */
function keyOf(columns: readonly RowGroup['columns'][number][], row: number): string | null {
  let key = ''
  for (const { values } of columns) {
    const cell = values[row] ?? null
    if (isMissing(cell)) return null
    key += typeof cell === 'string' ? `${cell.length}:${cell}` : `${(cell as number) + 0};`
  }
  return key
}
