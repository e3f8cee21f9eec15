import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type House, openHouse, starterRow } from './house.fixture.ts'

let house: House
beforeAll(async () => {
  house = await openHouse()
})
afterAll(() => house.close())

/** The reviewed list: whoever adds a line here says in the route why anyone may call it. Everything else demands a token. */
const OPEN_TO_ANYONE = [
  'GET /.well-known/oauth-authorization-server',
  'GET /.well-known/openid-configuration',
  'GET /oauth/jwks',
  'POST /oauth/token',
  'POST /oauth/revoke',
  'POST /oauth/introspect',
  'GET /oauth/authorize',
  'GET /oauth/authorize/:token',
  'POST /oauth/device-authorization',
  'GET /oauth/end-session',
  'GET /sign-in',
  'POST /sign-in',
  'POST /sign-in/passkey',
  'POST /sign-in/code',
  'POST /sign-in/recovery',
  'POST /sign-in/cancel',
  'GET /sign-in/assets/pages.css',
  'GET /sign-in/assets/sign-in.js',
  'GET /consent',
  'GET /console/',
  'GET /console/callback',
  'POST /consent',
  'GET /device',
  'POST /device',
  'POST /device/decide',
  'GET /sessions',
  'POST /sessions/end',
  'POST /sessions/factor',
  'POST /sign-out',
  'GET /enrol/assets/enrol.js',
  'GET /enrol/:token',
  'POST /enrol/:token/begin',
  'POST /enrol/:token/complete',
  'POST /enrol/:token/totp/begin',
  'POST /enrol/:token/totp/complete',
  'GET /api/openapi.json',
  'GET /log/checkpoint',
  'GET /log/tile/:level/*',
  'GET /v2/health/live',
  'GET /v2/health/ready',
  'GET /',
  'HEAD /',
  'GET /livez',
  'HEAD /livez',
  'GET /readyz',
  'HEAD /readyz',
  'GET /metrics',
  'HEAD /metrics',
]

const VALUES: Readonly<Record<string, string>> = { ':m': 'credit', ':v': '1', ':version': '1', ':index': '0', ':model': 'assistant' }
/** A path that the pattern matches and that names what exists where it can. */
const concrete = (path: string): string =>
  path
    .split('/')
    .map((part) => (part.startsWith(':') ? (VALUES[part] ?? 'credit') : part === '*' ? '000' : part))
    .join('/')
const guarded = () => house.server.routes.filter(({ access }) => access === 'token')

/** The code of a refusal, read in the shape that the path's surface has. */
function codeIn(path: string, answer: Answer): string {
  if (path.startsWith('/v1/messages')) {
    const { type, error, request_id: requestId } = answer.json
    expect({ type, requestId }).toEqual({ type: 'error', requestId: answer.headers['request-id'] })
    expect(error.message).toContain(answer.headers['redoubt-code'])
    return answer.headers['redoubt-code'] as string
  }
  if (path.startsWith('/v1/')) {
    const { error } = answer.json
    expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type'])
    expect(answer.headers['redoubt-code']?.toString().toLowerCase()).toBe(error.code)
    return answer.headers['redoubt-code'] as string
  }
  if (path.startsWith('/v2')) {
    expect(Object.keys(answer.json)).toEqual(['error'])
    expect(answer.json.error).toContain(answer.headers['redoubt-code'])
    return answer.headers['redoubt-code'] as string
  }
  expect(answer.headers['content-type']).toContain('application/problem+json')
  expect(answer.json).toMatchObject({
    status: answer.status,
    code: expect.any(String),
    next: expect.any(String),
    title: expect.any(String),
  })
  return answer.json.code
}

