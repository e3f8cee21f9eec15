import { z } from 'zod'
import { type Clock, parseStrictJson, RedoubtError } from '#foundation/core'
import { HttpsLeg, MAX_ANSWER_BYTES } from '../outside/https-leg.ts'
import { type Pause, retried } from '../outside/retried.ts'
import type { TransitConfig } from './config.ts'

const MAX_DEPTH = 8
const RENEW_AFTER = 2 / 3
/** How often it is looked whether the token is to be renewed. */
const RENEWAL_LOOK_MS = 15_000
const MAX_TOKEN_TTL_S = 10 * 365 * 86_400

const tokenSchema = z.object({ data: z.object({ ttl: z.number().min(0).max(MAX_TOKEN_TTL_S), renewable: z.boolean() }) })
const renewedSchema = z.object({ auth: z.object({ lease_duration: z.number().min(0).max(MAX_TOKEN_TTL_S), renewable: z.boolean() }) })
const errorsSchema = z.object({ errors: z.array(z.string()).max(64) })

export interface TransitClientOptions {
  readonly resolveSecret: (reference: string) => string
  readonly clock: Clock
  readonly pause?: Pause
}

interface Answer {
  readonly status: number
  readonly body: Uint8Array
}

/**
 * Calls of OpenBao's or Vault's HTTP API with a token that is renewed at two thirds of its life, and read from its reference again when
 * it is refused: an agent may have put a new one there. Repeats what fails in passing.
 */
export class TransitClient {
  readonly #config: TransitConfig
  readonly #options: TransitClientOptions
  readonly #leg: HttpsLeg
  readonly #timer: NodeJS.Timeout
  #token: string
  /** Monotonic; infinite for a token that does not end or cannot be renewed. */
  #renewAt = Number.POSITIVE_INFINITY
  #renewing: Promise<void> | null = null

  private constructor(config: TransitConfig, options: TransitClientOptions) {
    this.#config = config
    this.#options = options
    this.#token = tokenOf(config, options)
    this.#leg = new HttpsLeg({ caFile: config.ca, hybridGroup: config.hybridGroup, timeoutMs: config.timeoutMs })
    // Also when nothing is asked: a token that was not renewed in time is gone.
    this.#timer = setInterval(() => void this.#renewDue(), RENEWAL_LOOK_MS)
    this.#timer.unref()
  }

  static async open(config: TransitConfig, options: TransitClientOptions): Promise<TransitClient> {
    const client = new TransitClient(config, options)
    try {
      const { data } = await client.call('GET', 'auth/token/lookup-self', tokenSchema)
      client.#renewIn(data.ttl, data.renewable)
      return client
    } catch (thrown) {
      client.close()
      throw thrown
    }
  }

  /**
   * @param path below `/v1/`.
   * @throws {RedoubtError} by status: 400 is the caller's to read, as `ERR_CRYPTO_AUTHENTICATION` where it decrypts.
   */
  async call<S extends z.ZodType>(method: 'GET' | 'POST', path: string, schema: S, input?: object): Promise<z.output<S>> {
    const { body } = await this.#asked(method, path, input)
    try {
      return schema.parse(parseStrictJson(body, { maxBytes: MAX_ANSWER_BYTES, maxDepth: MAX_DEPTH }))
    } catch {
      // The answer may hold a key: neither the parser's nor the schema's message is kept.
      throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL')
    }
  }

  /** A call whose answer, if any, does not matter. */
  async tell(path: string, input: object): Promise<void> {
    await this.#asked('POST', path, input)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#token = ''
    void this.#leg.close()
  }

