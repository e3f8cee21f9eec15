/** The whole server in this process, on a temporary data directory, with a cheap passphrase and few starter rows. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, type RequestOptions, request } from 'node:https'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { type JsonObject, systemClock } from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import { upstreamsSchema } from '#gateway/serving'
import { BOOTSTRAP_KEY_FILE, type PrivateJwk, readAccountFile, requestToken, revokeToken } from '#trust/client'
import { type Server, startServer } from '../../src/composition/compose.ts'
import { type Configuration, configuration } from '../../src/composition/configuration.ts'
import { startWatchedUpstream, type WatchedUpstream } from './upstream.fixture.ts'

/** The floor that OWASP allows: what these tests are about is not the passphrase. */
export const QUICK_KDF = { memoryKiB: 19_456, passes: 2, parallelism: 1 }
/** Short enough for a test of slow bodies, long enough for a busy machine. */
export const BODY_TIMEOUT_MS = 1_500
const STARTER_ROWS = 300

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body as JSON; throws when it is none. */
  readonly json: any
}

export interface Ask {
  /** Bearer token; `undefined` sends none. */
  readonly token?: string | undefined
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Uint8Array
  /** Sent as JSON. */
  readonly json?: unknown
}

export interface HouseAccount {
  readonly name: string
  readonly token: string
  freshToken(): Promise<string>
  revoke(): Promise<void>
}

export interface LogEntry {
  readonly index: number
  readonly event: JsonObject
}

export interface House {
  readonly server: Server
  readonly port: number
  readonly ca: string
  readonly dataDir: string
  readonly secretsDir: string
  readonly upstream: WatchedUpstream
  /** Token of the bootstrap account. */
  readonly token: string
  call(method: string, path: string, ask?: Ask): Promise<Answer>
  /** The answer as it comes. */
  open(method: string, path: string, ask?: Ask): Promise<IncomingMessage>
  /** Bytes as they are, over TLS; resolves with everything that came back until the other side closed. */
  bytes(text: string): Promise<string>
  socket(): Promise<TLSSocket>
  /** A new service account, made through the control plane. */
  account(name: string, role?: string, purpose?: string): Promise<HouseAccount>
  /** Entries of the log, newest first. */
  entries(query: Readonly<Record<string, string>>): Promise<readonly LogEntry[]>
  logSize(): Promise<number>
  close(): Promise<void>
}

/**
 * @param change alters the configuration that the server starts with.
 * @param holdInvariants takes seconds for each change of policies, so only where a test is about it.
 */