describe('the table of routes', () => {
  it('opens to anyone only the routes of one reviewed list, each with its reason (B8)', () => {
    const open = house.server.routes.filter(({ access }) => access !== 'token')
    expect(open.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(OPEN_TO_ANYONE.toSorted())
    for (const { access } of open) expect((access as { open: string }).open.length).toBeGreaterThan(10)
  })

  it('names no route twice', () => {
    const names = house.server.routes.map(({ method, path }) => `${method} ${path}`)
    expect(names.toSorted()).toEqual([...new Set(names)].sort())
    expect(guarded().length).toBeGreaterThan(30)
  })

  it('refuses every other route and method without a token, in the shape of its surface (B8)', async () => {
    for (const { method, path } of guarded()) {
      const answer = await house.call(method, concrete(path))
      expect(`${method} ${path} ${answer.status} ${codeIn(path, answer)}`).toBe(`${method} ${path} 401 ERR_TOKEN_MISSING`)
      expect(answer.headers['www-authenticate'], path).toMatch(/^Bearer/)
      expect(answer.headers['x-request-id'], path).toMatch(/^req_/)
    }
  })

  it('refuses every other route and method with a token that is none (B8)', async () => {
    for (const { method, path } of guarded()) {
      for (const token of ['garbage', 'eyJhbGciOiJub25lIn0.e30.']) {
        const answer = await house.call(method, concrete(path), { token })
        expect(`${method} ${path} ${answer.status}`).toBe(`${method} ${path} 401`)
        expect(codeIn(path, answer)).toMatch(/^ERR_TOKEN_/)
      }
    }
  })

  it('refuses a token that is sent twice or in the address (B8)', async () => {
    for (const { method, path } of guarded()) {
      const url = concrete(path)
      const twice = `${method} ${url} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${house.token}\r\nauthorization: Bearer ${house.token}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`
      expect(await house.bytes(twice), `${method} ${path}`).toMatch(/^HTTP\/1\.1 401 /)
      const inUrl = await house.call(method, `${url}?access_token=${house.token}`)
      expect(`${method} ${path} ${inUrl.status}`).toBe(`${method} ${path} 401`)
    }
  })

  it('does nothing for the methods that a route does not have, and says which it has', async () => {
    const paths = [...new Set(house.server.routes.map(({ path }) => path))]
    for (const path of paths) {
      const has = house.server.routes.filter((route) => concrete(route.path) === concrete(path)).map(({ method }) => method as string)
      for (const method of ['HEAD', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY', 'GET', 'POST', 'PUT', 'DELETE']) {
        if (has.includes(method)) continue
        const answer = await house.call(method, concrete(path), { token: house.token })
        expect(`${method} ${path} ${answer.status}`).toBe(`${method} ${path} 405`)
        const allowed = String(answer.headers['allow']).split(', ')
        expect(has.every((one) => allowed.includes(one))).toBe(true)
        if (method !== 'HEAD') expect(codeIn(path, answer)).toBe('ERR_METHOD_NOT_ALLOWED')
      }
    }
  })

  it('answers unknown paths with 404 in the shape of the surface', async () => {
    const paths = [
      '/v1/images/generations',
      '/v1/realtime',
      '/v1/messages/batches',
      '/v2/repository/index',
      '/api/v1/nothing',
      '/api',
      '/oauth/register',
      '/enrol',
      '/log',
    ]
    for (const path of [...paths, '/log/tile', '/v2/models/credit/explain', '/V1/models', '/v1/models/', '/livez/', '/api/v1/keys/'])
      for (const method of ['GET', 'POST']) {
        const answer = await house.call(method, path, { token: house.token })
        expect(`${method} ${path} ${answer.status} ${codeIn(path, answer)}`).toBe(`${method} ${path} 404 ERR_ROUTE_UNKNOWN`)
      }
  })

  it('shows the bare address to people as a page without data, and to programs as a place where nothing is', async () => {
    const page = await house.call('GET', '/', { headers: { accept: 'text/html,*/*;q=0.8' } })
    expect(page.status).toBe(200)
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'x-frame-options': 'DENY',
    })
    expect(page.headers['content-security-policy']).toContain("default-src 'none'")
    const paths = house.server.routes.map(({ path }) => path)
    const links = Array.from(page.text.matchAll(/href="(\/[^"]*)"/g), ([, path]) => path)
    expect(links).toEqual(expect.arrayContaining(['/sign-in', '/device', '/sessions']))
    for (const link of links) expect(paths).toContain(link)
    const bases = Array.from(page.text.matchAll(/<dt><code>([^<]*)/g), ([, base]) => base!)
    expect(bases.length).toBeGreaterThan(4)
    for (const base of bases)
      expect(
        paths.some((path) => path.startsWith(`${base}/`)),
        base,
      ).toBe(true)
    for (const accept of ['*/*', 'application/json']) {
      const answer = await house.call('GET', '/', { headers: { accept } })
      expect(`${answer.status} ${codeIn('/', answer)}`).toBe('404 ERR_ROUTE_UNKNOWN')
    }
  })

  it('answers monitors that ask for the head alone', async () => {
    for (const path of ['/livez', '/readyz']) {
      const answer = await house.call('HEAD', path)
      expect(`${path} ${answer.status} ${answer.text}`).toBe(`${path} 200 `)
    }
  })

  it('is not got around by X-HTTP-Method-Override, X-Original-URL and their like (B8)', async () => {
    for (const header of ['x-http-method-override', 'x-original-url', 'x-rewrite-url', 'x-forwarded-prefix', 'x-forwarded-host']) {
      const answer = await house.call('GET', '/livez', { headers: { [header]: '/api/v1/keys' } })
      expect(answer.text).toBe('ok\n')
      const override = await house.call('POST', '/api/v1/keys', { token: house.token, headers: { [header]: 'GET' } })
      expect(override.status).toBe(405)
    }
  })
})

