import { Command } from 'commander'
import type { FilterReport } from '#interfaces/api'
import { table } from '../output.ts'
import { run } from '../program.ts'
import { sinceOption } from '../since-option.ts'

/** `redoubt filter report`: what filters did by the record, and what they would have done where they only counted. */
export function filterReportCommand(): Command {
  return new Command('report')
    .description('say by the record what filters found per endpoint and role, and what was or in a dry run would have been done')
    .addOption(sinceOption())
    .action(
      run<{ since: number }>(async ({ client, output }, { since }) => {
        const query = new URLSearchParams({ from: String(Date.now() - since) })
        const report = await client.call<FilterReport>(`/filters/report?${query.toString()}`)
        output.result(report, reportWords(report))
      }),
    )
}

export function reportWords({ from, to, complete, readBackTo, unattributed, counts }: FilterReport): string {
  const day = (at: number): string => new Date(at).toISOString().slice(0, 10)
  const lines = [
    `${day(from)} to ${day(to)}`,
    ...(complete ? [] : [`the period holds more than was read: values are known only since ${day(readBackTo)}`]),
    ...(unattributed === 0 ? [] : [`${unattributed} calls of callers that are gone are left out`]),
  ]
  if (counts.length === 0) return [...lines, '', 'nothing was found in the period'].join('\n')
  const groups = Map.groupBy(counts, ({ endpoint, role }) => `${endpoint}, role ${role}`)
  for (const [title, group] of groups) {
    const rows = group.map(({ direction, entity, action, dryRun, values, calls }) => [
      direction,
      entity,
      dryRun ? `would ${action}` : action,
      String(values),
      String(calls),
    ])
    lines.push('', title, table(['way', 'entity', 'action', 'values', 'calls'], rows))
  }
  return lines.join('\n')
}
