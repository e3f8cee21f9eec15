import type { BreakGlassHealth } from '#governance/approvals'
import { type Finding, ok, problem, warning } from './finding.ts'

const REVIEW = 'see `redoubt break-glass list`; another person reviews with `redoubt break-glass review ID`'

/** Whether the glass was broken and nobody has said yet what for: said also when the alert of it was acknowledged. */
export function breakGlassCheck({ unreviewed, overdue }: BreakGlassHealth): Finding {
  if (unreviewed === null || overdue === null)
    return problem('break-glass', 'its grants cannot be read', 'check the disk and the permissions of approvals.db')
  if (overdue > 0) return problem('break-glass', `${overdue} grants were not reviewed in time`, REVIEW)
  if (unreviewed > 0) return warning('break-glass', `${unreviewed} grants wait for their review`, REVIEW)
  return ok('break-glass', 'no grant waits for its review')
}
