import { Command } from 'commander'
import { filterClassifyCommand } from './filter-classify-command.ts'
import { filterEntitiesCommand } from './filter-entities-command.ts'
import { filterRedactCommand } from './filter-redact-command.ts'
import { filterReportCommand } from './filter-report-command.ts'
import { filterRestoreCommand } from './filter-restore-command.ts'
import { filterScanCommand } from './filter-scan-command.ts'
import { filterTestCommand } from './filter-test-command.ts'
import { filterTrainCommand } from './filter-train-command.ts'

/** Each sub-command in a file of its own. All but `report` and `restore` work offline, without a server and without secrets. */
export function filterCommands(): Command[] {
  const filter = new Command('filter').description('find personal data, secrets and injected instructions in texts')
  for (const command of [
    filterScanCommand(),
    filterRedactCommand(),
    filterTestCommand(),
    filterEntitiesCommand(),
    filterReportCommand(),
    filterRestoreCommand(),
    filterClassifyCommand(),
    filterTrainCommand(),
  ])
    filter.addCommand(command)
  return [filter]
}
