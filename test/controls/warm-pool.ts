/**
 * A pool of one thread that outlives a run of tests: most of the time of a short run is that of loading packages.
 */
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { PoolOptions, PoolWorker, WorkerRequest } from 'vitest/node'

type Listener = (...args: unknown[]) => void

/** Between runs, too. A process has one, and ends with it: what was left in it would otherwise be taken for gone. */
let thread: Worker | null = null

function started({ env, execArgv }: PoolOptions): Worker {
  if (thread) return thread
  const worker = new Worker(fileURLToPath(new URL('warm-thread.ts', import.meta.url)), {
    env: { ...env },
    execArgv,
    stdout: true,
    stderr: true,
  })
  worker.setMaxListeners(0)
  worker.stdout.resume()
  worker.stderr.resume()
  worker.on('exit', () => process.exit(1))
  return (thread = worker)
}

/** What one run sees of the thread. Its end is told to the run alone. */
class WarmWorker implements PoolWorker {
  readonly name = 'warm'
  readonly #options: PoolOptions
  readonly #heard: [string, Listener][] = []

  constructor(options: PoolOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    started(this.#options)
  }

  on(event: string, listener: Listener): void {
    this.#heard.push([event, listener])
    thread?.on(event, listener)
  }

  off(event: string, listener: Listener): void {
    thread?.off(event, listener)
  }

  send(message: WorkerRequest): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    if (message.type !== 'stop') return thread?.postMessage(message)
    setImmediate(() => {
      for (const [event, listener] of this.#heard) if (event === 'message') listener({ type: 'stopped', __vitest_worker_response__: true })
    })
  }

  deserialize(data: unknown): unknown {
    return data
  }

  async stop(): Promise<void> {
    for (const [event, listener] of this.#heard) thread?.off(event, listener)
  }
}

export const warmPool = { name: 'warm', createPoolWorker: (options: PoolOptions): PoolWorker => new WarmWorker(options) }