  async #asked(method: 'GET' | 'POST', path: string, input?: object): Promise<Answer> {
    await this.#renewDue()
    return this.#withToken(() => this.#send(method, path, input))
  }

  async #withToken(send: () => Promise<Answer>): Promise<Answer> {
    const used = this.#token
    try {
      return await send()
    } catch (thrown) {
      if (!(thrown instanceof RedoubtError) || thrown.code !== 'ERR_KEYS_PROVIDER_DENIED') throw thrown
      if (this.#token === used) this.#token = tokenOf(this.#config, this.#options)
      if (this.#token === used) throw thrown
      // Its life is looked up with the next renewal, which is due at once.
      this.#renewAt = 0
      return send()
    }
  }

  #send(method: 'GET' | 'POST', path: string, input?: object): Promise<Answer> {
    return retried(async () => {
      const { url, namespace } = this.#config
      const headers: Record<string, string> = {
        'x-vault-token': this.#token,
        'x-vault-request': 'true',
        ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
        ...(input === undefined ? {} : { 'content-type': 'application/json' }),
      }
      const body = input === undefined ? {} : { body: JSON.stringify(input) }
      const answer = await this.#leg.send({ origin: new URL(url).origin, method, path: `/v1/${path}`, headers, ...body })
      if (answer.status >= 200 && answer.status < 300) return answer
      throw fromStatus(answer)
    }, this.#options.pause)
  }

  /** One renewal at a time; one that fails is tried again with the next look, while the token lives. */
  async #renewDue(): Promise<void> {
    if (this.#options.clock.monotonic() < this.#renewAt) return
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = null))
    await this.#renewing
  }

  async #renew(): Promise<void> {
    try {
      const { body } = await this.#send('POST', 'auth/token/renew-self', {})
      const { auth } = renewedSchema.parse(parseStrictJson(body, { maxBytes: MAX_ANSWER_BYTES, maxDepth: MAX_DEPTH }))
      this.#renewIn(auth.lease_duration, auth.renewable)
    } catch {
      // What is asked next tells, if the token is gone by then.
      this.#renewAt = this.#options.clock.monotonic() + RENEWAL_LOOK_MS
    }
  }

  #renewIn(seconds: number, renewable: boolean): void {
    this.#renewAt = renewable && seconds > 0 ? this.#options.clock.monotonic() + seconds * 1_000 * RENEW_AFTER : Number.POSITIVE_INFINITY
  }
}

function tokenOf({ token }: TransitConfig, { resolveSecret }: TransitClientOptions): string {
  const text = resolveSecret(token).trim()
  if (!/^[\x21-\x7e]{1,4096}$/.test(text))
    throw new RedoubtError('ERR_CONFIG_SECRET', `\`${token}\` is no token that can be sent in a header`)
  return text
}

/** @see https://openbao.org/api-docs/#http-status-codes */
function fromStatus({ status, body }: Answer): RedoubtError {
  const evidence = { status }
  switch (status) {
    case 400:
      return said(
        body,
        /cipher: message authentication failed|unable to decrypt|invalid ciphertext|invalid key version|no prefix|ciphertext version/i,
      )
        ? new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the key service did not wrap this key for this place', { evidence })
        : said(body, /encryption key not found|could not find|no existing key/i)
          ? new RedoubtError('ERR_KEYS_UNKNOWN', 'the key service has no such key', { evidence })
          : said(body, /disallowed by policy|too old/i)
            ? new RedoubtError('ERR_KEYS_DISABLED', 'the key service has this key version disallowed: see its `min_decryption_version`', {
                evidence,
              })
            : new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', 'the key service does not take the request', { evidence })
    case 401:
    case 403:
      return new RedoubtError('ERR_KEYS_PROVIDER_DENIED', 'the key service refuses the token, or what it may do: see its policy', {
        evidence,
      })
    case 404:
      return new RedoubtError('ERR_KEYS_UNKNOWN', 'the key service has no such key or mount', { evidence })
    case 429:
      return new RedoubtError('ERR_KEYS_PROVIDER_BUSY', undefined, { evidence })
    case 503:
      return new RedoubtError('ERR_KEYS_PROVIDER_UNAVAILABLE', 'the key service is sealed or in maintenance', { evidence })
    default:
      return new RedoubtError(status >= 500 ? 'ERR_KEYS_PROVIDER_UNAVAILABLE' : 'ERR_KEYS_PROVIDER_PROTOCOL', undefined, { evidence })
  }
}

function said(body: Uint8Array, what: RegExp): boolean {
  try {
    return errorsSchema
      .parse(parseStrictJson(body, { maxBytes: MAX_ANSWER_BYTES, maxDepth: MAX_DEPTH }))
      .errors.some((error) => what.test(error))
  } catch {
    return false
  }
}
