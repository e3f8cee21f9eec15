import { createHash, type KeyObject } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as byTheClock } from 'node:timers/promises'
import { type JsonValue, RedoubtError } from '#foundation/core'
import { membersOf } from './members.ts'
import { openProofKey, readProofKey, signProof } from './proof-key.ts'
import { parse as answerOf, post as postForm } from './request-token.ts'
import { readSecretFile, writeSecretFile } from './secret-file.ts'

const CLIENT = 'redoubt-cli'
const DEVICE_CODE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
/** A token with less left than this is renewed before it is used. */
const SPARE_MS = 30_000
/** Another process renews the token at most this long; a lock that is older was left by one that broke off. */
const LOCK_STALE_MS = 30_000
const LOCK_RETRY_MS = 50

interface LoginFile {
  readonly server: string
  /** The server's name for itself; null in a file from before tokens were bound to a key: its tokens open nothing any more. */
  readonly issuer: string | null
  readonly refreshToken: string
  readonly accessToken: string
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

/** What a resource asks for (RFC 9470 §3): level of factors, and their greatest age in seconds. */
export interface StepUp {
  readonly level?: number
  readonly maxAge?: number
}

/** What a person needs to let this command line in. */
export interface DevicePrompt {
  readonly verificationUri: string
  readonly userCode: string
  readonly verificationUriComplete: string
  /** Epoch milliseconds by this host's clock. */
  readonly expiresAt: number
}

export interface LoginOptions {
  /** `https://host[:port]`. */
  readonly server: string
  /** Folder that only its owner can read. */
  readonly folder: string
  /** PEM of the authority to trust; the system's own when undefined. */
  readonly ca: () => string | undefined
  /** Waits between two questions, in milliseconds; by the clock unless given. */
  readonly pause?: (ms: number) => Promise<unknown>
}

/**
 * A person at a command line: signs in by the device flow, keeps the refresh token in a file of their own, renews the access token.
 * All of them are bound to a key that lies beside that file and is never sent: the file alone opens nothing. The key stays from one login
 * to the next, so that policies see the same device. Processes at the same time share the files; one of them renews while the others
 * wait, for a refresh token works once.
 * @see RFC 8628, RFC 6749 §6, RFC 9449 §5, RFC 9700 §4.14
 */
export class Login {
  readonly #options: LoginOptions
  readonly #path: string
  readonly #keyPath: string
  /** The server's nonce for the next proof, as far as it gave one. */
  #nonce: string | undefined

  constructor(options: LoginOptions) {
    this.#options = options
    // One file for each server, named by its address: a token is not sent to another.
    const name = createHash('sha256').update(new URL(options.server).origin).digest('hex').slice(0, 16)
    this.#path = join(options.folder, 'logins', `${name}.json`)
    this.#keyPath = join(options.folder, 'logins', `${name}.key`)
  }

  get path(): string {
    return this.#path
  }

  /** Of the key that the tokens are bound to. */
  get keyPath(): string {
    return this.#keyPath
  }

  /** Whether someone is logged in here, as far as this host knows. @throws {RedoubtError} `ERR_CONFIG_SECRET`. */
  exists(): boolean {
    return this.#read() !== null
  }

  /** Whether what is kept is from before tokens were bound to a key: it opens nothing, and the next login replaces it. */
  isOutdated(): boolean {
    return this.#read()?.issuer === null
  }

