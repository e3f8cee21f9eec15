import { createHash } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openTlsServer, type TlsServer } from '../../../test/fixtures/tls-server.ts'
import { type DevicePrompt, Login } from './login.ts'

type Reply = readonly [status: number, body: object, headers?: Readonly<Record<string, string>>]

let folder: string
let server: TlsServer
/** What the server got, and what it answers to each path in turn; the last answer stays. */
let asked: { readonly path: string; readonly form: Record<string, string>; readonly proof: string | undefined }[]
let replies: Record<string, Reply[]>
/** Milliseconds before each question whether the person said yes. */
let waited: number[]
let login: Login

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-login-'))
  asked = []
  waited = []
  replies = {
    '/oauth/device-authorization': [
      [
        200,
        {
          device_code: 'device-code',
          user_code: 'BCDF-GHJK',
          verification_uri: 'https://gateway.example/device',
          verification_uri_complete: 'https://gateway.example/device?user_code=BCDF-GHJK',
          expires_in: 600,
          interval: 1,
        },
      ],
    ],
    '/oauth/token': [[200, tokens(1)]],
    '/oauth/revoke': [[200, {}]],
  }
  server = await openTlsServer((req, res) => {
    let body = ''
    req.on('data', (part: Buffer) => (body += part.toString()))
    req.on('end', () => {
      asked.push({
        path: req.url ?? '',
        form: Object.fromEntries(new URLSearchParams(body)),
        proof: req.headers['dpop'] as string | undefined,
      })
      const waiting = replies[req.url ?? ''] ?? [[404, {}]]
      const [status, answer, headers] = waiting.length > 1 ? waiting.shift()! : waiting[0]!
      setTimeout(() => res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(answer)), 20)
    })
  })
  login = another()
})
afterEach(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

const tokens = (n: number, seconds = 600): object => ({
  access_token: `access-${n}`,
  refresh_token: `refresh-${n}`,
  expires_in: seconds,
  token_type: 'DPoP',
})
const another = (): Login =>
  new Login({ server: server.issuer, folder, ca: () => server.authorityPem, pause: async (ms) => void waited.push(ms) })
/** Header and claims of a proof. */
const read = (proof: string | undefined) => ({ ...decodeProtectedHeader(proof ?? ''), ...decodeJwt(proof ?? '') })
const sent = (path: string): Record<string, string>[] => asked.filter((one) => one.path === path).map(({ form }) => form)

describe('a person at a command line (B4, B5)', () => {
  it('shows the code, waits, and keeps the tokens for its owner alone', async () => {
    replies['/oauth/token'] = [
      [400, { error: 'authorization_pending' }],
      [400, { error: 'slow_down' }],
      [200, tokens(1)],
    ]
    let prompt: DevicePrompt | null = null
    await login.begin({ level: 3, maxAge: 300 }, (shown) => (prompt = shown))
    expect(prompt).toMatchObject({ userCode: 'BCDF-GHJK', verificationUri: 'https://gateway.example/device' })
    expect(sent('/oauth/device-authorization')).toEqual([{ client_id: 'redoubt-cli', scope: 'openid', acr_values: '3', max_age: '300' }])
    expect(statSync(login.path).mode & 0o777).toBe(0o600)
    expect(await another().accessToken()).toBe('access-1')
    expect(sent('/oauth/token')).toHaveLength(3)
    // RFC 8628 §3.5: five seconds more from then on.
    expect(waited).toEqual([1_000, 1_000, 6_000])
  })

  it('renews once for any number of processes, and keeps the new refresh token', async () => {
    replies['/oauth/token'] = [[200, tokens(1, 10)]]
    await login.begin({}, () => undefined)
    replies['/oauth/token'] = [
      [200, tokens(2)],
      [400, { error: 'invalid_grant' }],
    ]
    expect(await Promise.all(Array.from({ length: 5 }, () => another().accessToken()))).toEqual(Array(5).fill('access-2'))
    expect(sent('/oauth/token').filter(({ grant_type }) => grant_type === 'refresh_token')).toEqual([
      { client_id: 'redoubt-cli', grant_type: 'refresh_token', refresh_token: 'refresh-1' },
    ])
    expect(readFileSync(login.path, 'utf8')).toContain('refresh-2')
  })

  it('proves its key with each request for a token, for the address by which the server knows itself (RFC 9449)', async () => {
    replies['/oauth/token'] = [[200, tokens(1, 10)]]
    await login.begin({}, () => undefined)
    replies['/oauth/token'] = [[200, tokens(2)]]
    await login.accessToken()
    const proofs = asked.filter(({ path }) => path === '/oauth/token').map(({ proof }) => read(proof))
    expect(proofs).toHaveLength(2)
    for (const proof of proofs) expect(proof).toMatchObject({ typ: 'dpop+jwt', htm: 'POST', htu: 'https://gateway.example/oauth/token' })
    expect(new Set(proofs.map(({ jwk }) => JSON.stringify(jwk))).size).toBe(1)
    expect(new Set(proofs.map(({ jti }) => jti)).size).toBe(2)
    expect(asked.find(({ path }) => path !== '/oauth/token')?.proof).toBeUndefined()
    expect(read(login.proof('GET', '/api/v1/whoami', 'access-2'))).toMatchObject({
      htm: 'GET',
      htu: 'https://gateway.example/api/v1/whoami',
      ath: createHash('sha256').update('access-2').digest('base64url'),
      jwk: proofs[0]!.jwk,
    })
  })

  it('answers the demand for a nonce, and uses it from then on', async () => {
    replies['/oauth/token'] = [
      [400, { error: 'use_dpop_nonce' }, { 'dpop-nonce': 'nonce-1' }],
      [200, tokens(1)],
    ]
    await login.begin({}, () => undefined)
    expect(asked.filter(({ path }) => path === '/oauth/token').map(({ proof }) => read(proof)['nonce'])).toEqual([undefined, 'nonce-1'])
    expect(read(login.proof('GET', '/x', 'access-1'))['nonce']).toBe('nonce-1')
    // A server that never has enough is not asked for ever.
    replies['/oauth/token'] = [[400, { error: 'use_dpop_nonce' }, { 'dpop-nonce': 'nonce-1' }]]
    await expect(login.begin({}, () => undefined)).rejects.toMatchObject({ code: 'ERR_DEVICE_CODE' })
  })

  it('keeps its key for its owner alone, beside the tokens and not among them, from one login to the next', async () => {
    await login.begin({}, () => undefined)
    expect(statSync(login.keyPath).mode & 0o777).toBe(0o600)
    const key = readFileSync(login.keyPath, 'utf8')
    expect(readFileSync(login.path, 'utf8')).not.toContain('PRIVATE KEY')
    await login.end()
    await login.begin({}, () => undefined)
    expect(readFileSync(login.keyPath, 'utf8')).toBe(key)
    chmodSync(login.keyPath, 0o640)
    expect(() => login.proof('GET', '/x', 'access-1')).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_SECRET' }))
    rmSync(login.keyPath)
    expect(() => login.proof('GET', '/x', 'access-1')).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_SECRET' }))
  })

  it('takes no token that is not bound', async () => {
    replies['/oauth/token'] = [[200, { ...tokens(1), token_type: 'Bearer' }]]
    await expect(login.begin({}, () => undefined)).rejects.toMatchObject({ code: 'ERR_TOKEN_REQUEST' })
    expect(login.exists()).toBe(false)
  })

  it('says that the session has ended, and forgets it', async () => {
    replies['/oauth/token'] = [[200, tokens(1, 10)]]
    await login.begin({}, () => undefined)
    replies['/oauth/token'] = [[400, { error: 'invalid_grant' }]]
    await expect(login.accessToken()).rejects.toMatchObject({ code: 'ERR_SESSION_ENDED' })
    expect(await login.accessToken()).toBeNull()
  })

  it('keeps its tokens while the server is out of order', async () => {
    replies['/oauth/token'] = [[200, tokens(1, 10)]]
    await login.begin({}, () => undefined)
    replies['/oauth/token'] = [[500, { error: 'server_error' }]]
    await expect(login.accessToken()).rejects.toMatchObject({ code: 'ERR_TOKEN_REQUEST' })
    expect(login.exists()).toBe(true)
  })

  it('ends when the person says no, or nothing', async () => {
    replies['/oauth/token'] = [[400, { error: 'access_denied' }]]
    await expect(login.begin({}, () => undefined)).rejects.toMatchObject({ code: 'ERR_SIGN_IN' })
    replies['/oauth/token'] = [[400, { error: 'expired_token' }]]
    await expect(login.begin({}, () => undefined)).rejects.toMatchObject({ code: 'ERR_DEVICE_CODE' })
    expect(login.exists()).toBe(false)
  })

  it('ends the session that a new one takes the place of, and its own at logout', async () => {
    await login.begin({}, () => undefined)
    replies['/oauth/token'] = [[200, tokens(2)]]
    await login.begin({ level: 3 }, () => undefined)
    expect(sent('/oauth/revoke').map(({ token }) => token)).toEqual(['refresh-1'])
    expect(await login.end()).toBe(true)
    expect(sent('/oauth/revoke').map(({ token }) => token)).toEqual(['refresh-1', 'refresh-2'])
    expect(login.exists()).toBe(false)
    expect(await login.end()).toBeNull()
  })

  it('forgets its tokens even when the server cannot be told', async () => {
    await login.begin({}, () => undefined)
    server.close()
    expect(await login.end()).toBe(false)
    expect(login.exists()).toBe(false)
  })

  it('refuses a file that others can read, and takes none of another server', async () => {
    await login.begin({}, () => undefined)
    const content = readFileSync(login.path, 'utf8')
    chmodSync(login.path, 0o644)
    await expect(login.accessToken()).rejects.toMatchObject({ code: 'ERR_CONFIG_SECRET' })
    chmodSync(login.path, 0o600)
    writeFileSync(login.path, content.replace(server.issuer, 'https://elsewhere.example'))
    expect(await login.accessToken()).toBeNull()
  })

  it('takes a file from before tokens were bound for none, ends its session and replaces it', async () => {
    await login.begin({}, () => undefined)
    const { issuer, ...older } = JSON.parse(readFileSync(login.path, 'utf8')) as Record<string, string>
    expect([issuer, login.isOutdated()]).toEqual(['https://gateway.example', false])
    writeFileSync(login.path, JSON.stringify({ ...older, refreshToken: 'refresh-of-old' }))
    expect(another().isOutdated()).toBe(true)
    // Nobody is acted for by another than they mean, and nothing is sent that opens nothing.
    await expect(another().accessToken()).rejects.toMatchObject({
      code: 'ERR_SESSION_ENDED',
      message: expect.stringContaining('redoubt login'),
    })
    replies['/oauth/token'] = [[200, tokens(2)]]
    await another().begin({}, () => undefined)
    expect(await another().accessToken()).toBe('access-2')
    expect(another().isOutdated()).toBe(false)
    expect(sent('/oauth/revoke').map(({ token }) => token)).toEqual(['refresh-of-old'])
  })

  it.each([
    ['no JSON', () => '{'],
    ['a member too many', (file: object) => JSON.stringify({ ...file, more: 1 })],
    ['a member too few', (file: object) => JSON.stringify({ ...file, refreshToken: undefined })],
    ['an empty token', (file: object) => JSON.stringify({ ...file, accessToken: '' })],
    ['no address', (file: object) => JSON.stringify({ ...file, issuer: 'gateway' })],
    ['no time', (file: object) => JSON.stringify({ ...file, expiresAt: '1' })],
    ['a list', (file: object) => JSON.stringify([file])],
  ])('refuses a file that is none before anyone is asked: %s', async (_, spoil) => {
    await login.begin({}, () => undefined)
    writeFileSync(login.path, spoil(JSON.parse(readFileSync(login.path, 'utf8')) as object))
    asked = []
    await expect(login.begin({}, () => undefined)).rejects.toMatchObject({ code: 'ERR_CONFIG_SECRET' })
    expect(asked).toEqual([])
  })

  it.each([
    { device_code: '' },
    { user_code: 7 },
    { verification_uri: 'device' },
    { verification_uri_complete: undefined },
    { expires_in: 0 },
    { expires_in: '600' },
    { interval: 0 },
  ])('understands no other answer than that of RFC 8628: %o', async (spoilt) => {
    const [status, answer] = replies['/oauth/device-authorization']![0]!
    replies['/oauth/device-authorization'] = [[status, { ...answer, ...spoilt }]]
    await expect(login.begin({}, () => undefined)).rejects.toMatchObject({ code: 'ERR_TOKEN_REQUEST' })
  })

  it('goes on when a process died while it held the lock', async () => {
    replies['/oauth/token'] = [[200, tokens(1, 10)]]
    await login.begin({}, () => undefined)
    writeFileSync(`${login.path}.lock`, '')
    utimesSync(`${login.path}.lock`, new Date(Date.now() - 60_000), new Date(Date.now() - 60_000))
    replies['/oauth/token'] = [[200, tokens(2)]]
    expect(await login.accessToken()).toBe('access-2')
  })
})
