import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { decodeJwt } from 'jose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCertificateAuthority, issueServerCertificate, TLS_OPTIONS } from '#foundation/crypto'
import { openProofKey, requestToken } from '#trust/client'
import { Client } from './client.ts'
import { tlsChecks } from './doctor/server-checks.ts'
import { findPlace } from './place.ts'

const folder = mkdtempSync(join(tmpdir(), 'redoubt-client-'))
let server: Server
let url = ''
/** What the server answers in place of an empty document. */
let refusal: { readonly challenge: string; readonly problem: object } | null = null
/** Requests that arrived, with what they carried. */
const arrived: (string | undefined)[] = []
/** Paths and proofs of the requests that arrived, and the nonce that proofs must carry. */
const proofs: { readonly path: string; readonly nonce: unknown; readonly body: string }[] = []
let nonceWanted: string | null = null
const ours = join(folder, 'ours.pem')
const strange = join(folder, 'strange.pem')

async function authority(path: string) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const now = Date.now()
  const pem = await createCertificateAuthority({ privateKey, publicKey: createPublicKey(privateKey), commonName: path, now })
  writeFileSync(path, pem)
  return issueServerCertificate({
    authorityPem: pem,
    authorityKey: privateKey,
    dnsNames: ['localhost'],
    ipAddresses: [],
    spiffeId: 'spiffe://redoubt/server',
    now,
  })
}