  /** Forgets the tokens. @returns whether there were any. */
  forget(): boolean {
    const existed = this.exists()
    rmSync(this.#path, { force: true })
    return existed
  }

  /**
   * An access token that has some time left; null when nobody is logged in here.
   * @throws {RedoubtError} `ERR_SESSION_ENDED` when the server does not renew it: the file is gone then; or when it is outdated. `ERR_SERVER_UNREACHABLE`.
   */
  async accessToken(): Promise<string | null> {
    const kept = this.#read()
    if (kept === null) return null
    if (kept.issuer === null) throw new RedoubtError('ERR_SESSION_ENDED', 'the login kept here is of an older version; run `redoubt login`')
    return fresh(kept) ? kept.accessToken : this.#locked(() => this.#renew())
  }

  /**
   * The proof that goes with one request.
   * @param path of the request, without query.
   * @throws {RedoubtError} `ERR_CONFIG_SECRET` when the key is missing or others can read it.
   */
  proof(method: string, path: string, accessToken: string): string {
    const issuer = this.#read()?.issuer ?? this.#options.server
    return signProof(this.#key(), { method, url: new URL(path, issuer).href, accessToken, nonce: this.#nonce })
  }

  /** Keeps a nonce of the server, out of the header `dpop-nonce` of any answer. @returns whether it is a new one. */
  takeNonce(nonce: string | string[] | undefined): boolean {
    const [given] = [nonce].flat()
    if (given === undefined || given === this.#nonce) return false
    this.#nonce = given
    return true
  }

  /**
   * The device flow. Returns when the person said yes.
   * @param prompt shows the code; nothing is opened.
   * @throws {RedoubtError} `ERR_SIGN_IN` when they said no, `ERR_DEVICE_CODE` when the time is over, `ERR_SERVER_UNREACHABLE`;
   *   `ERR_CONFIG_SECRET`, before anyone is asked, when what is kept here is no login file or others can read it.
   */
  async begin(stepUp: StepUp, prompt: (prompt: DevicePrompt) => void): Promise<void> {
    this.#read()
    const asked = await this.#post('/oauth/device-authorization', {
      scope: 'openid',
      ...(stepUp.level === undefined ? {} : { acr_values: String(stepUp.level) }),
      ...(stepUp.maxAge === undefined ? {} : { max_age: String(stepUp.maxAge) }),
    })
    const device = deviceAnswer(asked.answer)
    if (asked.status !== 200 || device === null)
      throw new RedoubtError('ERR_TOKEN_REQUEST', `the server gave no code (status ${asked.status})`)
    const { code, verificationUri, userCode, verificationUriComplete, seconds, interval } = device
    const expiresAt = Date.now() + seconds * 1000
    prompt({ verificationUri, userCode, verificationUriComplete, expiresAt })
    // The address of the server as its own pages have it, which need not be the one that it is reached by.
    const { origin: issuer } = new URL(verificationUri)
    const key = await this.#locked(async () => openProofKey(this.#keyPath))
    const tokens = await this.#poll(code, interval * 1000, expiresAt, { key, issuer })
    await this.#locked(async () => {
      const before = this.#read()
      this.#write(tokens)
      // The session that this one takes the place of is not left open.
      if (before !== null) await this.#revoke(before.refreshToken)
    })
  }

