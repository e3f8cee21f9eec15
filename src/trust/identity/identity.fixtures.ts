/** What the tests and the benchmark of this room share: a key provider that releases one key, a log in memory, tokens of our own making. */
import { createHmac, createSecretKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuditEvent, type AuditSink, ManualClock, newId, RedoubtError, type SealedFields, type SubjectSealer } from '#foundation/core'
import { openBytes, sealBytes } from '#foundation/crypto'
import { type Database, openDatabase } from '#foundation/storage'
import { silentLogger } from '#foundation/telemetry'
import { ASSERTION_TYPE, type PrivateJwk } from '#trust/client'
import type { Keys, KeyUse } from '#trust/keys'
import type { CreatedAccount, NewAccount } from './new-account.ts'
import type { People } from './people/people.ts'
import { type Identity, type IdentityOptions, openIdentity } from './identity.ts'

export const ISSUER = 'https://gateway.example:8443'
export const ADMIN = { type: 'User', id: 'admin' } as const

/** An audit log in memory that can be told to fail. */
export class RecordingAudit implements AuditSink {
  readonly events: AuditEvent[] = []
  down = false
  /** When set, `record` waits for it: a log whose disk is slow. */
  gate: Promise<void> | null = null

  async record(event: AuditEvent): Promise<{ index: number; leafHash: string }> {
    if (this.gate !== null) await this.gate
    if (this.down) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
    this.events.push(event)
    return { index: this.events.length - 1, leafHash: '' }
  }

  of(type: string): readonly AuditEvent[] {
    return this.events.filter((event) => event.type === type)
  }
}

/** Real sealing under a key for each subject, in memory, that notes what was asked of it. */
export class MemorySealer implements SubjectSealer {
  readonly calls: string[] = []
  readonly #pseudonymKey = randomBytes(32)
  readonly #keys = new Map<string, KeyObject>()

