import { Command, Option } from 'commander'
import { withGlobalOptions } from '#interfaces/commands'
import {
  accessCommands,
  auditCommands,
  dataCommands,
  demoCommand,
  doctorCommand,
  keyCommands,
  modelCommands,
  policyCommands,
  runProgram,
  trustCommand,
} from '#interfaces/commands'
import { configuration } from './composition/configuration.ts'
import { serve } from './composition/serve.ts'
import { VERSION } from './composition/version.ts'

const program = new Command('redoubt')
  .description('security gateway and control plane for AI systems with sensitive data')
  .version(VERSION)
  .showHelpAfterError()
  .enablePositionalOptions()

program
  .command('up')
  .description('serve; makes the data directory on first start')
  .addOption(new Option('--config <file>', 'configuration (REDOUBT_CONFIG)'))
  .action((_options, command: Command) => serve(configuration(command.optsWithGlobals())))

const itself = [process.execPath, process.argv[1] ?? 'redoubt']
const groups = [
  [demoCommand(itself), doctorCommand(() => configuration({})), trustCommand()],
  accessCommands(),
  dataCommands(),
  modelCommands(),
  keyCommands(),
  policyCommands(),
  auditCommands(),
]
for (const command of groups.flat()) program.addCommand(command)

const everywhere = (command: Command): void => {
  withGlobalOptions(command).exitOverride()
  command.commands.forEach(everywhere)
}
everywhere(program)
await runProgram(program, process.argv)