export async function openHouse(
  change: (configuration: Configuration) => Configuration = (same) => same,
  { holdInvariants = false }: { readonly holdInvariants?: boolean } = {},
): Promise<House> {
  const folder = mkdtempSync(join(tmpdir(), 'redoubt-house-'))
  const upstream = await startWatchedUpstream()
  const chat = upstreamsSchema.parse({
    upstreams: { watched: { baseUrl: upstream.url, allowLoopbackHttp: true, headersTimeoutMs: 5_000 } },
    models: { assistant: { upstream: 'watched', model: 'watched' } },
  })
  const base = configuration({ port: 0, dataDir: join(folder, 'data') }, {})
  const config = change({ ...base, server: { ...base.server, bodyTimeoutMs: BODY_TIMEOUT_MS }, chat })
  const server = await startServer(config, () => undefined, {
    clock: systemClock,
    logger: silentLogger,
    kdf: QUICK_KDF,
    environment: {},
    starterRows: STARTER_ROWS,
    // Of the test's process, which no shell has started without.
    coreDumps: { limit: 0, memory: false },
    ...(holdInvariants ? {} : { holdInvariants }),
  })
  await server.ready
  const ca = readFileSync(server.caPath, 'utf8')
  const { port: portText } = new URL(server.url)
  const port = Number(portText)

  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  const open = (method: string, path: string, ask: Ask = {}): Promise<IncomingMessage> => {
    const body = ask.json === undefined ? ask.body : JSON.stringify(ask.json)
    const headers = {
      ...(ask.token === undefined ? {} : { authorization: `Bearer ${ask.token}` }),
      ...(ask.json === undefined ? {} : { 'content-type': 'application/json' }),
      ...(body === undefined || ask.headers?.['transfer-encoding'] !== undefined
        ? {}
        : { 'content-length': String(Buffer.byteLength(body)) }),
      ...ask.headers,
    }
    const options: RequestOptions = { host: 'localhost', port, method, path, headers, ca, agent }
    return new Promise((resolve, reject) => {
      const sent = request(options, resolve)
      sent.once('error', reject)
      sent.end(body)
    })
  }
  const call = async (method: string, path: string, ask: Ask = {}): Promise<Answer> => {
    const response = await open(method, path, ask)
    const parts: Buffer[] = []
    for await (const part of response as AsyncIterable<Buffer>) parts.push(part)
    const text = Buffer.concat(parts).toString('utf8')
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text,
      get json() {
        return JSON.parse(text)
      },
    }
  }
  const socket = (): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const opened = connect({ host: 'localhost', port, ca, servername: 'localhost' }, () => resolve(opened))
      opened.once('error', reject)
    })
  const bootstrap = readAccountFile(join(config.secretsDir, BOOTSTRAP_KEY_FILE))
  if (!bootstrap) throw new Error('there is no bootstrap account')
  const { accessToken: token } = await requestToken({ ...bootstrap, baseUrl: server.url, ca })

  const house: House = {
    server,
    port,
    ca,
    dataDir: config.dataDir,
    secretsDir: config.secretsDir,
    upstream,
    token,
    call,
    open,
    socket,
    async bytes(text) {
      const opened = await socket()
      const parts: Buffer[] = []
      opened.on('data', (part: Buffer) => parts.push(part))
      opened.on('error', () => undefined)
      opened.write(text)
      await new Promise((resolve) => opened.once('close', resolve))
      return Buffer.concat(parts).toString('utf8')
    },
    async account(name, role = 'application', purpose = 'credit-scoring') {
      const answer = await call('POST', '/api/v1/service-accounts', {
        token,
        json: { name, roles: [role], purpose, legalBasis: 'contract' },
      })
      if (answer.status !== 201) throw new Error(`the account was not made: ${answer.text}`)
      const { privateKeyJwk } = answer.json as { privateKeyJwk: PrivateJwk }
      const freshToken = async (): Promise<string> =>
        (await requestToken({ baseUrl: server.url, accountId: name, privateKeyJwk, ca })).accessToken
      const held = await freshToken()
      const revoke = (): Promise<void> => revokeToken({ baseUrl: server.url, accountId: name, privateKeyJwk, ca }, held)
      return { name, token: held, freshToken, revoke }
    },
    async entries(query) {
      const answer = await call('GET', `/api/v1/audit/entries?${new URLSearchParams(query).toString()}`, { token })
      return (answer.json as { entries: readonly LogEntry[] }).entries
    },
    async logSize() {
      return (await call('GET', '/api/v1/audit/log', { token })).json.size as number
    },
    async close() {
      agent.destroy()
      await server.close()
      await upstream.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return house
}

/** One row of the starter data, as a client of the Open Inference Protocol sends it. */
export function starterRow(change: Readonly<Record<string, string | number | null>> = {}): { inputs: object[] } {
  const row: Record<string, string | number | null> = {
    age: 41,
    income: 38_000,
    amount: 9_500,
    duration_months: 36,
    employment: 'permanent',
    purpose: 'car',
    late_payments: 1,
    ...change,
  }
  return {
    inputs: Object.entries(row).map(([name, value]) => ({
      name,
      shape: [1, 1],
      datatype: name === 'employment' || name === 'purpose' ? 'BYTES' : 'INT64',
      data: [value],
    })),
  }
}
