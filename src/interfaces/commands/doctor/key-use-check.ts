import { type Finding, ok, problem, warning } from './finding.ts'

/** The last count of the key provider against the log. */
export interface KeyReconciliationHealth {
  /** null before the first one since the start. */
  readonly at: number | null
  readonly agrees: boolean | null
  /** The error that kept the last one from being made. */
  readonly problem: string | null
}

/** Whether what the key provider did is what is on record. */
export function keyUseCheck({ at, agrees, problem: trouble }: KeyReconciliationHealth): Finding {
  if (agrees === false)
    return problem(
      'key use',
      'the key provider did more or less than is on record',
      'see `redoubt keys reconcile`; treat it as keys that were used past the record until it is explained',
    )
  if (trouble !== null)
    return warning(
      'key use',
      `could not be held against the log (${trouble})`,
      'see whether the key provider answers; the next round does it',
    )
  if (at === null) return ok('key use', 'is held against the log an hour after the start, or by `redoubt keys reconcile`')
  return ok('key use', `the key provider and the log agree, ${new Date(at).toISOString()}`)
}
