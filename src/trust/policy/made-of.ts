import type { Decision, DecisionQuery, EntityFacts } from '#foundation/core'
import type { ScopeJson } from './compile-policy.ts'
import { mergeColumns } from './obligations.ts'
import type { LoadedRule } from './policy-set.ts'
import { ROW_ACTIONS } from './row-reads.ts'

/** More than transforms are chained in any house; what is made of more is refused. */
const MAX_SOURCES = 1_000

/** The first source that stands against an act, with the decision on it. */
export interface Refusal {
  readonly source: EntityFacts
  readonly decision: Decision
  /** It was decided on another number of rows than what was made of it. */
  readonly rows: boolean
}

interface Asked {
  readonly query: DecisionQuery
  /** On what was made, by itself. */
  readonly decision: Decision
  readonly decide: (query: DecisionQuery) => Decision
  readonly rule: (id: string) => LoadedRule | undefined
}

/**
 * What is made of rows is for those who may do the same with each data set that the rows came of, unless a permit names what was made in its scope:
 * then somebody has decided on it. Where a source is for some rows only, what was made of it has to be under the very same condition; a column
 * that is masked in a source is masked.
 * @returns the obligations' masks with those of the sources, or who stands against it.
 */
export function boundBySources({ query, decision, decide, rule }: Asked): Refusal | Pick<Decision, 'obligations'> {
  let { obligations } = decision
  if (query.resource.madeOf === undefined || decision.effect === 'deny' || !ROW_ACTIONS.has(query.action)) return { obligations }
  const seen = new Set<EntityFacts>()
  let asked = 0
  const due: EntityFacts[] = isNamed(decision, rule) ? [] : [...query.resource.madeOf]
  for (let source = due.pop(); source !== undefined; source = due.pop()) {
    if (seen.has(source)) continue
    seen.add(source)
    const its = decide({ ...query, resource: source })
    const rows = its.rows !== undefined && its.rows.digest !== decision.rows?.digest
    if (its.effect === 'deny' || rows || ++asked > MAX_SOURCES) return { source, decision: its, rows }
    if (its.obligations.columns !== undefined) obligations = { ...obligations, ...mergeColumns([obligations, its.obligations], 'keep') }
    if (!isNamed(its, rule)) due.push(...(source.madeOf ?? []))
  }
  return { obligations }
}

/** Whether what permits it names the data set: any permit where it is of all rows, each of them where it is of some. */
function isNamed({ policies, rows }: Decision, rule: (id: string) => LoadedRule | undefined): boolean {
  const named = policies
    .map(rule)
    .filter((one) => one?.effect === 'permit')
    .map((one) => one !== undefined && namesDataset(one.json.resource))
  return rows === undefined ? named.includes(true) : named.length > 0 && !named.includes(false)
}

function namesDataset(scope: ScopeJson): boolean {
  const given = scope.entity ?? scope.in?.entity
  const uid = given && '__entity' in given ? given.__entity : given
  return uid?.type === 'Dataset' || uid?.type === 'DatasetVersion'
}
