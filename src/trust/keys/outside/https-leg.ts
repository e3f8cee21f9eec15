import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { Agent } from 'undici'
import { RedoubtError } from '#foundation/core'
import { TLS_OPTIONS } from '#foundation/crypto'

/** Answers of key services are a few hundred bytes; a public key with its certificate chain stays below this too. */
export const MAX_ANSWER_BYTES = 64 * 1024
const MAX_HEADER_BYTES = 16 * 1024
const CONNECTIONS = 16
/** What an exchange carries are keys in clear, and who records it today must not read it later either. */
const HYBRID_ONLY = 'X25519MLKEM768'

export interface LegOptions {
  /** PEM file of the only authority that may vouch for the service; the public ones unless given. */
  readonly caFile?: string | undefined
  /** `preferred` also takes a service that knows classical groups alone. */
  readonly hybridGroup: 'required' | 'preferred'
  /** For one exchange, from connecting to the last byte. */
  readonly timeoutMs: number
}

export interface LegRequest {
  /** `https://host:port`. */
  readonly origin: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly signal?: AbortSignal
}

export interface LegAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** One leg to a key service: TLS 1.3 with the post-quantum hybrid group, bounded in time and size, no redirects, no retries. */
export class HttpsLeg {
  readonly #agent: Agent
  readonly #timeoutMs: number

  /** @throws {RedoubtError} `ERR_CONFIG_INVALID` when the file of the authority cannot be read. */
  constructor({ caFile, hybridGroup, timeoutMs }: LegOptions) {
    this.#timeoutMs = timeoutMs
    const groups = hybridGroup === 'required' ? { ecdhCurve: HYBRID_ONLY } : {}
    const authority = caFile === undefined ? {} : { ca: authorityOf(caFile) }
    this.#agent = new Agent({
      connections: CONNECTIONS,
      pipelining: 1,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      maxHeaderSize: MAX_HEADER_BYTES,
      connect: {
        timeout: timeoutMs,
        secureContext: createSecureContext({ ...TLS_OPTIONS, ...groups, ...authority }),
        ...TLS_OPTIONS,
        ...groups,
        rejectUnauthorized: true,
      },
    })
  }

  /** @throws {RedoubtError} `ERR_KEYS_PROVIDER_UNAVAILABLE` or `ERR_KEYS_PROVIDER_PROTOCOL`; any status is an answer. */
  async send({ origin, method, path, headers, body, signal }: LegRequest): Promise<LegAnswer> {
    const limit = AbortSignal.timeout(this.#timeoutMs)
    try {
      const answer = await this.#agent.request({
        origin,
        method,
        path,
        headers,
        body: body ?? null,
        signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
      })
      const parts: Uint8Array[] = []
      let size = 0
      for await (const part of answer.body as AsyncIterable<Uint8Array>) {
        size += part.byteLength
        // Leaving the loop destroys the body, and with it the connection: the rest is not read.
        if (size > MAX_ANSWER_BYTES)
          throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', `the key provider answered with more than ${MAX_ANSWER_BYTES} bytes`)
        parts.push(part)
      }
      return { status: answer.statusCode, headers: flat(answer.headers), body: Buffer.concat(parts) }
    } catch (thrown) {
      throw fromTransport(thrown, limit.aborted ? this.#timeoutMs : null)
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}

function authorityOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new RedoubtError('ERR_CONFIG_INVALID', `\`keys.provider.ca\`: the file \`${path}\` cannot be read`, { cause })
  }
}

function flat(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]))
}

/** The cause stays out: transport errors carry sockets and pieces of answers. The platform's code is what an operator looks up. */
function fromTransport(thrown: unknown, timeoutMs: number | null): RedoubtError {
  if (thrown instanceof RedoubtError) return thrown
  if (timeoutMs !== null)
    return new RedoubtError('ERR_KEYS_PROVIDER_UNAVAILABLE', `the key provider did not answer within ${timeoutMs / 1_000} s`, {
      evidence: { reason: 'timeout' },
    })
  const reason = codeOf(thrown)
  if (reason.startsWith('HPE_') || reason === 'UND_ERR_HEADERS_OVERFLOW' || reason === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH')
    return new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', undefined, { evidence: { reason } })
  const tls = /^(ERR_SSL|ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(reason)
  const said = tls
    ? `no safe connection to the key provider comes about (${reason}); TLS 1.3 and, unless \`hybridGroup: preferred\`, the group X25519MLKEM768 are required`
    : undefined
  return new RedoubtError('ERR_KEYS_PROVIDER_UNAVAILABLE', said, { evidence: { reason } })
}

function codeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'UNKNOWN'
  const own = (thrown as { readonly code?: unknown }).code
  if (typeof own === 'string') return own
  const first: unknown = thrown instanceof AggregateError ? thrown.errors[0] : thrown.cause
  return first instanceof Error ? codeOf(first) : thrown.name
}
