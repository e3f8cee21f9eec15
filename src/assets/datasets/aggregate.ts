import { RedoubtError } from '#foundation/core'
import { type Cell, cellOf, type RowReading } from './row-reading.ts'

/** Nothing is told of fewer rows than these. */
export const MIN_GROUP_ROWS = 10
/** Most groups counted; a column of more distinct values is none to group by. */
const MAX_GROUPS = 10_000

export interface AggregateGroup {
  readonly value: Cell
  readonly rows: number
  /** Over the rows that have a value; null when these are fewer than `MIN_GROUP_ROWS`. There when a mean was asked for. */
  readonly mean?: number | null
}

export interface Aggregate {
  /** Rows that take part; null when there are fewer than `MIN_GROUP_ROWS`. */
  readonly rows: number | null
  readonly mean?: number | null
  /** By value; there when groups were asked for. */
  readonly groups?: readonly AggregateGroup[]
  /** Groups not told of, because they are too small or would tell of one that is. */
  readonly suppressed?: number
}

/**
 * Counts rows, by the values of a column if one is named, with the mean of another.
 * Groups under `MIN_GROUP_ROWS` are left out; if all that is left out is itself that small, the smallest group told is left out too,
 * or the total would give it away. This holds for one answer: it is no differential privacy.
 * @throws {RedoubtError} `ERR_DATA_COLUMN` for a column that is not there, not numeric or of real numbers to group by;
 *   `ERR_INPUT_TOO_LARGE` for more than 10,000 distinct values; what reading throws; the signal's reason.
 */
export async function aggregate(
  reading: RowReading,
  ask: { readonly groupBy?: string | undefined; readonly mean?: string | undefined },
  signal?: AbortSignal,
): Promise<Aggregate> {
  const key = ask.groupBy === undefined ? -1 : placeOf(reading, ask.groupBy, ['text', 'integer'], 'group by')
  const mean = ask.mean === undefined ? -1 : placeOf(reading, ask.mean, ['integer', 'real'], 'average')
  const total = new Group()
  const groups = new Map<Cell, Group>()
  for await (const group of reading) {
    signal?.throwIfAborted()
    const averaged = mean < 0 ? undefined : group.columns[mean]
    for (let place = 0; place < group.rows; place++) {
      const value = averaged ? (averaged.values[place] as number) : Number.NaN
      total.add(value)
      if (key >= 0) groupOf(groups, cellOf(group.columns[key], place)).add(value)
    }
  }
  const withMean = (group: Group): { mean?: number | null } => (mean < 0 ? {} : { mean: group.mean() })
  const whole = { rows: total.rows < MIN_GROUP_ROWS ? null : total.rows, ...withMean(total) }
  if (key < 0) return whole
  const told = largeEnough(groups, ({ rows }) => rows, total.rows)
  const averaged = new Set(largeEnough(new Map(told), ({ valued }) => valued, total.valued).map(([, group]) => group))
  return {
    ...whole,
    groups: told.map(([value, group]) => ({
      value,
      rows: group.rows,
      ...(mean < 0 ? {} : { mean: averaged.has(group) ? group.mean() : null }),
    })),
    suppressed: groups.size - told.length,
  }
}

function placeOf(reading: RowReading, name: string, types: readonly string[], what: string): number {
  const place = reading.columns.findIndex((column) => column.name === name)
  const type = reading.columns[place]?.type
  if (type === undefined)
    throw new RedoubtError('ERR_DATA_COLUMN', `there is no column \`${name}\` for you`, { evidence: { column: name } })
  if (!types.includes(type))
    throw new RedoubtError('ERR_DATA_COLUMN', `\`${name}\` is ${type}; ${what} a column of ${types.join(' or ')}`, {
      evidence: { column: name },
    })
  return place
}

function groupOf(groups: Map<Cell, Group>, value: Cell): Group {
  let group = groups.get(value)
  if (!group) {
    if (groups.size >= MAX_GROUPS)
      throw new RedoubtError('ERR_INPUT_TOO_LARGE', `the column to group by has more than ${MAX_GROUPS} distinct values`)
    groups.set(value, (group = new Group()))
  }
  return group
}

/**
 * The groups that may be told, the largest first. If what is left out, of `all`, is itself small, the smallest told is left out too.
 */
function largeEnough(groups: ReadonlyMap<Cell, Group>, sizeOf: (group: Group) => number, all: number): (readonly [Cell, Group])[] {
  const told = [...groups]
    .filter(([, group]) => sizeOf(group) >= MIN_GROUP_ROWS)
    .sort(([, left], [, right]) => sizeOf(right) - sizeOf(left))
  const hidden = told.reduce((rest, [, group]) => rest - sizeOf(group), all)
  if (hidden > 0 && hidden < MIN_GROUP_ROWS) told.pop()
  return told
}

class Group {
  rows = 0
  /** Rows with a value to average. */
  valued = 0
  #sum = 0

  add(value: number): void {
    this.rows++
    if (Number.isNaN(value)) return
    this.valued++
    this.#sum += value
  }

  mean(): number | null {
    return this.valued < MIN_GROUP_ROWS ? null : this.#sum / this.valued
  }
}
