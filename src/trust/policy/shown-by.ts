import type { Action, Obligations } from '#foundation/core'
import type { Failed } from './authorize.ts'
import type { Prepared } from './engine.ts'
import { mergeColumns } from './obligations.ts'
import type { LoadedRule } from './policy-set.ts'
import { type OpenPolicy, reduced } from './reduced-rules.ts'

/** Acts that put rows where others see them, with the act by which they are seen there. */
const SHOWN_BY: Partial<Readonly<Record<Action, Action>>> = { transform: 'view' }

/**
 * The act whose bounds bind another one too: what is made of rows shows them, under a name that the policies on the rows do not know.
 * Cedar has no such tie. It only ever adds to a no: what Cedar refuses stays refused.
 */
export const shownBy = (action: Action): Action | undefined => SHOWN_BY[action]

/** What the policies of the act by which rows are seen say against an act that puts them there. */
export interface Shown {
  readonly forbidding: readonly LoadedRule[]
  /** Neither a forbid nor a mask that cannot be evaluated is passed over. */
  readonly failed: readonly Failed<LoadedRule>[]
  /** Forbids that depend on the row. */
  readonly open: readonly OpenPolicy[]
  /** Of permits that apply, to some rows at least; their masks count. */
  readonly permitting: readonly Obligations[]
}

/** @param prepared the query with the act by which rows are seen in place of its own. */
export function shown({ request, forbids, permits }: Prepared): Shown {
  const failed: Failed<LoadedRule>[] = []
  const open: OpenPolicy[] = []
  const sometimes: OpenPolicy[] = []
  const forbidding = reduced(forbids.of(request), request, failed, open)
  const permitting = reduced(permits.of(request), request, failed, sometimes)
  const rules = [...permitting, ...sometimes.map(({ rule }) => rule)]
  return { forbidding, failed, open, permitting: rules.map(({ annotations }) => annotations.obligations) }
}

/** Under the masks of both acts, the stricter one of each column. A column that only one of them masks is masked. */
export function masked(obligations: Obligations, { permitting }: Shown): Obligations {
  if (permitting.every(({ columns }) => columns === undefined)) return obligations
  return Object.freeze({ ...obligations, ...mergeColumns([obligations, ...permitting], 'keep') })
}
