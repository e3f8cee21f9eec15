import { RedoubtError } from '#foundation/core'
import { roundedCount, roundedMean } from './rounded.ts'
import { type Cell, cellOf, type RowReading } from './row-reading.ts'

/** Nothing is told of fewer people than these, or of fewer rows where a data set does not say whom they are about. */
export const MIN_GROUP_SIZE = 10
/** Most groups counted; a column of more distinct values is none to group by. */
const MAX_GROUPS = 10_000

export interface AggregateGroup {
  readonly value: Cell
  /** To the nearest five. */
  readonly rows: number
  /** Over the rows that have a value; null when these are of fewer than `MIN_GROUP_SIZE`. There when a mean was asked for. */
  readonly mean?: number | null
}

export interface Aggregate {
  /** Rows that take part, to the nearest five; null when they are of fewer than `MIN_GROUP_SIZE`. */
  readonly rows: number | null
  readonly mean?: number | null
  /** By value; there when groups were asked for. */
  readonly groups?: readonly AggregateGroup[]
  /** Groups not told of, because they are too small or would tell of one that is. */
  readonly suppressed?: number
}

/**
 * Counts rows, by the values of a column if one is named, with the mean of another.
 * A group is as large as the number of people that its rows are about (k-anonymity, k = 10): rows without a subject count as those of
 * one person, and where the data set names no subject each row counts. Smaller groups are left out; if all that is left out is itself
 * that small, the smallest group told is left out too, or the total would give it away. What is told is rounded (`rounded.ts`), so that
 * answers by different columns, or of different versions, do not give away by subtraction what each of them leaves out. It is no
 * differential privacy.
 * @throws {RedoubtError} `ERR_DATA_COLUMN` for a column that is not there, not numeric, of real numbers to group by, or that says whom
 *   a row is about; `ERR_INPUT_TOO_LARGE` for more than 10,000 distinct values; what reading throws; the signal's reason.
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
  for await (const { group, subjects } of reading.withSubjects) {
    signal?.throwIfAborted()
    const averaged = mean < 0 ? undefined : group.columns[mean]
    for (let place = 0; place < group.rows; place++) {
      const subject = subjects === null ? UNKNOWN_SUBJECTS : (subjects[place] ?? null)
      const value = averaged ? (averaged.values[place] as number) : Number.NaN
      total.add(subject, value)
      if (key >= 0) groupOf(groups, cellOf(group.columns[key], place)).add(subject, value)
    }
  }
  const withMean = (group: Group): { mean?: number | null } => (mean < 0 ? {} : { mean: group.mean() })
  const whole = { rows: total.all.isSmall() ? null : roundedCount(total.all.rows), ...withMean(total) }
  if (key < 0) return whole
  const every = [...groups]
  const told = largeEnough(every, every, ({ all }) => all)
  const averaged = new Set(largeEnough(told, every, ({ valued }) => valued).map(([, group]) => group))
  return {
    ...whole,
    // In an order that tells no more than the rounded numbers do.
    groups: [...told].sort(byRounded).map(([value, group]) => ({
      value,
      rows: roundedCount(group.all.rows),
      ...(mean < 0 ? {} : { mean: averaged.has(group) ? group.mean() : null }),
    })),
    suppressed: groups.size - told.length,
  }
}

function placeOf(reading: RowReading, name: string, types: readonly string[], what: string): number {
  const place = reading.columns.findIndex((column) => column.name === name)
  const type = reading.columns[place]?.type
  const refuse = (words: string): never => {
    throw new RedoubtError('ERR_DATA_COLUMN', words, { evidence: { column: name } })
  }
  if (type === undefined) return refuse(`there is no column \`${name}\` for you`)
  if (name === reading.subject) return refuse(`\`${name}\` says whom each row is about; ${what} another column`)
  if (!types.includes(type)) return refuse(`\`${name}\` is ${type}; ${what} a column of ${types.join(' or ')}`)
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

type Valued = readonly (readonly [Cell, Group])[]

/**
 * Of `candidates` those that may be told, the largest first. If what is then left out of `every` group is itself small, the smallest
 * told is left out too.
 */
function largeEnough(candidates: Valued, every: Valued, countOf: (group: Group) => Count): (readonly [Cell, Group])[] {
  const told = candidates
    .filter(([, group]) => !countOf(group).isSmall())
    .sort(([, left], [, right]) => countOf(right).rows - countOf(left).rows)
  const shown = new Set(told.map(([, group]) => group))
  const hidden = new Count()
  for (const [, group] of every) if (!shown.has(group)) hidden.join(countOf(group))
  if (hidden.rows > 0 && hidden.isSmall()) told.pop()
  return told
}

/** The largest first; of groups that are told to be of the same size, by their values. */
function byRounded([one, left]: readonly [Cell, Group], [other, right]: readonly [Cell, Group]): number {
  return roundedCount(right.all.rows) - roundedCount(left.all.rows) || (String(one) < String(other) ? -1 : 1)
}

class Group {
  readonly all = new Count()
  /** Rows with a value to average. */
  readonly valued = new Count()
  #sum = 0
  #least = Number.POSITIVE_INFINITY
  #most = Number.NEGATIVE_INFINITY

  add(subject: Subject, value: number): void {
    this.all.add(subject)
    if (Number.isNaN(value)) return
    this.valued.add(subject)
    this.#sum += value
    if (value < this.#least) this.#least = value
    if (value > this.#most) this.#most = value
  }

  mean(): number | null {
    const { rows } = this.valued
    return this.valued.isSmall() ? null : roundedMean({ mean: this.#sum / rows, least: this.#least, most: this.#most, rows })
  }
}

/** Whom a row is about; null where the row does not say, which may be the same person each time. */
type Subject = string | null | typeof UNKNOWN_SUBJECTS
/** The data set does not say whom its rows are about. */
const UNKNOWN_SUBJECTS = Symbol('unknown subjects')

class Count {
  rows = 0
  /** Until there are enough. */
  readonly #people = new Set<string | null>()
  #byRows = false

  add(subject: Subject): void {
    this.rows++
    if (subject === UNKNOWN_SUBJECTS) this.#byRows = true
    else if (this.#people.size < MIN_GROUP_SIZE) this.#people.add(subject)
  }

  join(other: Count): void {
    this.rows += other.rows
    this.#byRows ||= other.#byRows
    for (const person of other.#people) this.#people.add(person)
  }

  isSmall(): boolean {
    return (this.#byRows ? this.rows : this.#people.size) < MIN_GROUP_SIZE
  }
}
