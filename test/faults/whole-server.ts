import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request as httpsRequest } from 'node:https'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type PrivateJwk, requestToken, revokeToken } from '#trust/client'

const SHIM = fileURLToPath(new URL('../../bin/redoubt', import.meta.url))
const START_TIMEOUT_MS = 60_000
const COMMAND_TIMEOUT_MS = 30_000
const POLL_MS = 25

/** Seed of this run: printed, so that a failure can be run again with `REDOUBT_SEED`. */
export const SEED = Number(process.env['REDOUBT_SEED'] ?? Date.now() % 2 ** 31)

/** mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Ask {
  readonly method?: string
  readonly json?: unknown
  readonly token?: string | null
  readonly signal?: AbortSignal
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Folders of one installation; more than one process may serve it, one after the other. */
export class Installation {
  readonly root: string
  readonly dataDir: string
  readonly secretsDir: string
  port = 0

  /** @param dataDir another place for the data, such as a small file system. */
  constructor(dataDir?: string) {
    this.root = mkdtempSync(join(tmpdir(), 'redoubt-faults-'))
    this.dataDir = dataDir ?? join(this.root, 'data')
    this.secretsDir = join(this.root, 'secrets')
  }

  get log(): string {
    return join(this.dataDir, 'log')
  }

  get url(): string {
    return `https://localhost:${this.port}`
  }

  get verifierKey(): string {
    return readFileSync(join(this.dataDir, 'log.vkey'), 'utf8').trim()
  }

  /** @param yaml text of `redoubt.yaml`. */
  configure(yaml: string): void {
    writeFileSync(join(this.root, 'redoubt.yaml'), yaml)
  }

