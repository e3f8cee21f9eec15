import { Command } from 'commander'
import { filterClassifyCommand } from './filter-classify-command.ts'
import { filterTrainCommand } from './filter-train-command.ts'

/** `redoubt filter …`: what the gateway's filters do, on files, with no server and no secrets. */
export function filterCommands(): Command[] {
  const filter = new Command('filter').description('filters for personal data and injected instructions, offline')
  filter.addCommand(filterClassifyCommand())
  filter.addCommand(filterTrainCommand())
  return [filter]
}