  /** Ends the session of this command line and forgets its tokens, even when the server cannot be told. @returns whether it was told; null when nobody was logged in. */
  async end(): Promise<boolean | null> {
    return this.#locked(async () => {
      const kept = this.#read()
      if (kept === null) return null
      rmSync(this.#path, { force: true })
      try {
        await this.#revoke(kept.refreshToken)
        return true
      } catch (thrown) {
        if (thrown instanceof RedoubtError && thrown.code === 'ERR_SERVER_UNREACHABLE') return false
        throw thrown
      }
    })
  }

  async #poll(deviceCode: string, intervalMs: number, expiresAt: number, holder: Holder): Promise<LoginFile> {
    const { pause = byTheClock } = this.#options
    let wait = intervalMs
    while (Date.now() < expiresAt) {
      await pause(wait)
      const { status, answer } = await this.#askForToken({ grant_type: DEVICE_CODE_GRANT, device_code: deviceCode }, holder)
      if (status === 200) return this.#file(answer, holder.issuer)
      const { error } = answer
      if (error === 'slow_down') wait += 5_000
      else if (error === 'access_denied') throw new RedoubtError('ERR_SIGN_IN', 'the person at the browser said no')
      else if (error !== 'authorization_pending') break
    }
    throw new RedoubtError('ERR_DEVICE_CODE', 'nobody allowed it in time; run the command again')
  }

  async #renew(): Promise<string | null> {
    // Another process may have been here while this one waited.
    const kept = this.#read()
    if (kept === null || fresh(kept)) return kept?.accessToken ?? null
    const { issuer, refreshToken } = kept
    if (issuer === null) return null
    const form = { grant_type: 'refresh_token', refresh_token: refreshToken }
    const { status, answer } = await this.#askForToken(form, { key: this.#key(), issuer })
    if (status === 200) {
      const renewed = this.#file(answer, issuer)
      this.#write(renewed)
      return renewed.accessToken
    }
    if (answer['error'] !== 'invalid_grant') throw new RedoubtError('ERR_TOKEN_REQUEST', `the server renewed no token (status ${status})`)
    rmSync(this.#path, { force: true })
    throw new RedoubtError('ERR_SESSION_ENDED', 'your session has ended; run `redoubt login`')
  }

  async #revoke(refreshToken: string): Promise<void> {
    await this.#post('/oauth/revoke', { token: refreshToken, token_type_hint: 'refresh_token' })
  }

  #file(answer: Readonly<Record<string, unknown>>, issuer: string): LoginFile {
    const { access_token: accessToken, refresh_token: refreshToken, expires_in: seconds, token_type: type } = answer
    // A token that is not bound would be worth something to whoever steals it.
    const isBound = type === 'DPoP'
    if (!isBound || !isText(accessToken) || !isText(refreshToken) || !isPositive(seconds))
      throw new RedoubtError('ERR_TOKEN_REQUEST', 'the answer of the server is not understood, or its tokens are not bound')
    return { server: this.#options.server, issuer, refreshToken, accessToken, expiresAt: Date.now() + seconds * 1000 }
  }

  /** Asks with a proof, and once more when the server wants its nonce in it (RFC 9449 §8). */
  async #askForToken(fields: Record<string, string>, { key, issuer }: Holder): Promise<Posted> {
    const path = '/oauth/token'
    const ask = (): Promise<Posted> =>
      this.#post(path, fields, { dpop: signProof(key, { method: 'POST', url: issuer + path, nonce: this.#nonce }) })
    const posted = await ask()
    return posted.answer['error'] === 'use_dpop_nonce' && this.takeNonce(posted.nonce) ? ask() : posted
  }

  async #post(path: string, fields: Record<string, string>, headers: Readonly<Record<string, string>> = {}): Promise<Posted> {
    const form = new URLSearchParams({ client_id: CLIENT, ...fields }).toString()
    const { status, body, nonce } = await postForm(new URL(path, this.#options.server), form, { ca: this.#options.ca() }, headers)
    return { status, answer: answerOf(body), nonce }
  }

  /** @throws {RedoubtError} `ERR_CONFIG_SECRET` when it is missing, unfit, or open to others. */
  #key(): KeyObject {
    if (!existsSync(this.#keyPath))
      throw new RedoubtError('ERR_CONFIG_SECRET', `the key \`${this.#keyPath}\` of this login is missing; run \`redoubt login\``)
    return readProofKey(this.#keyPath)
  }

  #read(): LoginFile | null {
    const kept = readSecretFile(this.#path, loginFile, 'a login file')
    // Whoever moved the file here meant another server.
    return kept !== null && kept.server === this.#options.server ? kept : null
  }

  #write(content: LoginFile): void {
    writeSecretFile(this.#path, content)
  }

  /** One process at a time, across processes: the file is made by exactly one of them. */
  async #locked<Result>(work: () => Promise<Result>): Promise<Result> {
    const lock = `${this.#path}.lock`
    mkdirSync(dirname(lock), { recursive: true, mode: 0o700 })
    for (;;) {
      try {
        closeSync(openSync(lock, 'wx', 0o600))
        break
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EEXIST')
          throw new RedoubtError('ERR_STORAGE_IO', `cannot write \`${lock}\``, { cause })
        if (Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > LOCK_STALE_MS) rmSync(lock, { force: true })
        else await byTheClock(LOCK_RETRY_MS)
      }
    }
    try {
      return await work()
    } finally {
      rmSync(lock, { force: true })
    }
  }
}

const fresh = ({ expiresAt }: LoginFile): boolean => expiresAt - Date.now() > SPARE_MS

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isAddress = (value: unknown): value is string => typeof value === 'string' && URL.canParse(value)
const isPositive = (value: unknown): value is number => typeof value === 'number' && value > 0 && Number.isFinite(value)

function loginFile(value: JsonValue): LoginFile | null {
  const names = ['server', 'refreshToken', 'accessToken', 'expiresAt'] as const
  const file = membersOf(value, [...names, 'issuer']) ?? membersOf<(typeof names)[number] | 'issuer'>(value, names)
  if (file === null) return null
  const { server, issuer, refreshToken, accessToken, expiresAt } = file
  if (!isAddress(server) || !isText(refreshToken) || !isText(accessToken) || !Number.isSafeInteger(expiresAt)) return null
  if (issuer !== undefined && !isAddress(issuer)) return null
  return { server, issuer: issuer ?? null, refreshToken, accessToken, expiresAt: expiresAt as number }
}

interface DeviceAnswer {
  readonly code: string
  readonly verificationUri: string
  readonly userCode: string
  readonly verificationUriComplete: string
  readonly seconds: number
  /** Seconds between two questions. */
  readonly interval: number
}

/** RFC 8628 §3.2. @returns null for any other answer. */
function deviceAnswer(answer: Readonly<Record<string, unknown>>): DeviceAnswer | null {
  const { device_code: code, user_code: userCode, verification_uri: verificationUri, expires_in: seconds, interval = 5 } = answer
  const { verification_uri_complete: verificationUriComplete } = answer
  if (!isText(code) || !isText(userCode) || !isAddress(verificationUri) || !isText(verificationUriComplete)) return null
  if (!isPositive(seconds) || !isPositive(interval) || interval < 1) return null
  return { code, verificationUri, userCode, verificationUriComplete, seconds, interval }
}

interface Posted {
  readonly status: number
  readonly answer: Readonly<Record<string, unknown>>
  readonly nonce: string | undefined
}

/** Whoever asks for a token: by which key, and of whom. */
interface Holder {
  readonly key: KeyObject
  readonly issuer: string
}