  pseudonym(subject: string): string {
    this.calls.push('pseudonym')
    return createHmac('sha256', this.#pseudonymKey).update(subject).digest('base64url')
  }

  async seal(subject: string, plaintext: Uint8Array, context: string): Promise<SealedFields> {
    const pseudonym = this.pseudonym(subject)
    const key = this.#keys.get(pseudonym) ?? createSecretKey(randomBytes(32))
    this.#keys.set(pseudonym, key)
    this.calls.push('seal')
    return { pseudonym, ciphertext: sealBytes(key, Buffer.from(context), plaintext) }
  }

  async open({ pseudonym, ciphertext }: SealedFields, context: string): Promise<Uint8Array> {
    this.calls.push('open')
    const key = this.#keys.get(pseudonym)
    if (key === undefined) throw new RedoubtError('ERR_KEYS_DESTROYED')
    return openBytes(key, Buffer.from(context), ciphertext)
  }

  erase(subject: string): void {
    this.#keys.delete(this.pseudonym(subject))
  }
}

/** Releases the given Ed25519 key for `token-signing`, and has nothing else. */
export function fakeKeys(privateKey: KeyObject, uses: KeyUse[] = []): Keys {
  const absent = async (): Promise<never> => {
    throw new RedoubtError('ERR_KEYS_UNKNOWN')
  }
  return {
    generateDataKey: absent,
    unwrap: absent,
    signer: absent,
    async release(name, use) {
      if (name !== 'token-signing') return absent()
      uses.push(use)
      return privateKey
    },
    destroySubject: absent,
    destroyOwner: absent,
    rotate: absent,
    list: () => [],
  }
}

export const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** Signs whatever header and payload are given, as they are given: text stays as written. */
export function signCompact(header: unknown, payload: unknown, key: KeyObject): string {
  const input = `${encode(header)}.${encode(payload)}`
  return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`
}

/** An assertion as a client makes it; `claims` and `header` override or, with undefined, remove. */
export function assertion(
  account: string,
  key: PrivateJwk | KeyObject,
  now: number,
  claims: Readonly<Record<string, unknown>> = {},
  header: Readonly<Record<string, unknown>> = {},
): string {
  const seconds = Math.floor(now / 1000)
  const all = { iss: account, sub: account, aud: ISSUER, jti: newId('a'), iat: seconds, exp: seconds + 60, ...claims }
  const input = `${encode({ alg: 'EdDSA', ...header })}.${encode(all)}`
  const signingKey =
    'd' in key
      ? { key: { ...key }, format: 'jwk' as const, dsaEncoding: 'ieee-p1363' as const }
      : { key, dsaEncoding: 'ieee-p1363' as const }
  const digest = header['alg'] === 'ES256' ? 'sha256' : null
  return `${input}.${sign(digest, Buffer.from(input), signingKey).toString('base64url')}`
}

export const grantForm = (client: string, clientAssertion: string, more: Readonly<Record<string, string>> = {}): string =>
  new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: client,
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: clientAssertion,
    ...more,
  }).toString()

export interface Fixture {
  readonly identity: Identity
  readonly audit: RecordingAudit
  readonly clock: ManualClock
  readonly database: Database
  readonly signingKey: KeyObject
  readonly keyUses: readonly KeyUse[]
  readonly secretsDir: string
  readonly sealer: MemorySealer
  /** The room behind a plain loopback server; the composition root puts TLS there. */
  readonly url: string
  /** A new account of role `application` with the key it was given. */
  account(name: string, more?: Partial<NewAccount>): Promise<CreatedAccount & { privateKeyJwk: PrivateJwk }>
  post(path: string, body: string, headers?: Readonly<Record<string, string>>): Promise<Response>
  token(name: string, key: PrivateJwk): Promise<string>
  /** A second process on the same database, in effect: nothing but what is stored is shared. */
  reopen(options?: Partial<IdentityOptions>): Promise<Identity>
  /** As `reopen`, and the server goes on with it: a restart, in effect. */
  restart(): Promise<void>
  close(): Promise<void>
}

export async function openFixture({
  makePeople,
  ...options
}: Partial<IdentityOptions> & { readonly makePeople?: (clock: ManualClock) => People } = {}): Promise<Fixture> {
  const { privateKey: signingKey } = generateKeyPairSync('ed25519')
  const keyUses: KeyUse[] = []
  const audit = new RecordingAudit()
  // The library behind the token endpoint reads the system clock, so tests of the flow start from the present.
  const clock = new ManualClock(Date.now())
  const people = makePeople?.(clock)
  const database = openDatabase(':memory:')
  const secretsDir = mkdtempSync(join(tmpdir(), 'redoubt-identity-'))
  const sealer = new MemorySealer()
  const open = (more: Partial<IdentityOptions>): Promise<Identity> =>
    openIdentity({
      database,
      keys: fakeKeys(signingKey, keyUses),
      audit,
      clock,
      sealer,
      answerFloorMs: 0,
      issuer: ISSUER,
      secretsDir,
      profile: 'development',
      logger: silentLogger,
      ...(people === undefined ? {} : { people }),
      ...options,
      ...more,
    })
  const identity = await open({})
  const opened = [identity]
  let serving = identity
  const server: Server = createServer((req, res) => serving.handler(req, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const post: Fixture['post'] = (path, body, headers = { 'content-type': 'application/x-www-form-urlencoded' }) =>
    fetch(`${url}${path}`, { method: 'POST', body, headers })
  return {
    identity,
    audit,
    clock,
    database,
    signingKey,
    keyUses,
    secretsDir,
    sealer,
    url,
    async account(name, more = {}) {
      const created = await identity.serviceAccounts.create(
        { name, roles: ['application'], purpose: 'credit-scoring', legalBasis: 'contract', ...more },
        ADMIN,
      )
      return created as CreatedAccount & { privateKeyJwk: PrivateJwk }
    },
    post,
    async token(name, key) {
      const response = await post('/oauth/token', grantForm(name, assertion(name, key, clock.now())))
      const body = (await response.json()) as { access_token?: string }
      if (body.access_token === undefined) throw new Error(`no token: ${response.status} ${JSON.stringify(body)}`)
      return body.access_token
    },
    async reopen(more = {}) {
      const again = await open(more)
      opened.push(again)
      return again
    },
    async restart() {
      serving = await open({})
      opened.push(serving)
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      for (const one of opened) await one.close()
      await database.close()
      rmSync(secretsDir, { recursive: true, force: true })
    },
  }
}

/** The claims of a token that nothing is wrong with. */
export function goodClaims(account: string, now: number): Record<string, unknown> {
  const seconds = Math.floor(now / 1000)
  return {
    iss: ISSUER,
    sub: account,
    aud: ISSUER,
    client_id: account,
    jti: `at_${randomBytes(16).toString('base64url')}`,
    iat: seconds,
    exp: seconds + 600,
    account_epoch: 0,
  }
}
