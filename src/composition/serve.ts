import { closeSync, openSync } from 'node:fs'
import { asRedoubtError, RedoubtError } from '#foundation/core'
import { errorText } from '#interfaces/commands'
import { startServer } from './compose.ts'
import { reload } from './reload.ts'
import { PROCESS } from './surroundings.ts'
import type { Configuration } from './configuration.ts'
import { emptyCoreDumps } from './core-dumps.ts'
import { greeting } from './greeting.ts'

/** Runs the server until a signal ends it, telling a person on standard output how to begin. @param read the configuration; asked again for what is reloaded. */
export async function serve(read: () => Configuration): Promise<void> {
  let configuration: Configuration
  try {
    configuration = read()
  } catch (thrown) {
    return fail(thrown)
  }
  endOnSurprise()
  // Files that libraries make without saying a mode (SQLite's) are their owner's alone too.
  process.umask(0o077)
  emptyCoreDumps()
  // Listened to before anything is opened: a container's first process that does not listen cannot be told to stop at all.
  let told = false
  const starting = new AbortController()
  let stop = (): void => starting.abort()
  const end = (): void => {
    told = true
    stop()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, end)
  // A terminal that closes ends what runs in it; any other hang-up is the sign to daemons to read their configuration again.
  const terminal = process.stdin.isTTY
  let reloadWanted = false
  let hangUp = (): void => {
    reloadWanted = true
  }
  process.on('SIGHUP', () => (terminal && terminalGone() ? end() : hangUp()))
  try {
    const server = await startServer(configuration, (message) => process.stderr.write(`redoubt: ${message}\n`), {
      ...PROCESS,
      stop: starting.signal,
    })
    let stopping: Promise<void> | null = null
    stop = () => {
      if (stopping === null) (stopping = server.close()).then(() => process.exit(0), fail)
    }
    if (told) stop()
    const again = (): void => void reload({ server, read, tell: (line) => void process.stderr.write(`${line}\n`) })
    if (reloadWanted) again()
    hangUp = again
    try {
      await server.ready
    } catch (thrown) {
      // Whoever stops a server that is still starting takes away what it was about to use: that is no failure.
      if (told) return
      await server.close().catch(() => undefined)
      throw thrown
    }
    if (!told) process.stdout.write(greeting(server, configuration))
  } catch (thrown) {
    // Whoever stops a server that waits to be unsealed gets what they asked for.
    if (starting.signal.aborted && asRedoubtError(thrown).code === 'ERR_DRAINING') process.exit(0)
    fail(thrown)
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

function fail(thrown: unknown): never {
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
