import { type Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { asRedoubtError, type RedoubtError } from '#foundation/core'
import { problemOf } from '#interfaces/api'
import { Client } from './client.ts'
import { createOutput, errorText, type Output } from './output.ts'
import { findPlace, type Place } from './place.ts'

/** Exit codes of the contract. */
export const EXIT = { done: 0, refused: 1, usage: 2 } as const

export interface Session {
  readonly place: Place
  readonly client: Client
  readonly output: Output
}

interface GlobalOptions {
  readonly dataDir?: string
  readonly secretsDir?: string
  readonly port?: number
  readonly url?: string
  readonly json?: boolean
}

/** What a command of a group does with its own options. */
export type Action<Options> = (session: Session, options: Options, ...parameters: string[]) => Promise<number | void>

export const portNumber = (text: string): number => {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new InvalidArgumentError('a port is a number from 0 to 65535')
  return port
}

/** Heading of these in every help text, so that a command’s own options stand out. */
const EVERYWHERE = 'With every command:'

/** Options that every command understands. */
export function withGlobalOptions(command: Command): Command {
  return command
    .addOption(new Option('--data-dir <dir>', 'data directory (REDOUBT_DATA_DIR)').helpGroup(EVERYWHERE))
    .addOption(new Option('--secrets-dir <dir>', 'secrets directory (REDOUBT_SECRETS_DIR)').helpGroup(EVERYWHERE))
    .addOption(new Option('--port <port>', 'port of the server (REDOUBT_PORT)').argParser(portNumber).helpGroup(EVERYWHERE))
    .addOption(new Option('--url <url>', 'address of the server (REDOUBT_URL)').helpGroup(EVERYWHERE))
    .addOption(new Option('--json', 'print JSON in place of words').helpGroup(EVERYWHERE))
    .addHelpOption(new Option('-h, --help', 'show this help').helpGroup(EVERYWHERE))
}

/** Wraps a command's work: session in, exit code out, errors in words (or as a problem document with `--json`). */
export function run<Options extends object>(work: Action<Options>): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const command = args.at(-1) as Command
    const options = command.optsWithGlobals<Options & GlobalOptions>()
    const parameters = args.slice(0, -2) as string[]
    const output = createOutput(options.json === true)
    try {
      const place = findPlace(options)
      process.exitCode = (await work({ place, client: new Client(place), output }, options, ...parameters.flat())) ?? EXIT.done
    } catch (thrown) {
      output.progressDone()
      report(asRedoubtError(thrown), output)
    }
  }
}

export function report(error: RedoubtError, output: Output): void {
  if (output.json)
    process.stdout.write(`${JSON.stringify({ error: problemOf(error, String(error.evidence['requestId'] ?? '')) }, null, 2)}\n`)
  else {
    process.stderr.write(`${errorText(error)}\n`)
    if (error.code === 'ERR_INTERNAL' && process.env['REDOUBT_TRACE'])
      process.stderr.write(`${String((error.cause as Error | undefined)?.stack)}\n`)
  }
  process.exitCode = error.code === 'ERR_USAGE' ? EXIT.usage : EXIT.refused
}

/** A command added to another does not inherit this, and would end the process with its own exit code. */
function overrideExit(command: Command): void {
  command.exitOverride()
  command.commands.forEach(overrideExit)
}

/** Parses the command line; usage errors end with 2, help and version with 0. */
export async function runProgram(program: Command, argv: readonly string[]): Promise<void> {
  overrideExit(program)
  try {
    await program.parseAsync([...argv])
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    process.exitCode = thrown.exitCode === 0 ? EXIT.done : EXIT.usage
  }
}
