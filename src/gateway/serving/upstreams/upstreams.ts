import { type Clock, RedoubtError, type Sensitivity } from '#foundation/core'
import { HYBRID_ONLY, type OutboundTls } from '#foundation/crypto'
import type { Logger } from '#foundation/telemetry'
import { Pool } from 'undici'
import { refuseBaseUrl, type UpstreamApi, type UpstreamConfig, type UpstreamsConfig } from './config.ts'
import { protectedConnector } from './connector.ts'
import { Exchange, type UpstreamExchange, type UpstreamHandler } from './exchange.ts'
import { isLoopbackName, loopbackLookup } from './loopback.ts'
import { probeUpstream, type UpstreamHealth } from './probe.ts'

/** As many exchanges as run at once against one upstream; more wait in the pool. */
export const POOL_CONNECTIONS = 256
/** Below the usual 5 s of servers, so that a request rarely meets a connection that the upstream is closing. */
const KEEP_ALIVE_MS = 4_000
const MAX_RESPONSE_HEADER_BYTES = 32 * 1024
const USER_AGENT = 'redoubt'

/** A public model name and where it leads. */
export interface UpstreamRoute {
  /** The name clients use. */
  readonly model: string
  readonly upstream: string
  /** The name the upstream uses. */
  readonly upstreamModel: string
  readonly sandbox: boolean
  /** Who runs the upstream and where, as the configuration names them; empty when it does not. */
  readonly vendor: string
  readonly region: string
  readonly sensitivity: Sensitivity
  readonly purposes: readonly string[]
  readonly api: UpstreamApi
  /** How often a request that cannot have been answered is sent again. */
  readonly retries: number
  /** Epoch milliseconds at which the agreement with whoever runs it ends; null without one on record. */
  readonly agreedUntil: number | null
  /** Where to go when this does not answer, in order. */
  readonly fallbacks: readonly UpstreamRoute[]
  /** Epoch seconds: when this process took the route into service. */
  readonly created: number
}

export interface DispatchOptions {
  readonly stream: boolean
  /** Path below the base address, without its first slash; `chat/completions` unless given. */
  readonly operation?: string
  /** Header names and values in turn, beside those of the upstream. */
  readonly headers?: readonly string[]
  /** Sent as `x-client-request-id`, so that both logs can be read side by side. */
  readonly requestId?: string
}

export interface Upstreams {
  list(): readonly UpstreamRoute[]
  /** @returns the route of exactly this public name, or null. */
  resolve(model: string): UpstreamRoute | null
  /** Sends one request. Never throws: what goes wrong arrives at `handler.error`, later or during the call. */
  dispatch(route: UpstreamRoute, body: Uint8Array | string, options: DispatchOptions, handler: UpstreamHandler): UpstreamExchange
  /** Asks each upstream for its models, with its credential. */
  probe(): Promise<readonly UpstreamHealth[]>
  /** Breaks off what still runs. */
  close(): Promise<void>
}

/** An upstream with its credential resolved; nothing outside this file holds one. */
interface Connection {
  readonly name: string
  readonly config: UpstreamConfig
  readonly url: URL
  readonly pool: Pool
  /** Path of the base address, without its last slash. */
  readonly path: string
  readonly headers: readonly string[]
}

/** The protocol version that Anthropic's API is asked for by a client that names none. */
const ANTHROPIC_VERSION = '2023-06-01'

/**
 * Opens the configured upstreams. Connections are made on first use.
 * @param resolveSecret Returns what a reference (`env:`, `file:`) stands for; called once for each reference, here.
 * @throws {RedoubtError} `ERR_CONFIG_INVALID` for an address that is not acceptable, `ERR_CONFIG_SECRET` for a credential that
 * cannot be sent in a header, and whatever `resolveSecret` throws.
 */
