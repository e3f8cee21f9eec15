import { closeSync, openSync } from 'node:fs'
import { asRedoubtError, RedoubtError } from '#foundation/core'
import { errorText } from '#interfaces/commands'
import { type Server, startServer } from './compose.ts'
import type { Configuration } from './configuration.ts'
import { greeting } from './greeting.ts'

/** Runs the server until a signal ends it, telling a person on standard output how to begin. */
export async function serve(configuration: Configuration): Promise<void> {
  endOnSurprise()
  try {
    const server = await startServer(configuration, (message) => process.stderr.write(`redoubt: ${message}\n`))
    let stopping: Promise<void> | null = null
    const stop = (): Promise<void> => (stopping ??= server.close())
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (stopping === null) stop().then(() => process.exit(0), fail)
      })
    }
    const terminal = process.stdin.isTTY
    process.on('SIGHUP', () => {
      if (stopping !== null) return
      // A terminal that closes ends what runs in it; any other hang-up is the daemons' sign to read their configuration again.
      if (terminal && terminalGone()) stop().then(() => process.exit(0), fail)
      else void reload(server)
    })
    try {
      await server.ready
    } catch (thrown) {
      // Whoever stops a server that is still starting takes away what it was about to use: that is no failure.
      if (stopping !== null) return
      await stop().catch(() => undefined)
      throw thrown
    }
    process.stdout.write(greeting(server, configuration))
  } catch (thrown) {
    fail(thrown)
  }
}

/** What is not in order changes nothing: the policies that were at work stay at work. */
async function reload(server: Server): Promise<void> {
  try {
    const { before, after, cases } = await server.reloadPolicies()
    const what = before === after ? 'the policies are as they were' : `policy set ${after} is in force`
    process.stderr.write(`redoubt: reloaded; ${what} (${cases} rows of truth tables hold)\n`)
  } catch (thrown) {
    process.stderr.write(`${errorText(asRedoubtError(thrown))}\n`)
  }
}

/** Whether the terminal that this process was started in no longer exists. */
function terminalGone(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return false
  } catch {
    return true
  }
}

function fail(thrown: unknown): void {
  process.stderr.write(`${errorText(asRedoubtError(thrown))}\n`)
  process.exit(1)
}

/**
 * What nobody expected leaves the process in a state that nobody knows: it ends at once, without writing anything more. The log and
 * the databases on disk are as after a power cut, which they survive. The message stays out of the line: it may quote what a caller sent.
 */
function endOnSurprise(): void {
  process.on('uncaughtException', (error: unknown) => {
    const name = error instanceof RedoubtError ? `${error.code}: ${error.message}` : error instanceof Error ? error.name : typeof error
    const frames = error instanceof Error ? (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line)) : []
    process.stderr.write(
      `redoubt: ended by an unexpected error (${name}); restart it, nothing that was answered is lost\n${frames.join('\n')}\n`,
    )
    process.exit(1)
  })
  // Whoever read the output has gone; that is no reason to stop serving.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => undefined)
}
