import { createHash, type KeyObject } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { RedoubtError } from '#foundation/core'
import { z } from 'zod'
import { parse as answerOf, post as postForm } from '../request-token.ts'
import { readSecretFile, writeSecretFile } from '../secret-file.ts'
import { openProofKey, readProofKey, signProof } from '../services/proof-key.ts'

const CLIENT = 'redoubt-cli'
const DEVICE_CODE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
/** A token with less left than this is renewed before it is used. */
const SPARE_MS = 30_000
/** Another process renews the token at most this long; a lock that is older was left by one that broke off. */
const LOCK_STALE_MS = 30_000
const LOCK_RETRY_MS = 50

const loginFile = z
  .object({ server: z.url(), issuer: z.url(), refreshToken: z.string().min(1), accessToken: z.string().min(1), expiresAt: z.int() })
  .strict()
type LoginFile = z.output<typeof loginFile>

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

  /** Forgets the tokens. @returns whether there were any. */
  forget(): boolean {
    const existed = this.exists()
    rmSync(this.#path, { force: true })
    return existed
  }

  /**
   * An access token that has some time left; null when nobody is logged in here.
   * @throws {RedoubtError} `ERR_SESSION_ENDED` when the server does not renew it: the file is gone then. `ERR_SERVER_UNREACHABLE`.
   */
  async accessToken(): Promise<string | null> {
    const kept = this.#read()
    if (kept === null) return null
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
   * @throws {RedoubtError} `ERR_SIGN_IN` when they said no, `ERR_DEVICE_CODE` when the time is over, `ERR_SERVER_UNREACHABLE`.
   */
  async begin(stepUp: StepUp, prompt: (prompt: DevicePrompt) => void): Promise<void> {
    const asked = await this.#post('/oauth/device-authorization', {
      scope: 'openid',
      ...(stepUp.level === undefined ? {} : { acr_values: String(stepUp.level) }),
      ...(stepUp.maxAge === undefined ? {} : { max_age: String(stepUp.maxAge) }),
    })
    const device = deviceAnswer.safeParse(asked.answer)
    if (asked.status !== 200 || !device.success)
      throw new RedoubtError('ERR_TOKEN_REQUEST', `the server gave no code (status ${asked.status})`)
    const { device_code: code, expires_in: seconds, interval } = device.data
    const expiresAt = Date.now() + seconds * 1000
    prompt({
      verificationUri: device.data.verification_uri,
      userCode: device.data.user_code,
      verificationUriComplete: device.data.verification_uri_complete,
      expiresAt,
    })
    // The address of the server as its own pages have it, which need not be the one that it is reached by.
    const { origin: issuer } = new URL(device.data.verification_uri)
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
    const tokens = tokenAnswer.safeParse(answer)
    // A token that is not bound would be worth something to whoever steals it.
    if (!tokens.success)
      throw new RedoubtError('ERR_TOKEN_REQUEST', 'the answer of the server is not understood, or its tokens are not bound')
    const { access_token: accessToken, refresh_token: refreshToken, expires_in: seconds } = tokens.data
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
        else await pause(LOCK_RETRY_MS)
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

const deviceAnswer = z.object({
  device_code: z.string(),
  user_code: z.string(),
  verification_uri: z.url(),
  verification_uri_complete: z.string(),
  expires_in: z.number().positive(),
  interval: z.number().min(1).default(5),
})
const tokenAnswer = z.object({
  access_token: z.string(),
  refresh_token: z.string(),
  expires_in: z.number().positive(),
  token_type: z.literal('DPoP'),
})

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
