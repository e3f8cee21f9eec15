import { asRedoubtError } from '#foundation/core'
import { errorText } from '#interfaces/commands'
import { startServer } from './compose.ts'
import type { Configuration } from './configuration.ts'
import { greeting } from './greeting.ts'

/** Runs the server until a signal ends it, telling a person on standard output how to begin. */
export async function serve(configuration: Configuration): Promise<void> {
  try {
    const server = await startServer(configuration, (message) => process.stderr.write(`redoubt: ${message}\n`))
    let stopping = false
    const stop = (): void => {
      if (stopping) return
      stopping = true
      server.close().then(
        () => process.exit(0),
        (error: unknown) => {
          process.stderr.write(`${errorText(asRedoubtError(error))}\n`)
          process.exit(1)
        },
      )
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
    await server.ready
    process.stdout.write(greeting(server, configuration))
  } catch (thrown) {
    process.stderr.write(`${errorText(asRedoubtError(thrown))}\n`)
    process.exit(1)
  }
}