describe('host and path', () => {
  const send = (target: string, headers = 'host: localhost\r\n', method = 'GET'): Promise<string> =>
    house.bytes(`${method} ${target} HTTP/1.1\r\n${headers}connection: close\r\n\r\n`)

  it('refuses every path that is not canonical', async () => {
    const paths = [
      '/v2/../api/v1/keys',
      '/v2/./models/credit',
      '/livez/..',
      '/.',
      '//livez',
      '/log//checkpoint',
      '/log/tile/0/..%2fentries/000',
      '/log/tile%2Fentries/000',
      '/v2/models/%2e%2e/api',
      '/v2/models/a%5cb',
      '/v2/models/a\\b',
      '/v2/models/a%00b',
      '/v2/models/a%0d%0ab',
      '/v2/models/%7f',
      '/v1/models/ä',
      '/livez#x',
      `/${'a'.repeat(5000)}`,
    ]
    for (const path of paths) expect(`${path.slice(0, 40)} ${await send(path)}`).toMatch(/ HTTP\/1\.1 (?:421|400|414|431) /)
  })

  it('refuses addresses in absolute form, in authority form and the asterisk', async () => {
    for (const target of ['https://localhost/livez', 'http://evil.example/livez', 'HTTPS://localhost/v2', '*', 'livez'])
      expect(`${target} ${await send(target)}`).toMatch(/ HTTP\/1\.1 (?:421|400) /)
    expect(await send('localhost:443', 'host: localhost\r\n', 'CONNECT')).not.toMatch(/^HTTP\/1\.1 2/)
    expect(await send('*', 'host: localhost\r\n', 'OPTIONS')).toMatch(/^HTTP\/1\.1 421 /)
  })

  it('refuses a request with another host, none or two', async () => {
    const hosts = ['host: evil.example\r\n', '', 'host: localhost\r\nhost: localhost\r\n', 'host: localhost\r\nHost: evil.example\r\n']
    for (const headers of [
      ...hosts,
      'host: localhost.evil.example\r\n',
      'host: user@localhost\r\n',
      'host: localhost:8443:1\r\n',
      'host:\r\n',
    ])
      expect(`${headers} ${await send('/livez', headers)}`).toMatch(/ HTTP\/1\.1 (?:421|400) /)
    for (const headers of ['host: localhost\r\n', 'host: LOCALHOST:1\r\n', 'host: 127.0.0.1:8443\r\n'])
      expect(await send('/livez', headers)).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('refuses what an intermediary could read differently: two lines of one header, and bodies that are packed', async () => {
    const body = JSON.stringify(starterRow())
    const ask = (headers: string): Promise<string> =>
      house.bytes(
        `POST /v2/models/credit/infer HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${house.token}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${headers}connection: close\r\n\r\n${body}`,
      )
    expect(await ask('')).toMatch(/^HTTP\/1\.1 200 /)
    expect(await ask('content-encoding: identity\r\nredoubt-subject: a\r\n')).toMatch(/^HTTP\/1\.1 200 /)
    for (const header of ['content-type: application/json', 'content-type: text/plain', 'Content-Type: application/json'])
      expect(`${header} ${await ask(`${header}\r\n`)}`).toMatch(/ HTTP\/1\.1 400 /)
    for (const header of ['redoubt-subject: a', 'redoubt-purpose: operations', 'content-encoding: identity'])
      expect(`${header} ${await ask(`${header}\r\n${header}\r\n`)}`).toMatch(/ HTTP\/1\.1 400 /)
    for (const encoding of ['gzip', 'br', 'identity, gzip', 'x'])
      expect(`${encoding} ${await ask(`content-encoding: ${encoding}\r\n`)}`).toMatch(/ HTTP\/1\.1 415 /)
  })

  it('refuses what an intermediary could cut differently (request smuggling)', async () => {
    const both = 'host: localhost\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n'
    expect(await send('/livez', both, 'POST')).toMatch(/^HTTP\/1\.1 400 /)
    expect(await send('/livez', 'host: localhost\r\ncontent-length: 4\r\ncontent-length: 5\r\n', 'POST')).toMatch(/^HTTP\/1\.1 400 /)
    expect(await send('/livez', 'host: localhost\r\ntransfer-encoding: identity, chunked,\r\n', 'POST')).toMatch(/^HTTP\/1\.1 400 /)
    expect(await send('/livez', 'host: localhost\r\nx y: 1\r\n')).toMatch(/^HTTP\/1\.1 400 /)
    expect(await send('/livez', `host: localhost\r\nx: ${'a'.repeat(20_000)}\r\n`)).toMatch(/^HTTP\/1\.1 431 /)
  })
})
