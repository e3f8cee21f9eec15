import { type DataScan, isMoreSensitive, type LegalBasis, RedoubtError, type Sensitivity } from '#foundation/core'
import type { ColumnType } from '#assets/datasets'
import { at, type JoinStep, sourcesOf, type TransformDefinition, type TransformStep } from './definition.ts'
import { compileExpression } from './expression/compile.ts'
import { parseExpression } from './expression/parse.ts'
import { unsound } from './expression/tokens.ts'
import type { Compiled } from './expression/typed.ts'

/** A data set as whoever runs the transform may use it: its columns as they come out of the masks. */
export interface SourceFacts {
  readonly name: string
  readonly columns: readonly { readonly name: string; readonly type: ColumnType }[]
  /** Columns whose values are masked: they go through, and nothing is computed of them. */
  readonly masked: readonly string[]
  readonly subject: string | null
  readonly sensitivity: Sensitivity
  readonly purposes: readonly string[]
  readonly legalBasis: LegalBasis
  readonly scan: DataScan | null
}

export interface PlannedColumn {
  readonly name: string
  readonly type: ColumnType
  readonly masked: boolean
  /** Columns of the sources that its values come from, as `SOURCE` by place and name. */
  readonly origins: readonly { readonly source: number; readonly column: string }[]
}

export type PlannedStep =
  | { readonly kind: 'filter'; readonly place: string; readonly keeps: Compiled }
  | {
      readonly kind: 'derive'
      readonly place: string
      readonly made: readonly { readonly name: string; readonly type: ColumnType; readonly value: Compiled }[]
    }
  | { readonly kind: 'select'; readonly place: string; readonly kept: readonly { readonly position: number; readonly name: string }[] }
  | {
      readonly kind: 'join'
      readonly place: string
      /** Which of the sources. */
      readonly source: number
      readonly outer: boolean
      /** Positions of columns that equal each other, here and there. */
      readonly keys: readonly { readonly here: number; readonly there: number }[]
      readonly taken: readonly { readonly position: number; readonly name: string; readonly type: ColumnType }[]
    }

export interface Plan {
  readonly steps: readonly PlannedStep[]
  readonly columns: readonly PlannedColumn[]
  /** The column that says whom each row is about. */
  readonly subject: string | null
  readonly label: string | null
  readonly sensitivity: Sensitivity
  readonly purposes: readonly string[]
  readonly legalBasis: LegalBasis
}

interface State {
  columns: readonly PlannedColumn[]
  subject: string | null
}

const MAX_COLUMNS = 1_024

/**
 * Types a transform against the columns of its sources, before a row is read.
 * @param sources in the order of `sourcesOf`.
 * @throws {RedoubtError} `ERR_TRANSFORM_DEFINITION` that names the place.
 */
export function planOf(definition: TransformDefinition, sources: readonly SourceFacts[]): Plan {
  if (sources.length !== sourcesOf(definition).length)
    throw new RedoubtError('ERR_INTERNAL', 'a transform was given other sources than it names')
  const [first] = sources as readonly [SourceFacts]
  sources.forEach((source, i) => at(i === 0 ? 'from' : `source ${i + 1}`, () => demandSubject(source)))
  const state: State = {
    columns: first.columns.map(({ name, type }) => ({
      name,
      type,
      masked: first.masked.includes(name),
      origins: [{ source: 0, column: name }],
    })),
    subject: first.subject,
  }
  let joined = 0
  const steps = definition.steps.map((step, i) => planned(step, `steps.${i}`, state, () => ({ number: ++joined, facts: sources[joined]! })))
  const { label = null } = definition.to
  if (label !== null && !state.columns.some(({ name }) => name === label)) throw unsound(`to.label: no column \`${label}\` comes out`)
  if (label !== null && label === state.subject) throw unsound('to.label: who a row is about is no label')
  return { steps, columns: state.columns, subject: state.subject, label, ...boundsOf(definition, sources) }
}

