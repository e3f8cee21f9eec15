import { Command, Option } from 'commander'
import {
  accessCommands,
  alertCommands,
  approvalCommands,
  reviewCommands,
  auditCommands,
  backupCommands,
  breakGlassCommands,
  confidentialCommands,
  dataCommands,
  demoCommand,
  doctorCommand,
  explainCommand,
  filterCommands,
  keyCommands,
  limitCommands,
  loginCommands,
  modelCommands,
  pipelineCommands,
  policyCommands,
  portNumber,
  sealCommands,
  transformCommands,
  trustCommand,
  withGlobalOptions,
} from '#interfaces/commands'
import type { FilterVocabulary } from '#trust/policy'
import { VERSION } from './version.ts'

/** The parser's own errors begin as ours do. */
const inOurWords = { outputError: (text: string, write: (text: string) => void) => write(text.replace(/^error: /, 'redoubt: ')) }

/**
 * The whole command line. Built without touching a server or a file, so that the reference page is written from it, and without loading
 * what only some commands need: that is what takes most of the time of a short one.
 * @param itself how to run this command line again, in a process of its own.
 */
export function createProgram(itself: readonly string[]): Command {
  const program = new Command('redoubt')
    .description('security gateway and control plane for AI systems with sensitive data')
    .version(VERSION)
    // Options after a command are the command's: `model deploy NAME --version 2` does not ask for ours.
    .enablePositionalOptions()

  program
    .command('up')
    .description('serve; makes the data directory on first start')
    .addOption(new Option('--config <file>', 'configuration file (REDOUBT_CONFIG); see docs/reference/configuration.md'))
    .addOption(
      new Option('--grpc-port <port>', 'port for gRPC (REDOUBT_GRPC_PORT); 8444, or a free one with `--port`').argParser(portNumber),
    )
    .action(async (_options, command: Command) => {
      const { configuration } = await import('./configuration.ts')
      const { serve } = await import('./serve.ts')
      await serve(() => configuration(command.optsWithGlobals()))
    })

  const groups = [
    [demoCommand(itself), doctorCommand(checkConfiguration), trustCommand()],
    loginCommands(),
    accessCommands(),
    dataCommands(),
    confidentialCommands(),
    modelCommands(),
    pipelineCommands(),
    transformCommands(),
    [explainCommand()],
    keyCommands(),
    sealCommands(),
    backupCommands(VERSION),
    policyCommands({ policies: configuredPolicies, vocabulary: configuredVocabulary }),
    limitCommands(),
    auditCommands(),
    filterCommands(),
    alertCommands(),
    approvalCommands(),
    reviewCommands(),
    breakGlassCommands(),
  ]
  for (const command of groups.flat()) program.addCommand(command)

  const everywhere = (command: Command): void => {
    withGlobalOptions(command).exitOverride().showHelpAfterError('  next  run it with --help').configureOutput(inOurWords)
    command.commands.forEach(everywhere)
  }
  everywhere(program)
  return program
}

/** What a start would find wrong with the configuration and the files that it names. */
async function checkConfiguration(): Promise<void> {
  const { configuration } = await import('./configuration.ts')
  const { openCountries } = await import('#trust/conditions')
  await openCountries(configuration({}).conditions.countryFile)
}

async function configuredPolicies(): Promise<string | undefined> {
  const { configuration } = await import('./configuration.ts')
  return configuration({}).policies
}

async function configuredVocabulary(): Promise<FilterVocabulary> {
  const { configuration } = await import('./configuration.ts')
  const { readSiteFilters } = await import('./read-site-filters.ts')
  const { filterVocabulary } = await import('#gateway/filters')
  return filterVocabulary(readSiteFilters(configuration({}).filters).site)
}
