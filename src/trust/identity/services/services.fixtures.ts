/** Keys, certificates, proofs and people for the tests of this folder, and the room behind a real TLS server. */
import { generateKeyPairSync, hash, type KeyObject, randomBytes, sign } from 'node:crypto'
import { createServer, type Server } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createCertificateAuthority, issueServerCertificate, TLS_OPTIONS } from '#foundation/crypto'
import type { Principal, Refusal } from '../authenticator.ts'
import { ADMIN, encode, type Fixture, goodClaims, ISSUER, openFixture, signCompact } from '../identity.fixtures.ts'
import type { IdentityOptions } from '../identity.ts'
import type { NewPerson } from '../people/people.ts'
import { authenticateHeader } from './challenge.ts'
import { type Credentials, credentialsOf } from './credentials.ts'
import { thumbprintOf } from '#trust/client'

export interface ProofChange {
  readonly header?: Readonly<Record<string, unknown>>
  readonly claims?: Readonly<Record<string, unknown>>
  /** Signs in place of the key in the header. */
  readonly signer?: KeyObject
}

export const proofKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

export function publicJwk(key: KeyObject): Record<string, unknown> {
  const { d: _d, ...members } = key.export({ format: 'jwk' })
  return members
}

/** A proof, right in everything that `change` does not name; a member that is undefined is left out. */
export function makeProof(
  key: KeyObject,
  request: { method: string; url: string; token?: string; now: number },
  change: ProofChange = {},
): string {
  const elliptic = key.asymmetricKeyType === 'ec'
  const header = { typ: 'dpop+jwt', alg: elliptic ? 'ES256' : 'EdDSA', jwk: publicJwk(key), ...change.header }
  const claims = {
    jti: randomBytes(16).toString('base64url'),
    htm: request.method,
    htu: request.url,
    iat: Math.floor(request.now / 1000),
    ...(request.token === undefined ? {} : { ath: hash('sha256', request.token, 'base64url') }),
    ...change.claims,
  }
  const signer = change.signer ?? key
  const input = `${encode(header)}.${encode(claims)}`
  const digest = signer.asymmetricKeyType === 'ec' ? 'sha256' : null
  return `${input}.${sign(digest, Buffer.from(input), { key: signer, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

/** A token that we signed, whatever it says. */
export function mint(fixture: Fixture, account: string, change: Readonly<Record<string, unknown>> = {}): string {
  const claims = { ...goodClaims(account, fixture.clock.now()), ...change }
  const { x } = fixture.signingKey.export({ format: 'jwk' })
  const kid = hash('sha256', JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x }), 'base64url')
  return signCompact(
    { alg: 'EdDSA', typ: 'at+jwt', kid },
    Object.fromEntries(Object.entries(claims).filter(([, v]) => v !== undefined)),
    fixture.signingKey,
  )
}

/** A token bound to a key, and requests with it. */
export interface BoundCaller {
  readonly key: KeyObject
  readonly token: string
  /** The request as the resource server sees it. */
  ask(change?: ProofChange, request?: Partial<Asked>): Principal | Refusal
}

export interface Asked {
  readonly token: string
  readonly scheme: string
  readonly method: string
  readonly path: string
  readonly url: string
  readonly proof: string | undefined
  readonly proofCount: number
  readonly certificate: string | null
  readonly headers: Map<string, string>
}

export const PATH = '/v1/models'

export function boundCaller(fixture: Fixture, account: string, key: KeyObject = proofKey()): BoundCaller {
  const token = mint(fixture, account, { cnf: { jkt: thumbprintOf(key) } })
  return {
    key,
    token,
    ask(change = {}, request = {}) {
      const { method = 'GET', path = PATH, scheme = 'DPoP', certificate = null, headers = new Map<string, string>() } = request
      const sent = request.token ?? token
      const make = (): string =>
        makeProof(key, { method, url: request.url ?? ISSUER + path, token: sent, now: fixture.clock.now() }, change)
      const proof = 'proof' in request ? request.proof : make()
      return fixture.identity.authenticate({
        authorization: `${scheme} ${sent}`,
        authorizationCount: 1,
        url: path,
        possession: {
          method,
          proof,
          proofCount: request.proofCount ?? (proof === undefined ? 0 : 1),
          certificate: () => certificate,
          setHeader: (name, value) => headers.set(name, value),
        },
      })
    },
  }
}

/** The time after a start in which proofs need a nonce, gone by. */
export const SETTLED_MS = 125_000

export async function openSettled(options: Partial<IdentityOptions> = {}): Promise<Fixture> {
  const fixture = await openFixture(options)
  fixture.clock.advance(SETTLED_MS)
  return fixture
}

export const bearer = (token: string, certificate: string | null = null): Credentials => ({
  authorization: `Bearer ${token}`,
  authorizationCount: 1,
  url: PATH,
  possession: { method: 'GET', proof: undefined, proofCount: 0, certificate: () => certificate, setHeader: () => undefined },
})

export const codeOf = (answer: Principal | Refusal): string | null => ('code' in answer ? answer.code : null)

/** A person who is signed in. */
export interface SignedInPerson {
  readonly id: string
  readonly epoch: number
  readonly sessionId: string
}

export async function signIn(fixture: Fixture, change: Partial<NewPerson> = {}): Promise<SignedInPerson> {
  const { people } = fixture.identity
  const ask: NewPerson = {
    loginName: `${randomBytes(6).toString('hex')}@example.org`,
    roles: ['business-user', 'deployer'],
    groups: ['everyone'],
    purpose: 'credit-scoring',
    legalBasis: 'contract',
    ...change,
  }
  const { person } = await people.create(ask, ADMIN)
  const shown = { person, amr: ['hwk', 'user', 'mfa'], mfaLevel: 2 as const, authTime: fixture.clock.now(), recovered: false }
  const { session } = await people.sessions.open(shown, { sourceAddress: '10.0.0.1', userAgent: 'test' })
  return { id: person.id, epoch: person.epoch, sessionId: session.id }
}

/** An access token of a person, in the format that signing in gives out. */
export function personToken(fixture: Fixture, person: SignedInPerson, change: Readonly<Record<string, unknown>> = {}): string {
  return mint(fixture, person.id, {
    client_id: 'redoubt-cli',
    account_epoch: person.epoch,
    sid: person.sessionId,
    auth_time: Math.floor(fixture.clock.now() / 1000) - 10,
    acr: '2',
    amr: ['hwk', 'user', 'mfa'],
    ...change,
  })
}

export interface ClientCertificate {
  readonly cert: string
  readonly key: string
  readonly thumbprint: string
}

export async function clientCertificate(commonName = 'client'): Promise<ClientCertificate> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const cert = await createCertificateAuthority({ privateKey, publicKey, commonName, now: Date.now() })
  const der = Buffer.from(cert.replaceAll(/-----.*-----|\s/g, ''), 'base64')
  return {
    cert,
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    thumbprint: hash('sha256', der, 'base64url'),
  }
}

export interface TlsFixture extends Fixture {
  readonly issuer: string
  readonly ca: string
}

/** The room behind TLS 1.3 as the listener has it; every path that is not the room's is a resource that says who asks. */
export async function openTlsFixture(options: Partial<IdentityOptions> = {}): Promise<TlsFixture> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const now = Date.now()
  const ca = await createCertificateAuthority({ privateKey, publicKey, commonName: 'Test CA', now })
  const { privateKeyPem, certificatePem } = await issueServerCertificate({
    authorityPem: ca,
    authorityKey: privateKey,
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
    spiffeId: 'spiffe://redoubt/server',
    now,
  })
  let fixture: Fixture | null = null
  const tls = { ...TLS_OPTIONS, key: privateKeyPem, cert: certificatePem, requestCert: true, rejectUnauthorized: false }
  const server: Server = createServer(tls, (req, res) => {
    const identity = fixture!.identity
    if (isOfRoom(req)) return identity.handler(req, res)
    const answer = identity.authenticate(credentialsOf(req, res))
    const refused = 'code' in answer
    res.writeHead(refused ? 401 : 200, {
      'content-type': 'application/json',
      ...(refused ? { 'www-authenticate': authenticateHeader(answer.code, answer.scheme ?? 'Bearer') } : {}),
    })
    res.end(JSON.stringify(refused ? answer : { id: answer.facts.id, binding: answer.tokenBinding, onBehalfBy: answer.onBehalfBy }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `https://localhost:${(server.address() as AddressInfo).port}`
  fixture = await openFixture({ issuer, ...options })
  const inner = fixture
  return {
    ...inner,
    issuer,
    ca,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await inner.close()
    },
  }
}

const isOfRoom = (req: IncomingMessage): boolean => /^\/(?:oauth|\.well-known)\//.test(req.url ?? '')
