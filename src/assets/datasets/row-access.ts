import { type ColumnMask, type Decision, type JsonObject, RedoubtError, type RowCondition } from '#foundation/core'

/** What a decision lets a reader give out of a data set. There is no reading without one. */
export interface RowAccess {
  /** The act that was allowed, for the record. */
  readonly action: string
  /** Asked for each row; null admits every one. */
  readonly rows: RowCondition | null
  /** By column; `default` for those not named, and without it they are kept. */
  readonly masks: Readonly<Record<string, ColumnMask>>
  /** What was asked for, for the record: names of columns and bounds, no values. */
  readonly asked?: JsonObject
  /** Columns of which the answer tells, for the record; all that may be seen unless given. */
  readonly reads?: readonly string[]
}

/** Every row, whole: for what the house itself does, on nobody's behalf. */
export const EVERY_ROW_WHOLE: RowAccess = { action: 'set-up', rows: null, masks: {} }

/** @throws {RedoubtError} the decision's code unless it is an allow. */
export function accessOf(
  action: string,
  decision: Pick<Decision, 'effect' | 'code' | 'rows' | 'obligations'>,
  asked: JsonObject = {},
  reads?: readonly string[],
): RowAccess {
  if (decision.effect !== 'allow') throw new RedoubtError(decision.code ?? 'ERR_POLICY_DENIED')
  const access = { action, rows: decision.rows ?? null, masks: decision.obligations.columns ?? {}, asked }
  return reads === undefined ? access : { ...access, reads }
}