/** Rows whose person cannot be told could not be found when that person is erased. */
function demandSubject({ name, subject, columns, masked }: SourceFacts): void {
  if (subject === null) return
  const column = columns.find((one) => one.name === subject)
  if (!column || masked.includes(subject))
    throw unsound(
      `whom the rows of \`${name}\` are about is kept from you, so rows made of them could not be found when a person is erased`,
    )
  if (column.type !== 'text') throw unsound(`the column of \`${name}\` that says whom its rows are about is no text`)
}

/** @throws {RedoubtError} `ERR_TRANSFORM_DEFINITION` for less sensitive, or more purposes, than the sources. */
function boundsOf({ to }: TransformDefinition, sources: readonly SourceFacts[]): Pick<Plan, 'sensitivity' | 'purposes' | 'legalBasis'> {
  const highest = sources.map(({ sensitivity }) => sensitivity).reduce((one, other) => (isMoreSensitive(other, one) ? other : one))
  const sensitivity = to.sensitivity ?? highest
  if (isMoreSensitive(highest, sensitivity))
    throw unsound(`to.sensitivity: the sources are \`${highest}\`, and what is made of them is no less`)
  const shared = sources[0]!.purposes.filter((purpose) => sources.every(({ purposes }) => purposes.includes(purpose)))
  const purposes = [...new Set(to.purposes ?? shared)]
  if (shared.length === 0) throw unsound('the sources were collected for no purpose in common')
  const beyond = purposes.find((purpose) => !shared.includes(purpose))
  if (beyond !== undefined) throw unsound(`to.purposes: not all sources were collected for \`${beyond}\``)
  const bases = [...new Set(sources.map(({ legalBasis }) => legalBasis))]
  if (bases.length > 1) throw unsound(`the sources were collected on different legal bases: ${bases.join(', ')}`)
  const [legalBasis] = bases as [LegalBasis]
  if (to.legalBasis !== undefined && to.legalBasis !== legalBasis)
    throw unsound(`to.legalBasis: the sources were collected on \`${legalBasis}\``)
  return { sensitivity, purposes, legalBasis }
}

function planned(
  step: TransformStep,
  place: string,
  state: State,
  next: () => { readonly number: number; readonly facts: SourceFacts },
): PlannedStep {
  if ('filter' in step)
    return at(`${place}.filter`, () => {
      const keeps = compiled(step.filter, state).value
      if (keeps.type !== 'boolean') throw unsound(`a filter is true or false, and this is ${keeps.type}`)
      return { kind: 'filter', place: `${place}.filter`, keeps }
    })
  if ('derive' in step) return derived(step.derive, place, state)
  if ('select' in step) return at(`${place}.select`, () => selected(step.select, `${place}.select`, state))
  const { number, facts } = next()
  return at(`${place}.join`, () => join(step.join, `${place}.join`, state, number, facts))
}

function compiled(text: string, { columns }: State): { readonly value: Compiled; readonly origins: PlannedColumn['origins'] } {
  const origins: { source: number; column: string }[] = []
  const value = compileExpression(parseExpression(text), (name) => {
    const position = positionOf(columns, name)
    const column = columns[position]!
    if (column.masked) throw unsound(`the column \`${name}\` is masked for you, and nothing is computed of it`)
    origins.push(...column.origins)
    return { position, type: column.type }
  })
  return { value, origins: [...new Map(origins.map((origin) => [`${origin.source} ${origin.column}`, origin])).values()] }
}

function derived(made: Readonly<Record<string, string>>, place: string, state: State): PlannedStep {
  const all = Object.entries(made).map(([name, text]) =>
    at(`${place}.derive.${name}`, () => {
      const { value, origins } = compiled(text, state)
      if (value.type === 'boolean') throw unsound('a column holds numbers or texts; write `if(…, 1, 0)`')
      if (value.type === 'missing') throw unsound('a column of nothing but missing values has no type')
      return { name, type: value.type, value, origins }
    }),
  )
  state.columns = at(`${place}.derive`, () => added(state.columns, all.map(({ name, type, origins }) => ({ name, type, masked: false, origins })))) // prettier-ignore
  return { kind: 'derive', place: `${place}.derive`, made: all.map(({ name, type, value }) => ({ name, type, value })) }
}

