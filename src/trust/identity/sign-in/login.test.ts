import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openTlsServer, type TlsServer } from '../tls-server.fixtures.ts'
import { type DevicePrompt, Login } from './login.ts'

type Reply = readonly [status: number, body: object]

let folder: string
let server: TlsServer
/** What the server got, and what it answers to each path in turn; the last answer stays. */
let asked: { readonly path: string; readonly form: Record<string, string> }[]
let replies: Record<string, Reply[]>
let login: Login

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-login-'))
  asked = []
  replies = {
    '/oauth/device-authorization': [
      [
        200,
        {
          device_code: 'device-code',
          user_code: 'BCDF-GHJK',
          verification_uri: 'https://localhost/device',
          verification_uri_complete: 'https://localhost/device?user_code=BCDF-GHJK',
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
      asked.push({ path: req.url ?? '', form: Object.fromEntries(new URLSearchParams(body)) })
      const waiting = replies[req.url ?? ''] ?? [[404, {}]]
      const [status, answer] = waiting.length > 1 ? waiting.shift()! : waiting[0]!
      setTimeout(() => res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer)), 20)
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
  token_type: 'Bearer',
})
const another = (): Login => new Login({ server: server.issuer, folder, ca: () => server.authorityPem })
const sent = (path: string): Record<string, string>[] => asked.filter((one) => one.path === path).map(({ form }) => form)

describe('a person at a command line (B4, B5)', () => {
  it('shows the code, waits, and keeps the tokens for its owner alone', async () => {
    replies['/oauth/token'] = [
      [400, { error: 'authorization_pending' }],
      [200, tokens(1)],
    ]
    let prompt: DevicePrompt | null = null
    await login.begin({ level: 3, maxAge: 300 }, (shown) => (prompt = shown))
    expect(prompt).toMatchObject({ userCode: 'BCDF-GHJK', verificationUri: 'https://localhost/device' })
    expect(sent('/oauth/device-authorization')).toEqual([{ client_id: 'redoubt-cli', scope: 'openid', acr_values: '3', max_age: '300' }])
    expect(statSync(login.path).mode & 0o777).toBe(0o600)
    expect(await another().accessToken()).toBe('access-1')
    expect(sent('/oauth/token')).toHaveLength(2)
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

  it('goes on when a process died while it held the lock', async () => {
    replies['/oauth/token'] = [[200, tokens(1, 10)]]
    await login.begin({}, () => undefined)
    writeFileSync(`${login.path}.lock`, '')
    utimesSync(`${login.path}.lock`, new Date(Date.now() - 60_000), new Date(Date.now() - 60_000))
    replies['/oauth/token'] = [[200, tokens(2)]]
    expect(await login.accessToken()).toBe('access-2')
  })
})
