import { type Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { asRedoubtError, problemOf, RedoubtError } from '#foundation/core'
import { Client } from './client.ts'
import { optionHelp } from './option-help.ts'
import { createOutput, errorText, type Output, processTerminal, type Terminal } from './output.ts'
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

/** Beside long names of commands words are wrapped down to this width rather than run over the edge of a terminal. */
const NARROWEST_WORDS = 24

/** Options that every command understands. */
export function withGlobalOptions(command: Command): Command {
  return command
    .configureHelp({ minWidthToWrap: NARROWEST_WORDS, optionDescription: optionHelp })
    .addOption(new Option('--data-dir <dir>', 'data directory (REDOUBT_DATA_DIR)').helpGroup(EVERYWHERE))
    .addOption(new Option('--secrets-dir <dir>', 'secrets directory (REDOUBT_SECRETS_DIR)').helpGroup(EVERYWHERE))
    .addOption(new Option('--port <port>', 'port of the server (REDOUBT_PORT)').argParser(portNumber).helpGroup(EVERYWHERE))
    .addOption(new Option('--url <url>', 'address of the server (REDOUBT_URL)').helpGroup(EVERYWHERE))
    .addOption(new Option('--json', 'print JSON in place of words').helpGroup(EVERYWHERE))
    .addHelpOption(new Option('-h, --help', 'show this help').helpGroup(EVERYWHERE))
}

/** What each program ends with; set by the command that ran. */
const exitCodes = new WeakMap<Command, number>()

/** Wraps a command's work: session in, exit code out, errors in words (or as a problem document with `--json`). */
export function run<Options extends object>(work: Action<Options>): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const command = args.at(-1) as Command
    const options = command.optsWithGlobals<Options & GlobalOptions>()
    const parameters = args.slice(0, -2) as string[]
    const root = rootOf(command)
    const output = createOutput(options.json === true, root.configureOutput() as Terminal)
    try {
      const place = findPlace(options)
      exitCodes.set(root, (await work({ place, client: new Client(place), output }, options, ...parameters.flat())) ?? EXIT.done)
    } catch (thrown) {
      output.progressDone()
      exitCodes.set(root, report(fileError(thrown) ?? asRedoubtError(thrown), output))
    }
  }
}

/** A file that was named and cannot be read or written is the caller's to mend, not an internal error. */
function fileError(thrown: unknown): RedoubtError | null {
  const { code, path, syscall } = thrown as NodeJS.ErrnoException
  const reason: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file or folder',
    EACCES: 'permission denied',
    EISDIR: 'it is a folder',
    ENOTDIR: 'it is no folder',
    ENOSPC: 'the disk is full',
  }
  if (code === undefined || syscall === undefined || reason[code] === undefined) return null
  const file = path === undefined ? 'the file' : `\`${path}\``
  return new RedoubtError('ERR_USAGE', `${file} cannot be used: ${reason[code]}`, { cause: thrown })
}

/** Says what went wrong. @returns the exit code that goes with it. */
export function report(error: RedoubtError, output: Output): number {
  const trace =
    error.code === 'ERR_INTERNAL' && process.env['REDOUBT_TRACE'] ? `\n${String((error.cause as Error | undefined)?.stack)}` : ''
  output.failure({ error: problemOf(error, String(error.evidence['requestId'] ?? '')) }, `${errorText(error)}${trace}`)
  return error.code === 'ERR_USAGE' ? EXIT.usage : EXIT.refused
}

function rootOf(command: Command): Command {
  return command.parent ? rootOf(command.parent) : command
}

/** A command added to another inherits nothing, and would end the process with its own exit code. */
function takeOver(command: Command, terminal: Terminal): void {
  command.exitOverride().configureOutput(terminal)
  command.commands.forEach((sub) => takeOver(sub, terminal))
}

/**
 * Parses the command line and runs what it asks for.
 * @returns the exit code: usage errors end with 2, help and version with 0.
 */
export async function runProgram(program: Command, argv: readonly string[], terminal: Terminal = processTerminal): Promise<number> {
  takeOver(program, terminal)
  try {
    await program.parseAsync([...argv])
    return exitCodes.get(program) ?? EXIT.done
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    return thrown.exitCode === 0 ? EXIT.done : EXIT.usage
  }
}
