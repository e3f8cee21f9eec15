import type { ColumnScan, ColumnScanner, DataScan, TableScan } from '#foundation/core'
import { findNames } from '../names/name-tagger.ts'
import { NAME_ENTITIES } from '../names/tags.ts'
import { compilePlan, type FilterPlan } from '../plan.ts'
import { ENTITIES } from '../presets.ts'
import { scanText, SLICE_UNITS } from '../redactor.ts'
import { categoriesOf } from './category-values.ts'
import { meaningOf } from './column-words.ts'
import { RowSample } from './row-sample.ts'
import { sensitivityOf, strictest, suggestedSubject, type SubjectFacts } from './suggestions.ts'

/** An entity that is found without the name of the column, alone in its cell, counts when so many of the values are of it. */
const ALONE_SHARE = 0.5
/** Distinct values of a column in which names are looked for, and the share that must hold one. */
const MAX_NAMED_VALUES = 400
const NAMES_SHARE = 0.2
const NAMES_SCORE = 0.5
/** Two words with a space or a comma between them: in addresses of mail and of the web stand names as well. */
const WORDS = /\p{L}{2,}(?:,|[.,]?\s+)\p{L}/u
/** Units of the name of a column that are read as what announces its values. */
const MAX_LABEL = 60

const NAMES: ReadonlySet<string> = new Set(NAME_ENTITIES)

let everything: FilterPlan | null = null
/** Names apart: the tagger costs more than all recognisers, and a name in few values is often none. */
const planOfAll = (): FilterPlan =>
  (everything ??= compilePlan(
    Object.fromEntries([...ENTITIES].filter((entity) => !NAMES.has(entity)).map((entity) => [entity, 'mask' as const])),
  ))

/** The recognisers of texts on the columns of a table. Time and memory are bounded by the sample, whatever comes. */
export const columnScanner: ColumnScanner = {
  begin: (names) => new SampledScan(names),
}

class SampledScan implements TableScan {
  readonly #names: readonly string[]
  readonly #sample: RowSample

  constructor(names: readonly string[]) {
    this.#names = names
    this.#sample = new RowSample(names.length)
  }

  row(fields: readonly string[]): void {
    this.#sample.add(fields)
  }

  async finish(signal?: AbortSignal): Promise<DataScan> {
    const columns: ColumnScan[] = []
    const subjects: SubjectFacts[] = []
    const turns = new Turns(signal)
    const rows = Math.max(1, this.#sample.size)
    for (const [i, name] of this.#names.entries()) {
      const values = this.#sample.valuesOf(i)
      const present = sum(values)
      const meaning = meaningOf(name)
      const counts = await entitiesIn(name, values, turns)
      for (const entity of meaning.entities) counts.set(entity, present)
      const entities = [...counts]
        .map(([entity, count]) => ({ entity, values: count, share: present === 0 ? 0 : round(count / present) }))
        .filter(({ values: count }) => count > 0)
        .sort((a, b) => b.values - a.values || (a.entity < b.entity ? -1 : 1))
      const categories = [...new Set([...meaning.categories, ...categoriesOf(values)])]
      columns.push({ name, values: present, entities, categories, sensitivity: sensitivityOf(entities, categories) })
      subjects.push({ name, meaning, entities, distinct: values.size / rows, present: present / rows })
    }
    return {
      rows: this.#sample.size,
      isSample: this.#sample.size < this.#sample.seen,
      sensitivity: strictest(columns.map(({ sensitivity }) => sensitivity)),
      categories: [...new Set(columns.flatMap(({ categories }) => categories))],
      subject: suggestedSubject(subjects),
      columns,
    }
  }
}

const sum = (values: ReadonlyMap<string, number>): number => values.values().reduce((total, count) => total + count, 0)
const round = (share: number): number => Math.round(share * 1000) / 1000

/** Gives way to other work after every slice of text. */
class Turns {
  readonly #signal: AbortSignal | undefined
  #units = 0

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
  }

  async after(units: number): Promise<void> {
    this.#units += units
    if (this.#units < SLICE_UNITS) return
    this.#units = 0
    await new Promise((resolve) => setImmediate(resolve))
    this.#signal?.throwIfAborted()
  }
}

/** How many rows hold each entity in this column. */
async function entitiesIn(name: string, values: ReadonlyMap<string, number>, turns: Turns): Promise<Map<string, number>> {
  const label = `${name.slice(0, MAX_LABEL)}: `
  const labelled = new Map<string, number>()
  const alone = new Map<string, number>()
  const add = (to: Map<string, number>, entities: ReadonlySet<string>, count: number): void => {
    for (const entity of entities) to.set(entity, (to.get(entity) ?? 0) + count)
  }
  for (const [value, count] of values) {
    await turns.after(label.length + 2 * value.length)
    const found = entitiesOf(label + value, label.length)
    // The name of the column is what announces the value; without it, the value may still be one alone.
    if (found.size > 0) add(labelled, found, count)
    else add(alone, entitiesOf(value, 0), count)
  }
  const present = sum(values)
  for (const [entity, count] of alone) {
    const all = count + (labelled.get(entity) ?? 0)
    if (all >= present * ALONE_SHARE) labelled.set(entity, all)
  }
  const people = await rowsWithNames(values, turns)
  if (people > 0) labelled.set('PERSON', people)
  return labelled
}

function entitiesOf(text: string, from: number): ReadonlySet<string> {
  return new Set(scanText(text, planOfAll()).findings.flatMap(({ entity, end }) => (end > from ? [entity] : [])))
}

/** How many rows have a name of a person in this column, estimated from the first values of more than one word; 0 where few have. */
async function rowsWithNames(values: ReadonlyMap<string, number>, turns: Turns): Promise<number> {
  let looked = 0
  let rows = 0
  let named = 0
  for (const [value, count] of values) {
    if (looked === MAX_NAMED_VALUES) break
    looked++
    rows += count
    if (!WORDS.test(value)) continue
    await turns.after(value.length * 8)
    if (findNames(value).some(({ entity, score }) => entity === 'PERSON' && score >= NAMES_SCORE)) named += count
  }
  const share = rows === 0 ? 0 : named / rows
  return share >= NAMES_SHARE ? Math.round(share * sum(values)) : 0
}