  /** Runs `redoubt …` through the shim, as a user does. */
  spawn(args: readonly string[], environment: NodeJS.ProcessEnv = {}): ChildProcess {
    const config = join(this.root, 'redoubt.yaml')
    return spawn(SHIM, args, {
      cwd: this.root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        HOME: this.root,
        REDOUBT_DATA_DIR: this.dataDir,
        REDOUBT_SECRETS_DIR: this.secretsDir,
        REDOUBT_PORT: String(this.port),
        ...(existsSync(config) ? { REDOUBT_CONFIG: config } : {}),
        ...environment,
      },
    })
  }

  /** One command to its end. */
  async command(
    args: readonly string[],
    environment: NodeJS.ProcessEnv = {},
  ): Promise<Exit & { readonly out: string; readonly err: string }> {
    const child = this.spawn(args, environment)
    let out = ''
    let err = ''
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (err += text))
    // A command that does not end is a finding too: it must not hold up the run.
    const timer = setTimeout(() => child.kill('SIGKILL'), COMMAND_TIMEOUT_MS)
    const exit = await new Promise<Exit>((resolve) => child.once('close', (code, signal) => resolve({ code, signal })))
    clearTimeout(timer)
    return { ...exit, out, err }
  }

  /** Starts a server and waits until it is ready. */
  async start(environment: NodeJS.ProcessEnv = {}): Promise<WholeServer> {
    if (this.port === 0) this.port = await freePort()
    const server = new WholeServer(this, this.spawn(['up'], environment))
    await server.untilReady()
    return server
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** One server process. */
export class WholeServer {
  readonly installation: Installation
  readonly process: ChildProcess
  readonly exited: Promise<Exit>
  /** Standard error so far. */
  err = ''
  out = ''
  /** From the start of the process to the first `ready`. */
  readyMs = 0
  #exit: Exit | null = null
  readonly #agent: Agent
  readonly #startedAt = performance.now()

  constructor(installation: Installation, child: ChildProcess) {
    this.installation = installation
    this.process = child
    this.#agent = new Agent({ keepAlive: true, maxSockets: 64 })
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.err += text))
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.out += text))
    this.exited = new Promise((resolve) =>
      child.once('close', (code, signal) => {
        this.#exit = { code, signal }
        this.#agent.destroy()
        resolve(this.#exit)
      }),
    )
  }

  get pid(): number {
    return this.process.pid!
  }

  async untilReady(): Promise<void> {
    for (;;) {
      if (this.#exit !== null) throw new Error(`the server ended with ${JSON.stringify(this.#exit)}: ${this.err}`)
      if (performance.now() - this.#startedAt > START_TIMEOUT_MS) throw new Error(`the server does not become ready: ${this.err}`)
      const answer = await this.ask('/readyz', { token: null }).catch(() => null)
      if (answer?.status === 200) break
      await wait(POLL_MS)
    }
    this.readyMs = performance.now() - this.#startedAt
  }

  kill(signal: NodeJS.Signals): Promise<Exit> {
    this.process.kill(signal)
    return this.exited
  }

  #ca(): Buffer {
    return readFileSync(join(this.installation.dataDir, 'ca.pem'))
  }

  open(path: string, { method, json, token, signal }: Ask, agent: Agent | false = this.#agent): Promise<IncomingMessage> {
    const payload = json === undefined ? undefined : Buffer.from(JSON.stringify(json))
    return new Promise((resolve, reject) => {
      const request = httpsRequest(
        `${this.installation.url}${path}`,
        {
          method: method ?? (payload === undefined ? 'GET' : 'POST'),
          agent,
          ca: this.#ca(),
          ...(signal === undefined ? {} : { signal }),
          headers: {
            ...(typeof token === 'string' ? { authorization: `Bearer ${token}` } : {}),
            ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': payload.byteLength }),
          },
        },
        resolve,
      )
      request.once('error', reject)
      request.end(payload)
    })
  }

  async ask(path: string, ask: Ask, agent?: Agent | false): Promise<Answer> {
    const response = await this.open(path, ask, agent)
    return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
  }

  /** A token of the bootstrap account, or of the account whose key is given. */
  async token(account?: { readonly accountId: string; readonly privateKeyJwk: PrivateJwk }): Promise<string> {
    return (await requestToken(this.#tokenAsk(account))).accessToken
  }

  revoke(token: string, account?: { readonly accountId: string; readonly privateKeyJwk: PrivateJwk }): Promise<void> {
    return revokeToken(this.#tokenAsk(account), token)
  }

  #tokenAsk(account?: { readonly accountId: string; readonly privateKeyJwk: PrivateJwk }): Parameters<typeof requestToken>[0] {
    const own = account ?? (JSON.parse(readFileSync(join(this.installation.secretsDir, 'cli-key.json'), 'utf8')) as AccountKey)
    return { accountId: own.accountId, privateKeyJwk: own.privateKeyJwk, baseUrl: this.installation.url, ca: this.#ca(), timeoutMs: 10_000 }
  }

  /** Makes a service account through the control plane. */
  async account(token: string, name: string, role: string, purpose = 'credit-scoring'): Promise<AccountKey> {
    const answer = await this.ask('/api/v1/service-accounts', { token, json: { name, roles: [role], purpose, legalBasis: 'contract' } })
    if (answer.status !== 201) throw new Error(`account ${name}: ${answer.status} ${answer.body}`)
    return { accountId: name, privateKeyJwk: (JSON.parse(answer.body) as { privateKeyJwk: PrivateJwk }).privateKeyJwk }
  }

  async search(token: string, query: Readonly<Record<string, string>>): Promise<readonly LoggedEvent[]> {
    const answer = await this.ask(`/api/v1/audit/entries?${new URLSearchParams(query).toString()}`, { token })
    if (answer.status !== 200) throw new Error(`search: ${answer.status} ${answer.body}`)
    return (JSON.parse(answer.body) as { entries: readonly LoggedEvent[] }).entries
  }
}

export interface AccountKey {
  readonly accountId: string
  readonly privateKeyJwk: PrivateJwk
}

export interface LoggedEvent {
  readonly index: number
  readonly event: Readonly<Record<string, unknown>>
}

export async function text(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of response as AsyncIterable<Buffer>) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}

/** One row for the starter model, about one person. */
export function creditRow(subject: string | null): unknown {
  const column = (name: string, datatype: string, value: string | number): unknown => ({ name, shape: [1, 1], datatype, data: [value] })
  return {
    ...(subject === null ? {} : { parameters: { subject } }),
    inputs: [
      column('age', 'INT64', 41),
      column('income', 'INT64', 38_000),
      column('amount', 'INT64', 9_500),
      column('duration_months', 'INT64', 36),
      column('employment', 'BYTES', 'permanent'),
      column('purpose', 'BYTES', 'car'),
      column('late_payments', 'INT64', 1),
    ],
  }
}

export const chatBody = (content: string, stream: boolean, model = 'assistant'): unknown => ({
  model,
  stream,
  // Reservations stay small: what was reserved when the server was killed counts as used.
  max_tokens: 16,
  messages: [{ role: 'user', content }],
})

/** What a plain client makes of a stream: its events, and whether it ended as a stream may end. */
export function readEvents(body: string): { readonly data: readonly string[]; readonly done: boolean; readonly errorCode: string | null } {
  const data = body
    .split('\n\n')
    .map((event) => event.split('\n').find((line) => line.startsWith('data: ')))
    .filter((line) => line !== undefined)
    .map((line) => line.slice('data: '.length))
  const error = data.map((item) => (item === '[DONE]' ? null : (JSON.parse(item) as { error?: { code?: string } }).error)).find(Boolean)
  return { data, done: data.at(-1) === '[DONE]', errorCode: error?.code ?? null }
}