beforeAll(async () => {
  const { certificatePem, privateKeyPem } = await authority(ours)
  await authority(strange)
  server = createServer({ ...TLS_OPTIONS, cert: certificatePem, key: privateKeyPem }, (request, response) => {
    arrived.push(request.headers.authorization)
    const proof = request.headers['dpop']
    if (nonceWanted !== null && typeof proof === 'string') {
      const { nonce } = decodeJwt(proof)
      let body = ''
      request.on('data', (part: Buffer) => (body += part.toString()))
      request.on('end', () => {
        proofs.push({ path: request.url ?? '', nonce, body })
        const headers = { 'dpop-nonce': nonceWanted ?? '' }
        if (nonce === nonceWanted) response.writeHead(200, headers).end('{}')
        else response.writeHead(401, { ...headers, 'www-authenticate': 'DPoP error="use_dpop_nonce"' }).end('{"code":"ERR_DPOP_NONCE"}')
      })
      return
    }
    if (request.url?.endsWith('/broken') === true) {
      response.writeHead(200).write('{"type":"progress"}\n')
      setImmediate(() => response.destroy())
    } else if (refusal !== null) response.writeHead(401, { 'www-authenticate': refusal.challenge }).end(JSON.stringify(refusal.problem))
    else response.end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `https://localhost:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.close()
  server.closeAllConnections()
  rmSync(folder, { recursive: true })
})

const client = (ca?: string): Client =>
  new Client(findPlace({ url, dataDir: join(folder, 'data') }, ca === undefined ? {} : { REDOUBT_CA: ca }), 'a.b.c')
async function withoutVerification<T>(work: () => Promise<T>): Promise<T> {
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  try {
    return await work()
  } finally {
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  }
}

describe('a command recognises the server', () => {
  it('by the authority named, and by no other (A2)', async () => {
    expect(await client(ours).call('/status')).toEqual({})
    expect(arrived.splice(0)).toEqual(['Bearer a.b.c'])
    await expect(client(strange).call('/status')).rejects.toMatchObject({ code: 'ERR_SERVER_UNREACHABLE' })
    await expect(client('system').call('/status')).rejects.toMatchObject({ code: 'ERR_SERVER_UNREACHABLE' })
    expect(arrived).toEqual([])
  })

  it('or says that it cannot: never by the authorities of the system unless told so (A2)', async () => {
    await expect(client().call('/status')).rejects.toMatchObject({
      code: 'ERR_SERVER_UNREACHABLE',
      message: expect.stringContaining('ca.pem') as unknown,
    })
    expect(await tlsChecks(client(), Date.now())).toMatchObject([{ check: 'TLS', state: 'problem' }])
    expect(arrived).toEqual([])
  })

  it('also where the environment turns verification off (A2)', async () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    const { x, d } = privateKey.export({ format: 'jwk' })
    const privateKeyJwk = { kty: 'OKP', crv: 'Ed25519', x: x!, d: d! } as const
    await withoutVerification(async () => {
      await expect(client(strange).call('/status')).rejects.toMatchObject({ code: 'ERR_SERVER_UNREACHABLE' })
      await expect(requestToken({ baseUrl: url, accountId: 'app', privateKeyJwk })).rejects.toMatchObject({
        code: 'ERR_SERVER_UNREACHABLE',
      })
      expect(await tlsChecks(client(strange), Date.now())).toMatchObject([{ check: 'TLS', state: 'problem' }])
    })
    expect(arrived).toEqual([])
  })
})

describe('a command that is asked for more (RFC 9470, B7)', () => {
  it('says which command shows it', async () => {
    const problem = { code: 'ERR_MFA_REQUIRED', detail: 'this takes a key' }
    const asked: readonly (readonly [challenge: string, words: string])[] = [
      ['acr_values="3", max_age="300"', 'run `redoubt login --step-up --level 3 --max-age 300`'],
      ['max_age="60"', 'run `redoubt login --step-up --max-age 60`'],
      ['', 'run `redoubt login --step-up`'],
      ['acr_values="3; rm -rf /"', 'run `redoubt login --step-up`'],
    ]
    try {
      for (const [more, words] of asked) {
        refusal = { challenge: `Bearer error="insufficient_user_authentication", ${more}`, problem }
        const refused: Error & { code?: string } = await client(ours)
          .call<never>('/keys')
          .catch((error: Error) => error)
        expect(refused.code).toBe('ERR_MFA_REQUIRED')
        expect(refused.message.endsWith(words)).toBe(true)
      }
      refusal = { challenge: 'Bearer error="invalid_token"', problem }
      await expect(client(ours).call('/keys')).rejects.toMatchObject({ message: 'this takes a key' })
    } finally {
      refusal = null
      arrived.length = 0
    }
  })
})

/** A client of whoever is logged in, with the files of the login. */
function loggedIn(): Client {
  const one = new Client({ ...findPlace({ url, dataDir: join(folder, 'data') }, { REDOUBT_CA: ours }), loginDir: join(folder, 'config') })
  mkdirSync(dirname(one.login.path), { recursive: true })
  const kept = { server: one.place.url, issuer: 'https://gateway.example', refreshToken: 'r', accessToken: 'of.the.login' }
  writeFileSync(one.login.path, JSON.stringify({ ...kept, expiresAt: Date.now() + 600_000 }), { mode: 0o600 })
  openProofKey(one.login.keyPath)
  expect(one.login.exists()).toBe(true)
  return one
}

describe('a command of whoever is logged in (B5, RFC 9449)', () => {
  beforeEach(() => {
    nonceWanted = 'nonce-1'
  })
  afterEach(() => {
    nonceWanted = null
    proofs.length = 0
    arrived.length = 0
  })

  it('answers the demand for a nonce once, and brings it along from then on', async () => {
    const one = loggedIn()
    expect(await one.call('/keys')).toEqual({})
    expect(await one.call('/status', { method: 'POST', json: { a: 1 } })).toEqual({})
    expect(proofs).toEqual([
      { path: '/api/v1/keys', nonce: undefined, body: '' },
      { path: '/api/v1/keys', nonce: 'nonce-1', body: '' },
      { path: '/api/v1/status', nonce: 'nonce-1', body: '{"a":1}' },
    ])
  })

  it('asks for the nonce before it sends what can be sent only once', async () => {
    expect(await loggedIn().call('/datasets', { method: 'POST', stream: Readable.from(['a,b']) })).toEqual({})
    expect(proofs).toEqual([
      { path: '/api/v1/whoami', nonce: undefined, body: '' },
      { path: '/api/v1/whoami', nonce: 'nonce-1', body: '' },
      { path: '/api/v1/datasets', nonce: 'nonce-1', body: 'a,b' },
    ])
  })

  it('gives up on a server that never has enough', async () => {
    const one = loggedIn()
    nonceWanted = null
    refusal = { challenge: 'DPoP error="use_dpop_nonce"', problem: { code: 'ERR_DPOP_NONCE', detail: 'more' } }
    try {
      await expect(one.call('/keys')).rejects.toMatchObject({ code: 'ERR_DPOP_NONCE' })
      expect(arrived).toHaveLength(1)
    } finally {
      refusal = null
    }
  })
})

describe('a server that is gone in the middle of its answer', () => {
  it.each([(one: Client) => one.call('/broken'), (one: Client) => one.long('/broken', {}), (one: Client) => one.raw('/broken')])(
    'is told as that, and not as an error of its own (%#)',
    async (ask) => {
      await expect(ask(client(ours))).rejects.toMatchObject({
        code: 'ERR_SERVER_UNREACHABLE',
        message: expect.stringContaining('may have been done') as unknown,
      })
      arrived.length = 0
    },
  )
})

describe('a command whose session has ended (B5)', () => {
  const problem = { code: 'ERR_SESSION_ENDED', detail: 'sign in again' }
  const ended = { challenge: 'Bearer error="invalid_token"', problem }

  const asks = [(one: Client) => one.call('/keys'), (one: Client) => one.long('/keys', {}), (one: Client) => one.download('/keys')] as const
  beforeEach(() => {
    refusal = ended
  })
  afterEach(() => {
    refusal = null
    arrived.length = 0
    delete process.env['REDOUBT_TOKEN']
  })

  it.each(asks)('says so of the token in REDOUBT_TOKEN, and keeps the stored login (%#)', async (ask) => {
    const one = loggedIn()
    process.env['REDOUBT_TOKEN'] = 'of.the.environment'
    await expect(ask(one)).rejects.toMatchObject({
      code: 'ERR_SESSION_ENDED',
      message: expect.stringContaining('REDOUBT_TOKEN') as unknown,
    })
    expect(arrived).toEqual(['Bearer of.the.environment'])
    expect(one.login.exists()).toBe(true)
  })

  it.each(asks)('forgets the stored login when it is that login’s session (%#)', async (ask) => {
    const one = loggedIn()
    await expect(ask(one)).rejects.toMatchObject({
      code: 'ERR_SESSION_ENDED',
      message: expect.stringContaining('run `redoubt login`') as unknown,
    })
    expect(arrived).toEqual(['DPoP of.the.login'])
    expect(one.login.exists()).toBe(false)
  })
})
