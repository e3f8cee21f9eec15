/** Load on one server with connections that stay open, and what the measured process spent on it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { createSecureContext } from 'node:tls'
import { type Dispatcher, Pool } from 'undici'

/** Ticks a second of /proc/<pid>/stat: USER_HZ is 100 on every Linux that Node runs on. */
const USER_HZ = 100
const DEFAULT_CONNECTIONS = 32
const LONGEST_WARM_UP_MS = 60_000

export interface LoadOptions {
  readonly origin: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
  readonly ca?: string
  readonly connections?: number
  readonly durationMs: number
  /** Not measured, before the measured part. */
  readonly warmUpMs?: number
  /** The warm-up goes on until so many requests are answered, since compilers count calls and not seconds. */
  readonly warmUpRequests?: number
  /** Process whose CPU time is read; all its threads count. */
  readonly pid?: number
}

export interface LoadResult {
  readonly requests: number
  readonly failures: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly bytes: number
  /** Requests before the measured part. */
  readonly warmedBy: number
  /** User and system CPU of `pid` for one request, in microseconds; null without `pid`. */
  readonly cpuMicrosPerRequest: number | null
}

/** @returns user and system CPU seconds of a process since it began. @see proc(5), /proc/pid/stat fields 14 and 15 */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The command, field 2, may hold spaces and parentheses: count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / USER_HZ
}

/** Keeps `connections` requests running for the given time. A failure is any answer that is not 200 or that breaks off. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const connections = options.connections ?? DEFAULT_CONNECTIONS
  const ca = options.ca === undefined ? {} : { ca: options.ca }
  const pool = new Pool(options.origin, {
    connections,
    pipelining: 1,
    allowH2: false,
    connect: options.origin.startsWith('https:') ? { secureContext: createSecureContext({ minVersion: 'TLSv1.3', ...ca }) } : {},
  })
  const headers = { 'content-type': 'application/json', ...options.headers }
  const request: Dispatcher.DispatchOptions = { method: 'POST', path: options.path, headers, body: options.body }
  let warmed = 0
  try {
    if ((options.warmUpMs ?? 0) > 0) {
      const until = performance.now() + LONGEST_WARM_UP_MS
      do {
        const { latencies, failures } = await round(pool, request, connections, options.warmUpMs ?? 0)
        warmed += latencies.length + failures
      } while (warmed < (options.warmUpRequests ?? 0) && performance.now() < until)
    }
    const before = options.pid === undefined ? 0 : cpuSeconds(options.pid)
    const started = performance.now()
    const { latencies, failures, bytes } = await round(pool, request, connections, options.durationMs)
    const seconds = (performance.now() - started) / 1000
    const spent = options.pid === undefined ? null : cpuSeconds(options.pid) - before
    const requests = latencies.length
    latencies.sort((a, b) => a - b)
    return {
      requests,
      failures,
      requestsPerSecond: requests / seconds,
      p50Ms: latencies[Math.floor(requests * 0.5)] ?? Number.NaN,
      p99Ms: latencies[Math.floor(requests * 0.99)] ?? Number.NaN,
      bytes,
      warmedBy: warmed,
      cpuMicrosPerRequest: spent === null ? null : (spent / Math.max(requests, 1)) * 1e6,
    }
  } finally {
    await pool.destroy()
  }
}

interface Round {
  readonly latencies: number[]
  readonly failures: number
  readonly bytes: number
}

function round(pool: Pool, request: Dispatcher.DispatchOptions, connections: number, durationMs: number): Promise<Round> {
  const latencies: number[] = []
  let failures = 0
  let bytes = 0
  let running = connections
  const until = performance.now() + durationMs
  return new Promise((resolve) => {
    const one = (): void => {
      const started = performance.now()
      if (started >= until) {
        if (--running === 0) resolve({ latencies, failures, bytes })
        return
      }
      let status = 0
      pool.dispatch(request, {
        onRequestStart: () => undefined,
        onResponseStart(_controller, statusCode) {
          status = statusCode
        },
        onResponseData(_controller, chunk) {
          bytes += chunk.byteLength
        },
        onResponseEnd() {
          if (status === 200) latencies.push(performance.now() - started)
          else failures++
          one()
        },
        onResponseError() {
          failures++
          setImmediate(one)
        },
      })
    }
    for (let i = 0; i < connections; i++) one()
  })
}

export interface BenchProcess {
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

export interface ProcessOptions {
  readonly nodeArguments?: readonly string[]
  /** In place of this process's own environment. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** Starts a script that prints one line of JSON with its port, such as `bench/mock-upstream.ts`. */
export async function startProcess(
  script: URL,
  args: readonly string[],
  { nodeArguments = [], ...options }: ProcessOptions = {},
): Promise<BenchProcess> {
  const child: ChildProcess = spawn(process.execPath, [...nodeArguments, script.pathname, ...args], {
    ...options,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { stdout, pid } = child
  if (stdout === null || pid === undefined) throw new Error(`cannot start ${script.pathname}`)
  const exited = once(child, 'exit')
  const stop = async (): Promise<void> => {
    child.kill()
    await exited
  }
  try {
    for await (const line of createInterface({ input: stdout })) {
      const { port } = JSON.parse(line) as { readonly port: number }
      // Whatever else it prints is not kept, so that a full pipe does not hold it up.
      stdout.resume()
      return { port, pid, stop }
    }
  } catch (thrown) {
    await stop()
    throw thrown
  }
  throw new Error(`${script.pathname} ended before it served`)
}