export function createUpstreams(options: {
  readonly config: UpstreamsConfig
  readonly resolveSecret: (reference: string) => string
  /** As `resolveSecret`, of certificates, whose files everyone may read. */
  readonly resolveTrusted: (reference: string) => string
  readonly clock: Clock
  readonly logger: Logger
  /** What connections to `upstream/NAME` are held to; TLS 1.3 with a hybrid group unless given. */
  readonly tls?: OutboundTls
}): Upstreams {
  const { clock, logger } = options
  const connections = new Map<string, Connection>()
  for (const [name, config] of Object.entries(options.config.upstreams))
    connections.set(name, connect(name, config, options, options.tls ?? HYBRID_ONLY))

  const created = Math.floor(clock.now() / 1000)
  const routes = new Map<string, UpstreamRoute>()
  for (const [model, entry] of Object.entries(options.config.models)) {
    const { sensitivity, purposes } = entry
    const leadingTo = (to: Place, fallbacks: readonly UpstreamRoute[]): UpstreamRoute => {
      const { sandbox, vendor, region, api, retries, agreement } = connectionTo(connections, model, to.upstream).config
      return {
        model,
        upstream: to.upstream,
        upstreamModel: to.model,
        sandbox,
        vendor,
        region,
        sensitivity: to.sensitivity ?? sensitivity,
        purposes: to.purposes ?? purposes,
        api,
        retries,
        // The last day counts to its end, wherever on Earth it ends first: in UTC.
        agreedUntil: agreement === undefined ? null : Date.parse(agreement.expires) + DAY_MS,
        fallbacks,
        created,
      }
    }
    routes.set(
      model,
      leadingTo(
        entry,
        entry.fallbacks.map((fallback) => leadingTo(fallback, [])),
      ),
    )
  }
  const listed = [...routes.values()]

  return {
    list: () => listed,
    resolve: (model) => routes.get(model) ?? null,
    dispatch(route, body, { stream, operation = 'chat/completions', requestId, headers: more }, handler) {
      const connection = connections.get(route.upstream)
      if (connection === undefined) throw new RedoubtError('ERR_INTERNAL', 'the route names an unknown upstream')
      const { config } = connection
      const maxBytes = stream ? config.maxStreamBytes : config.maxResponseBytes
      const bounds = { upstream: connection.name, stream, maxBytes, totalTimeoutMs: config.totalTimeoutMs }
      const exchange = new Exchange(handler, bounds, logger)
      const headers = [...connection.headers, 'accept', stream ? 'text/event-stream' : 'application/json']
      if (requestId !== undefined) headers.push('x-client-request-id', requestId)
      if (config.api === 'anthropic' && more?.includes('anthropic-version') !== true) headers.push('anthropic-version', ANTHROPIC_VERSION)
      if (more !== undefined) headers.push(...more)
      connection.pool.dispatch({ method: 'POST', path: `${connection.path}/${operation}`, headers, body }, exchange)
      return exchange
    },
    probe: () =>
      Promise.all(
        [...connections.values()].map(({ name, url, pool, path, headers, config }) =>
          probeUpstream({
            name,
            url,
            pool,
            path: `${path}/models`,
            headers: config.api === 'anthropic' ? [...headers, 'anthropic-version', ANTHROPIC_VERSION] : headers,
            timeoutMs: config.headersTimeoutMs,
            clock,
            logger,
          }),
        ),
      ),
    async close() {
      await Promise.all([...connections.values()].map(({ pool }) => pool.destroy()))
    },
  }
}

const DAY_MS = 86_400_000

/** Where a request may go: a model of the configuration, or one of its fallbacks. */
interface Place {
  readonly upstream: string
  readonly model: string
  readonly sensitivity?: Sensitivity | undefined
  readonly purposes?: readonly string[] | undefined
}

function connectionTo(connections: ReadonlyMap<string, Connection>, model: string, upstream: string): Connection {
  const connection = connections.get(upstream)
  if (connection === undefined) throw new RedoubtError('ERR_CONFIG_INVALID', `the model \`${model}\` names an unknown upstream`)
  return connection
}

type References = Pick<Parameters<typeof createUpstreams>[0], 'resolveSecret' | 'resolveTrusted'>

function connect(name: string, config: UpstreamConfig, { resolveSecret, resolveTrusted }: References, tls: OutboundTls): Connection {
  const url = new URL(config.baseUrl)
  // The schema says so too; it is asked again here because a configuration may be made in code.
  const refused = refuseBaseUrl(url, config.allowLoopbackHttp)
  if (refused !== null) throw new RedoubtError('ERR_CONFIG_INVALID', `the address of the upstream \`${name}\` ${refused}`)

  const headers = ['content-type', 'application/json', 'accept-encoding', 'identity', 'user-agent', USER_AGENT]
  if (config.apiKey !== undefined) {
    const credential = resolveSecret(config.apiKey).trim()
    if (!/^[\x21-\x7e]{1,8192}$/.test(credential)) {
      throw new RedoubtError('ERR_CONFIG_SECRET', `the credential of the upstream \`${name}\` cannot be sent in a header`)
    }
    if (config.api === 'anthropic') headers.push('x-api-key', credential)
    else headers.push('authorization', `Bearer ${credential}`)
  }
  if (config.organization !== undefined) headers.push('openai-organization', config.organization)
  if (config.project !== undefined) headers.push('openai-project', config.project)

  const plain = url.protocol === 'http:' && isLoopbackName(url.hostname)
  const ca = config.ca === undefined ? undefined : resolveTrusted(config.ca)
  const pool = new Pool(url.origin, {
    connections: POOL_CONNECTIONS,
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: MAX_RESPONSE_HEADER_BYTES,
    headersTimeout: config.headersTimeoutMs,
    bodyTimeout: config.chunkTimeoutMs,
    connect: plain
      ? { timeout: config.connectTimeoutMs, lookup: loopbackLookup() }
      : protectedConnector(() => tls(`upstream/${name}`), ca, config.connectTimeoutMs),
  })
  return { name, config, url, pool, headers, path: url.pathname.replace(/\/+$/, '') }
}
