import { type DataScan, SENSITIVITIES, type SpecialCategory } from '#foundation/core'
import type { Plan, SourceFacts } from './plan.ts'

/** What is known to be in the columns that come out: what was found in those that they are made of. Null where nothing was looked at. */
export function inheritedScan({ columns, subject }: Pick<Plan, 'columns' | 'subject'>, sources: readonly SourceFacts[]): DataScan | null {
  const scans = sources.flatMap(({ scan }) => (scan === null ? [] : [scan]))
  if (scans.length === 0) return null
  const inherited = columns.map(({ name, origins }) => {
    const found = origins.flatMap(({ source, column }) => sources[source]!.scan?.columns.filter((one) => one.name === column) ?? [])
    const entities = new Map<string, DataScan['columns'][number]['entities'][number]>()
    for (const entity of found.flatMap((one) => one.entities))
      if ((entities.get(entity.entity)?.share ?? -1) < entity.share) entities.set(entity.entity, entity)
    return {
      name,
      values: Math.max(0, ...found.map(({ values }) => values)),
      entities: [...entities.values()].sort((one, other) => other.share - one.share),
      categories: distinct(found.flatMap(({ categories }) => categories)),
      sensitivity: SENSITIVITIES[Math.max(0, ...found.map(({ sensitivity }) => SENSITIVITIES.indexOf(sensitivity)))]!,
    }
  })
  return {
    rows: Math.max(...scans.map(({ rows }) => rows)),
    isSample: true,
    sensitivity: SENSITIVITIES[Math.max(0, ...inherited.map(({ sensitivity }) => SENSITIVITIES.indexOf(sensitivity)))]!,
    // Which rows there are tells of columns that are not there any more: categories of all sources go on.
    categories: distinct(scans.flatMap(({ categories }) => categories)),
    subject,
    columns: inherited,
  }
}

const distinct = (all: readonly SpecialCategory[]): SpecialCategory[] => [...new Set(all)]
