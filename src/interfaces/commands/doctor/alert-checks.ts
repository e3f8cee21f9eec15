import type { AlertsHealth } from '#governance/alerts'
import { type Finding, ok, problem, warning } from './finding.ts'

/** Whether alerts are kept and arrive, and whether some wait for someone. */
export function alertChecks({ open, problem: trouble, unsaved, unrecorded, lost, undelivered, places }: AlertsHealth): readonly Finding[] {
  const findings: Finding[] = []
  if (open === null || trouble !== null)
    findings.push(
      problem(
        'alerts',
        `${unsaved} alerts cannot be saved (${trouble ?? 'unknown'})`,
        'free disk space and check the permissions of alerts.db',
      ),
    )
  else if (open.critical + open.warning > 0)
    findings.push(
      warning(
        'alerts',
        `${open.critical} critical and ${open.warning} warnings that nobody acknowledged`,
        'see them with `redoubt alerts list`, take note with `redoubt alerts ack ID`',
      ),
    )
  else findings.push(ok('alerts', 'none that asks for attention'))
  if (unrecorded > 0)
    findings.push(
      problem('alerts in the log', `${unrecorded} alerts are kept but not in the log yet`, 'make the log writable; they are recorded then'),
    )
  if (lost + undelivered > 0)
    findings.push(
      problem(
        'alerts lost',
        `${lost} alerts and ${undelivered} messages had to make room for others`,
        'find out in the log what raised so many; acknowledge what is dealt with',
      ),
    )
  for (const { name, problem: reason, waiting, givenUp } of places)
    findings.push(
      reason !== null
        ? problem(
            'alert place',
            `${name} does not take alerts (${reason}); ${waiting} wait, ${givenUp} given up`,
            'check its address, its secret and the network; what waits is sent when it answers',
          )
        : ok('alert place', waiting === 0 ? `${name} has taken everything` : `${name}: ${waiting} wait`),
    )
  return findings
}
