import type { KeyObject } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { asRedoubtError, ERROR_TABLE, type ErrorCode, RedoubtError } from '#foundation/core'
import {
  type AccountFile,
  BOOTSTRAP_KEY_FILE,
  type IssuedAccessToken,
  Login,
  readAccountFile,
  requestToken,
  revokeToken,
} from '#trust/client'
import type { Place } from './place.ts'

/** The largest answer that a command reads into memory. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly json?: unknown
  readonly stream?: Readable
  readonly bytes?: Uint8Array
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Called for each NDJSON progress line. */
  progress?(facts: Readonly<Record<string, string | number>>): void
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** The control plane as a command sees it: TLS 1.3 with the local CA, a fresh token, errors turned back into ours. */
export class Client {
  readonly place: Place
  /** Whoever signed in at this command line. */
  readonly login: Login
  #token: string | null = null
  /** Whether the token that was sent last is of the stored login. */
  #actsByLogin = false
  #nonceAsked = false

  constructor(place: Place, token: string | null = null) {
    this.place = place
    this.#token = token
    this.login = new Login({ server: place.url, folder: place.loginDir, ca: () => this.ca() })
  }

  /**
   * Headers that say for whom a request is: the token given in `REDOUBT_TOKEN`; else that of whoever is logged in, renewed when it is due,
   * with the proof that it is bound to; else the bootstrap account's.
   */
  async #credentials(method: string, path: string): Promise<Record<string, string>> {
    const given = this.#given()
    if (given !== undefined) return { authorization: `Bearer ${given}` }
    const own = await this.login.accessToken()
    if (own !== null) {
      this.#actsByLogin = true
      return { authorization: `DPoP ${own}`, dpop: this.login.proof(method, path, own) }
    }
    this.#token = await this.#bootstrapToken()
    return { authorization: `Bearer ${this.#token}` }
  }

  #given(): string | undefined {
    return this.#token ?? process.env['REDOUBT_TOKEN']
  }

  /** The same server as the bootstrap account, whoever is logged in: for the tour, which needs its rights. */
  async asBootstrap(): Promise<Client> {
    return process.env['REDOUBT_TOKEN'] === undefined ? new Client(this.place, await this.#bootstrapToken()) : this
  }

  #bootstrapToken(): Promise<string> {
    return this.tokenFor(join(this.place.secretsDir, BOOTSTRAP_KEY_FILE))
  }

  /** A token for the account whose private key lies in `keyPath`. */
  async tokenFor(keyPath: string): Promise<string> {
    return (await requestToken(this.#ask(keyPath))).accessToken
  }

  /** The same, bound to `proofKey` (RFC 9449). */
  async boundTokenFor(keyPath: string, proofKey: KeyObject): Promise<IssuedAccessToken> {
    return requestToken({ ...this.#ask(keyPath), proofKey })
  }

  /** Revokes a token of the account whose private key lies in `keyPath` (RFC 7009). */
  async revoke(token: string, keyPath: string): Promise<void> {
    await revokeToken(this.#ask(keyPath), token)
  }

  #ask(keyPath: string): Parameters<typeof requestToken>[0] {
    const ca = this.ca()
    return { ...heldAccount(keyPath), baseUrl: this.place.url, ...(ca === undefined ? {} : { ca }) }
  }

  /**
   * The authority by which the server is recognised; undefined only where the operator named the system's.
   * @throws {RedoubtError} `ERR_SERVER_UNREACHABLE` when there is none: a token is not sent to whomever some public authority vouches for.
   */
  ca(): string | undefined {
    const { caPath, systemAuthorities } = this.place
    if (systemAuthorities) return undefined
    if (!existsSync(caPath))
      throw new RedoubtError(
        'ERR_SERVER_UNREACHABLE',
        `there is no certificate \`${caPath}\` to recognise the server by; name its REDOUBT_DATA_DIR, or the file or \`system\` in REDOUBT_CA`,
      )
    return readFileSync(caPath, 'utf8')
  }

  /** One call of the control plane; the JSON of the answer. @throws {RedoubtError} with the server's code. */
  async call<T>(path: string, ask: Ask = {}): Promise<T> {
    const answer = await this.raw(`/api/v1${path}`, ask)
    if (answer.status >= 400) throw this.#refused(answer.headers, answer.body)
    return (answer.body.byteLength === 0 ? null : JSON.parse(answer.body.toString('utf8'))) as T
  }

  /** A long operation: NDJSON progress, then its result. */
  async long<T>(path: string, ask: Ask): Promise<T> {
    const response = await this.#open(`/api/v1${path}`, ask)
    if ((response.statusCode ?? 500) >= 400) throw this.#refused(response.headers, await collect(response))
    let text = ''
    let last: { readonly type: string; readonly result?: T; readonly problem?: unknown } | null = null
    const take = (line: string): void => {
      if (line === '') return
      const event = JSON.parse(line) as { type: string; result?: T }
      if (event.type === 'progress') ask.progress?.(event as unknown as Record<string, string | number>)
      else last = event
    }
    response.setEncoding('utf8')
    for await (const part of arriving(response)) {
      const lines = (text + String(part)).split('\n')
      text = lines.pop() ?? ''
      lines.forEach(take)
    }
    take(text)
    if (last === null) throw new RedoubtError('ERR_SERVER_UNREACHABLE', 'the server broke off before the result')
    const { type, result, problem } = last as { type: string; result?: T; problem?: unknown }
    if (type === 'error') throw problemError(Buffer.from(JSON.stringify(problem)))
    return result as T
  }

  /** Any path, with the token unless the caller brings its own `authorization`. */
  async raw(path: string, ask: Ask = {}): Promise<Answer> {
    const response = await this.#open(path, ask)
    return { status: response.statusCode ?? 500, headers: response.headers, body: await collect(response) }
  }

  /** One call of the control plane whose answer is a stream. @throws {RedoubtError} with the server's code. */
  async download(path: string, ask: Ask = {}): Promise<IncomingMessage> {
    const response = await this.#open(`/api/v1${path}`, ask)
    if ((response.statusCode ?? 500) >= 400) throw this.#refused(response.headers, await collect(response))
    return response
  }

  /** The response as it comes, for streams. */
  async open(path: string, ask: Ask = {}): Promise<IncomingMessage> {
    return this.#open(path, ask)
  }

  #refused(headers: IncomingMessage['headers'], body: Buffer): RedoubtError {
    const error = refusalOf(headers, body)
    if (error.code !== 'ERR_SESSION_ENDED') return error
    // Whose session has ended is whose token was sent: a token that was given says nothing of the stored login.
    if (!this.#actsByLogin) {
      if (process.env['REDOUBT_TOKEN'] === undefined) return error
      const words = 'the session of the token in REDOUBT_TOKEN has ended; set a new one, or unset it to go on as whoever is logged in'
      return new RedoubtError(error.code, words, { evidence: error.evidence })
    }
    // Tokens of a session that was ended elsewhere open nothing any more; the next command is not to try them again.
    if (!this.login.forget()) return error
    return new RedoubtError(error.code, 'your session has ended; run `redoubt login`', { evidence: error.evidence })
  }

  async #open(path: string, ask: Ask): Promise<IncomingMessage> {
    // A stream is sent once, so the server is asked for the nonce that it may want beforehand.
    const byLogin = ask.headers?.['authorization'] === undefined && this.#given() === undefined && this.login.exists()
    if (ask.stream !== undefined && byLogin && !this.#nonceAsked) {
      this.#nonceAsked = true
      await collect(await this.#open('/api/v1/whoami', {}))
    }
    const response = await this.#send(path, ask)
    const wanted = this.login.takeNonce(response.headers['dpop-nonce']) && this.#actsByLogin && response.statusCode === 401
    if (!wanted || ask.stream !== undefined || response.headers['www-authenticate']?.includes('error="use_dpop_nonce"') !== true)
      return response
    // RFC 9449 §9: once more, with the nonce that came along.
    await collect(response)
    const again = await this.#send(path, ask)
    this.login.takeNonce(again.headers['dpop-nonce'])
    return again
  }

  async #send(path: string, ask: Ask): Promise<IncomingMessage> {
    const ca = this.ca()
    const own = ask.headers?.['authorization']
    const authorization = own === undefined ? await this.#credentials(ask.method ?? 'GET', path) : own === '' ? {} : { authorization: own }
    const payload = ask.json === undefined ? ask.bytes : Buffer.from(JSON.stringify(ask.json))
    const contentType = ask.contentType ?? (ask.json === undefined ? undefined : 'application/json')
    const headers: Record<string, string | number> = {
      ...ask.headers,
      ...authorization,
      ...(contentType === undefined ? {} : { 'content-type': contentType }),
      ...(payload === undefined ? {} : { 'content-length': payload.byteLength }),
    }
    if (own === '') delete headers['authorization']
    return this.#reaching(
      () =>
        new Promise((resolve, reject) => {
          const request = httpsRequest(
            `${this.place.url}${path}`,
            // Said outright: the variable NODE_TLS_REJECT_UNAUTHORIZED turns off what is only a default.
            { method: ask.method ?? 'GET', headers, ca, minVersion: 'TLSv1.3', rejectUnauthorized: true, agent: false },
            resolve,
          )
          request.once('error', reject)
          if (ask.stream) ask.stream.once('error', (error) => request.destroy(error)).pipe(request)
          else request.end(payload)
        }),
    )
  }

  async #reaching<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (thrown) {
      if (thrown instanceof RedoubtError) throw thrown
      const code = (thrown as NodeJS.ErrnoException).code ?? (thrown as { cause?: NodeJS.ErrnoException }).cause?.code
      if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR')
        throw new RedoubtError('ERR_USAGE', 'the file cannot be read', { cause: thrown })
      throw new RedoubtError('ERR_SERVER_UNREACHABLE', `no server answers at ${this.place.url}${code === undefined ? '' : ` (${code})`}`, {
        cause: thrown,
      })
    }
  }
}

