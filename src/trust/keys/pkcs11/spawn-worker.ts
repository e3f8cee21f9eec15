import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Pkcs11Config } from './config.ts'

const SHELL = '/bin/sh'
/** Node's own number of threads; each session may wait for the HSM in one. */
const MIN_THREADS = 4

/** A process at the other end of a channel. */
export interface WorkerProcess {
  readonly pid: number | null
  readonly channel: Duplex
  /** Told once how it ended. */
  onEnd(told: (how: string) => void): void
  kill(): void
}

/**
 * Starts the process that talks to the HSM. It gets the variables that the library reads and no other, no descriptor but its channel (3),
 * and neither the PIN nor a key by argument or environment; no debugger attaches, no core dump is written.
 */
export function spawnWorker({ environment, sessions, pin }: Pkcs11Config): WorkerProcess {
  // The same code runs from `src/*.ts` and from `dist/*.js`.
  const here = fileURLToPath(import.meta.url)
  const entry = join(dirname(here), `hsm-worker.child${extname(here)}`)
  const flags = ['--disable-sigusr1', '--disallow-code-generation-from-strings', '--no-warnings', entry]
  const passed = Object.fromEntries(
    environment.flatMap((name) => (process.env[name] === undefined || pin === `env:${name}` ? [] : [[name, process.env[name]]])),
  )
  const env = { ...passed, UV_THREADPOOL_SIZE: String(Math.max(MIN_THREADS, sessions)) }
  const command = existsSync(SHELL)
    ? ([SHELL, ['-c', 'ulimit -c 0; exec "$@"', 'sh', process.execPath, ...flags]] as const)
    : ([process.execPath, flags] as const)
  const child = spawn(command[0], [...command[1]], { env, cwd: '/', stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
  return {
    pid: child.pid ?? null,
    channel: child.stdio[3] as Duplex,
    onEnd(told) {
      child.once('error', () => told('could not be started'))
      child.once('exit', (code, signal) => told(`ended with ${signal ?? `code ${code ?? 'unknown'}`}`))
    },
    kill: () => void child.kill('SIGKILL'),
  }
}