type Chosen = readonly (string | { readonly column: string; readonly as: string })[]

function selected(chosen: Chosen, place: string, state: State): PlannedStep {
  const kept = named(chosen).map(({ column, name }) => ({ position: positionOf(state.columns, column), name, column }))
  const subject = kept.filter(({ column }) => column === state.subject)
  if (state.subject !== null && subject.length !== 1)
    throw unsound(`keep the column \`${state.subject}\`, once: it says whom the rows are about, and an erasure finds them by it`)
  state.columns = added(
    [],
    kept.map(({ position, name }) => ({ ...state.columns[position]!, name })),
  )
  state.subject = subject[0]?.name ?? null
  return { kind: 'select', place, kept: kept.map(({ position, name }) => ({ position, name })) }
}

function join({ on, kind, take }: JoinStep, place: string, state: State, source: number, facts: SourceFacts): PlannedStep {
  const keys = Object.entries(on).map(([left, right]) => {
    const here = positionOf(state.columns, left)
    const there = positionOf(facts.columns, right, facts.name)
    if (state.columns[here]!.masked || facts.masked.includes(right))
      throw unsound(`\`${left}\` and \`${right}\`: nothing is joined on a column that is masked for you`)
    const [one, other] = [state.columns[here]!.type, facts.columns[there]!.type]
    if ((one === 'text') !== (other === 'text')) throw unsound(`\`${left}\` is ${one} and \`${right}\` is ${other}`)
    return { here, there, left, right }
  })
  const taken = named(take).map(({ column, name }) => {
    const position = positionOf(facts.columns, column, facts.name)
    return { position, name, column, type: facts.columns[position]!.type }
  })
  if (facts.subject !== null && state.subject !== null) {
    // One column can say whom a row is about: so it is the same person on both sides.
    if (!keys.some(({ left, right }) => left === state.subject && right === facts.subject))
      throw unsound(`both sides are about people, so they are joined on them: \`${state.subject}: ${facts.subject}\``)
  } else if (facts.subject !== null) {
    const [own, ...more] = taken.filter(({ column }) => column === facts.subject)
    if (own === undefined || more.length > 0)
      throw unsound(`take the column \`${facts.subject}\`, once: it says whom the joined rows are about, and an erasure finds them by it`)
    state.subject = own.name
  }
  state.columns = added(
    state.columns,
    taken.map(({ name, type, column }) => ({ name, type, masked: facts.masked.includes(column), origins: [{ source, column }] })),
  )
  const planned = taken.map(({ position, name, type }) => ({ position, name, type }))
  return { kind: 'join', place, source, outer: kind === 'left', keys: keys.map(({ here, there }) => ({ here, there })), taken: planned }
}

const named = (chosen: Chosen): readonly { readonly column: string; readonly name: string }[] =>
  chosen.map((one) => (typeof one === 'string' ? { column: one, name: one } : { column: one.column, name: one.as }))

function positionOf(columns: readonly { readonly name: string }[], name: string, dataset?: string): number {
  const position = columns.findIndex((column) => column.name === name)
  if (position < 0) throw unsound(`there is no column \`${name}\`${dataset === undefined ? ' at this step' : ` in \`${dataset}\``}`)
  return position
}

/** @throws {RedoubtError} `ERR_TRANSFORM_DEFINITION` for two columns of one name. */
function added(columns: readonly PlannedColumn[], more: readonly PlannedColumn[]): readonly PlannedColumn[] {
  const all = [...columns, ...more]
  if (all.length > MAX_COLUMNS) throw unsound(`more than ${MAX_COLUMNS} columns come out`)
  const names = new Set<string>()
  for (const { name } of all) {
    if (name.trim() === '') throw unsound('a column has no name')
    if (names.has(name)) throw unsound(`there would be two columns \`${name}\`; give one another name by \`as\``)
    names.add(name)
  }
  return all
}