/** @throws {RedoubtError} `ERR_USAGE` when this host does not hold the private key. */
function heldAccount(path: string): AccountFile {
  const file = readAccountFile(path)
  if (!file)
    throw new RedoubtError(
      'ERR_USAGE',
      `this host does not hold the key \`${path}\`; set REDOUBT_DATA_DIR or REDOUBT_SECRETS_DIR to the server’s, or REDOUBT_TOKEN`,
    )
  return file
}

/** @throws {RedoubtError} `ERR_SERVER_UNREACHABLE` when the connection ends before the answer does. */
async function* arriving(response: IncomingMessage): AsyncGenerator {
  try {
    yield* response
  } catch (cause) {
    throw new RedoubtError(
      'ERR_SERVER_UNREACHABLE',
      'the server broke off in the middle of its answer; what was asked may have been done',
      {
        cause,
      },
    )
  }
}

async function collect(response: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of arriving(response) as AsyncIterable<Buffer>) {
    size += part.byteLength
    if (size > MAX_ANSWER_BYTES) throw new RedoubtError('ERR_INPUT_TOO_LARGE', 'the answer of the server is too large')
    parts.push(part)
  }
  return Buffer.concat(parts, size)
}

/** What the server said, with the command that answers a demand for other or newer factors (RFC 9470 §3). */
function refusalOf(headers: IncomingMessage['headers'], body: Buffer): RedoubtError {
  const error = problemError(body)
  const challenge = headers['www-authenticate'] ?? ''
  if (!challenge.includes('error="insufficient_user_authentication"')) return error
  const named = (name: string): string | undefined => new RegExp(`\\b${name}="(\\d{1,6})"`).exec(challenge)?.[1]
  const level = named('acr_values')
  const maxAge = named('max_age')
  const command = [
    'redoubt login --step-up',
    ...(level === undefined ? [] : [`--level ${level}`]),
    ...(maxAge === undefined ? [] : [`--max-age ${maxAge}`]),
  ].join(' ')
  return new RedoubtError(error.code, `${error.message}; run \`${command}\``, { evidence: error.evidence })
}

function problemError(body: Buffer): RedoubtError {
  try {
    const { code, detail, ...rest } = JSON.parse(body.toString('utf8')) as { code: string; detail: string }
    if (Object.hasOwn(ERROR_TABLE, code)) {
      const evidence = Object.fromEntries(
        Object.entries(rest).filter(([, value]) => value === null || typeof value !== 'object'),
      ) as Record<string, string | number>
      return new RedoubtError(code as ErrorCode, detail, { evidence })
    }
  } catch (thrown) {
    return asRedoubtError(thrown, 'ERR_SERVER_UNREACHABLE')
  }
  return new RedoubtError('ERR_INTERNAL', 'the server answered with an unknown error')
}
