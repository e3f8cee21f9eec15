import { RedoubtError } from '#foundation/core'
import { MAX_GROUP_ROWS, type RowGroup } from '#assets/datasets'
import { at } from './definition.ts'
import { JOIN_BOUNDS, type JoinBounds, JoinIndex } from './join-index.ts'
import type { Plan, PlannedStep } from './plan.ts'
import { columnOf, pick, RowCursor, type Values } from './rows.ts'

/** Rows that went into a step and came out of it. */
export interface StepTally {
  readonly step: PlannedStep['kind']
  rowsIn: number
  rowsOut: number
}

/** Rows that a transform lets come out of its joins: a bound on what equal keys may multiply to. */
const MAX_ROWS_OUT = 200_000_000

/**
 * The rows of the first source, group by group, through all steps. Joined sources are read first, each into memory.
 * @param sources groups as they may be used, in the order of the plan.
 * @param tally one an entry of the plan's steps; counted up while the rows go through.
 * @throws {RedoubtError} `ERR_TRANSFORM_VALUE`, `ERR_TRANSFORM_LIMIT`; what the sources throw.
 */
export async function* applySteps(
  { steps }: Pick<Plan, 'steps'>,
  sources: readonly AsyncIterable<RowGroup>[],
  tally: StepTally[],
  bounds: JoinBounds = JOIN_BOUNDS,
): AsyncGenerator<RowGroup> {
  const run: ((group: RowGroup) => Iterable<RowGroup>)[] = []
  for (const [i, step] of steps.entries()) {
    tally[i] = { step: step.kind, rowsIn: 0, rowsOut: 0 }
    const index = step.kind === 'join' ? new JoinIndex(step, bounds) : null
    if (step.kind === 'join') for await (const group of sources[step.source]!) index!.add(group)
    run.push(counted(tally[i], runnerOf(step, index)))
  }
  for await (const group of sources[0]!) yield* through(group, run, 0)
}

function* through(group: RowGroup, run: readonly ((group: RowGroup) => Iterable<RowGroup>)[], from: number): Generator<RowGroup> {
  if (group.rows === 0) return
  if (from === run.length) yield group
  else for (const next of run[from]!(group)) yield* through(next, run, from + 1)
}

function counted(tally: StepTally, run: (group: RowGroup) => Iterable<RowGroup>): (group: RowGroup) => Iterable<RowGroup> {
  return function* (group) {
    tally.rowsIn += group.rows
    for (const next of run(group)) {
      tally.rowsOut += next.rows
      if (tally.rowsOut > MAX_ROWS_OUT) throw new RedoubtError('ERR_TRANSFORM_LIMIT', `more than ${MAX_ROWS_OUT} rows come out of a step`)
      yield next
    }
  }
}

function runnerOf(step: PlannedStep, index: JoinIndex | null): (group: RowGroup) => Iterable<RowGroup> {
  switch (step.kind) {
    case 'filter':
      return (group) => [filtered(step, group)]
    case 'derive':
      return (group) => [derived(step, group)]
    case 'select':
      return ({ rows, columns }) => [{ rows, columns: step.kept.map(({ position, name }) => ({ ...columns[position]!, name })) }]
    default:
      return (group) => joined(step, index!, group)
  }
}

function filtered({ place, keeps }: Extract<PlannedStep, { kind: 'filter' }>, group: RowGroup): RowGroup {
  const cursor = new RowCursor()
  cursor.bind(group)
  const places: number[] = []
  at(place, () => {
    for (cursor.row = 0; cursor.row < group.rows; cursor.row++) if (keeps.run(cursor) === true) places.push(cursor.row)
  })
  return places.length === group.rows ? group : { rows: places.length, columns: group.columns.map((column) => pick(column, places)) }
}

function derived({ place, made }: Extract<PlannedStep, { kind: 'derive' }>, group: RowGroup): RowGroup {
  const cursor = new RowCursor()
  cursor.bind(group)
  const columns = made.map(({ name, type, value }): Values => {
    const cells = at(`${place}.${name}`, () => {
      const all = []
      for (cursor.row = 0; cursor.row < group.rows; cursor.row++) all.push(value.run(cursor))
      return all
    })
    return columnOf(name, type, cells)
  })
  return { rows: group.rows, columns: [...group.columns, ...columns] }
}

function* joined(step: Extract<PlannedStep, { kind: 'join' }>, index: JoinIndex, group: RowGroup): Generator<RowGroup> {
  let here: number[] = []
  let there: number[] = []
  const take = (): RowGroup => {
    const made = {
      rows: here.length,
      columns: [
        ...group.columns.map((column) => pick(column, here)),
        ...step.taken.map(({ name, type }, i) =>
          columnOf(
            name,
            type,
            there.map((place) => index.cell(i, place)),
          ),
        ),
      ],
    }
    here = []
    there = []
    return made
  }
  for (let row = 0; row < group.rows; row++) {
    const matches = index.matches(group, row)
    for (const place of matches) {
      here.push(row)
      there.push(place)
      if (here.length === MAX_GROUP_ROWS) yield take()
    }
    if (matches.length === 0 && step.outer) {
      here.push(row)
      there.push(-1)
      if (here.length === MAX_GROUP_ROWS) yield take()
    }
  }
  if (here.length > 0) yield take()
}
