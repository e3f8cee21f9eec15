/** The real server, as it is shipped: a process from `dist`, its own data directory, everything on. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const POLL_MS = 5
const START_LIMIT_MS = 60_000
const MAX_SAID = 8_192

export interface ServerPlace {
  readonly folder: string
  readonly port: number
  /** Path of a `redoubt.yaml`. */
  readonly config?: string
  readonly nodeOptions?: readonly string[]
  /** A checkout that is built; this one unless given. */
  readonly checkout?: string
}

export interface RedoubtServer {
  readonly pid: number
  readonly port: number
  readonly caPem: string
  /** Milliseconds from the start of the process. */
  readonly liveMs: number
  readonly readyMs: number
  /** Runs a command against it and returns what it prints. */
  command(...args: readonly string[]): string
  stop(): Promise<void>
}

/** Builds `dist`, so that what is measured is what the source says. */
export function build(): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts/build.ts')], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`the build failed: ${stdout}${stderr}`)
}

export async function startRedoubt({ folder, port, config, nodeOptions = [], checkout = root }: ServerPlace): Promise<RedoubtServer> {
  const environment = {
    ...process.env,
    REDOUBT_DATA_DIR: join(folder, 'data'),
    REDOUBT_SECRETS_DIR: join(folder, 'secrets'),
    REDOUBT_PORT: String(port),
    ...(config === undefined ? {} : { REDOUBT_CONFIG: config }),
  }
  const started = performance.now()
  // By the shim, which becomes the server: what users run is what is measured.
  const child: ChildProcess = spawn(join(checkout, 'bin/redoubt'), ['up'], {
    cwd: checkout,
    env: { ...environment, NODE_OPTIONS: nodeOptions.join(' ') },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  // A development server warns at each start that it is one: between figures only what keeps it from serving is of interest.
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = `${said}${text}`.slice(-MAX_SAID)))
  const exited = once(child, 'exit')
  const until = async (path: string): Promise<number> => {
    while (child.exitCode === null && performance.now() - started < START_LIMIT_MS) {
      if ((await statusOf(port, path)) === 200) return performance.now() - started
      await sleep(POLL_MS)
    }
    child.kill('SIGKILL')
    throw new Error(`the server did not answer ${path} with 200\n${said}`)
  }
  const liveMs = await until('/livez')
  const readyMs = await until('/readyz')
  return {
    pid: child.pid ?? 0,
    port,
    caPem: readFileSync(join(folder, 'data/ca.pem'), 'utf8'),
    liveMs,
    readyMs,
    command(...args) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [join(checkout, 'dist/cli.js'), ...args], {
        cwd: checkout,
        env: environment,
        encoding: 'utf8',
      })
      if (status !== 0) throw new Error(`redoubt ${args.join(' ')}: ${stderr}`)
      return stdout.trim()
    },
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

function statusOf(port: number, path: string): Promise<number> {
  return new Promise((resolve) => {
    // Only whether it answers is asked, before there may be an authority to check it with; nothing is sent.
    const asked = request({ host: '127.0.0.1', port, path, rejectUnauthorized: false, agent: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
    asked.on('error', () => resolve(0)).end()
  })
}

/** Resident memory of a process in MiB. */
export function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024
}

/** The account of a benchmark: `deployer` may invoke nothing by default, so only the policy of the benchmark limits it. */
export const BENCH_ACCOUNT = 'bench'
export const BENCH_ROLE = 'deployer'
/** As an application's permits, filters included, with limits that a load does not reach. */
export const BENCH_POLICY = `
@id("bench-invoke-endpoint")
@filter_input("API_KEY=block, CREDIT_CARD=mask, US_SSN=mask, IBAN_CODE=mask, default=allow")
@filter_output("API_KEY=mask, CREDIT_CARD=mask, US_SSN=mask, IBAN_CODE=mask, EMAIL_ADDRESS=mask, PHONE_NUMBER=mask, default=mask")
@limit("requests 100000000/1m, tokens 1000000000000/1h")
permit (principal == ServiceAccount::"${BENCH_ACCOUNT}", action == Action::"invoke", resource is Endpoint);

@id("bench-invoke-model")
@filter_output("API_KEY=mask, CREDIT_CARD=mask, US_SSN=mask, IBAN_CODE=mask, EMAIL_ADDRESS=mask, PHONE_NUMBER=mask, default=mask")
@limit("rows 1000000000/1h, requests 100000000/1m")
@rows_per_call("2000")
permit (principal == ServiceAccount::"${BENCH_ACCOUNT}", action == Action::"invoke", resource is Model);
`

/** Makes the account and asks for a token of it. */
export function benchToken(server: RedoubtServer, purpose: string): string {
  server.command(
    'access',
    'service-accounts',
    'create',
    BENCH_ACCOUNT,
    '--role',
    BENCH_ROLE,
    '--purpose',
    purpose,
    '--legal-basis',
    'contract',
  )
  return server.command('token', '--as', BENCH_ACCOUNT)
}
