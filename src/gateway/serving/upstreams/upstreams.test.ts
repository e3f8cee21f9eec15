import 'reflect-metadata'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type RedoubtError, systemClock } from '#foundation/core'
import { type Logger, silentLogger } from '#foundation/telemetry'
import * as x509 from '@peculiar/x509'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { upstreamsSchema } from './config.ts'
import { RELEASED_BYTES, RELEASED_MS, type UpstreamExchange, type UpstreamHandler } from './exchange.ts'
import { isLoopbackAddress, loopbackLookup } from './loopback.ts'
import { createUpstreams, type Upstreams } from './upstreams.ts'

const KEY = 'sk-canary-4242'
const open: { close(): Promise<void> | void }[] = []

afterEach(async () => {
  for (const each of open.splice(0)) await each.close()
})

type Answer = (req: IncomingMessage, res: ServerResponse, body: string) => void

function collect(answer: Answer): (req: IncomingMessage, res: ServerResponse) => void {
  return (req, res) => {
    let body = ''
    req.on('data', (part: Buffer) => (body += part.toString()))
    req.on('end', () => answer(req, res, body))
  }
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push({
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  })
  return (server.address() as AddressInfo).port
}

async function upstream(answer: Answer, change: Record<string, unknown> = {}, logger: Logger = silentLogger): Promise<Upstreams> {
  const port = await listen(createServer(collect(answer)))
  return configured({ baseUrl: `http://127.0.0.1:${port}/base/v1/`, allowLoopbackHttp: true, apiKey: 'env:KEY', ...change }, logger)
}

function configured(one: Record<string, unknown>, logger: Logger = silentLogger, secrets: Record<string, string> = {}): Upstreams {
  const config = upstreamsSchema.parse({
    upstreams: { one },
    models: { assistant: { upstream: 'one', model: 'real', purposes: ['support'] } },
  })
  const resolve = (reference: string): string => secrets[reference] ?? KEY
  const upstreams = createUpstreams({ config, resolveSecret: resolve, resolveTrusted: resolve, clock: systemClock, logger })
  open.unshift(upstreams)
  return upstreams
}

interface Outcome {
  readonly calls: string[]
  readonly text: string
  readonly headers: Readonly<Record<string, string>>
  readonly error: RedoubtError | null
}

/** Sends one request and waits for how it ends; `watch` may change the handler. */
function send(
  upstreams: Upstreams,
  stream = false,
  watch: (exchange: () => UpstreamExchange) => Partial<UpstreamHandler> = () => ({}),
): Promise<Outcome> {
  const route = upstreams.resolve('assistant')
  if (route === null) throw new Error('no route')
  return new Promise((resolve) => {
    const calls: string[] = []
    let text = ''
    let headers: Readonly<Record<string, string>> = {}
    const finish = (error: RedoubtError | null): void => resolve({ calls, text, headers, error })
    const extra = watch(() => exchange)
    const handler: UpstreamHandler = {
      start(status, received) {
        calls.push(`start ${status}`)
        headers = received
        extra.start?.(status, received)
      },
      data(chunk) {
        calls.push('data')
        text += Buffer.from(chunk).toString()
        extra.data?.(chunk)
      },
      end() {
        calls.push('end')
        extra.end?.()
        finish(null)
      },
      error(error) {
        calls.push('error')
        finish(error)
      },
    }
    const exchange = upstreams.dispatch(route, '{"a":1}', { stream, requestId: 'req_1' }, handler)
  })
}

const json: Answer = (_req, res) => {
  res.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'set-cookie': 'a=b', server: 'x', 'openai-processing-ms': '7' })
  res.end('{"ok":true}')
}

describe('dispatch', () => {
  it('sends our path, our headers and the credential, and passes on only listed headers (A2)', async () => {
    const seen: { url?: string | undefined; headers: IncomingMessage['headers']; body: string }[] = []
    const upstreams = await upstream((req, res, body) => {
      seen.push({ url: req.url, headers: req.headers, body })
      json(req, res, body)
    })
    const { calls, text, headers, error } = await send(upstreams)
    expect(error).toBeNull()
    expect(calls).toEqual(['start 200', 'data', 'end'])
    expect(text).toBe('{"ok":true}')
    expect(headers).toEqual({ 'content-type': 'application/json; charset=utf-8', 'openai-processing-ms': '7' })
    const { url, headers: sent, body } = seen[0] ?? { headers: {}, body: '' }
    expect(url).toBe('/base/v1/chat/completions')
    expect(body).toBe('{"a":1}')
    expect(sent.authorization).toBe(`Bearer ${KEY}`)
    expect(Object.keys(sent).sort()).toEqual(
      [
        'accept',
        'accept-encoding',
        'authorization',
        'connection',
        'content-length',
        'content-type',
        'host',
        'user-agent',
        'x-client-request-id',
      ].sort(),
    )
  })

  it('resolves public names to routes, and nothing else', async () => {
    const upstreams = await upstream(json)
    expect(upstreams.list()).toEqual([upstreams.resolve('assistant')])
    expect(upstreams.resolve('assistant')).toMatchObject({
      upstream: 'one',
      upstreamModel: 'real',
      sandbox: false,
      sensitivity: 'internal',
      purposes: ['support'],
    })
    for (const name of ['real', 'Assistant', '__proto__', 'constructor', '']) expect(upstreams.resolve(name)).toBeNull()
  })

  it.each([
    [400, { code: 'context_length_exceeded', param: 'messages', message: 'secret prompt' }, 'ERR_UPSTREAM_REJECTED'],
    [404, { code: 'model_not_found' }, 'ERR_UPSTREAM_REJECTED'],
    [401, { code: 'invalid_api_key', message: `Incorrect API key: ${KEY}` }, 'ERR_UPSTREAM_REFUSED'],
    [403, {}, 'ERR_UPSTREAM_REFUSED'],
    [429, { code: 'rate_limit_exceeded' }, 'ERR_UPSTREAM_LIMIT'],
    [500, {}, 'ERR_UPSTREAM_REFUSED'],
    [302, {}, 'ERR_UPSTREAM_PROTOCOL'],
    [204, {}, 'ERR_UPSTREAM_PROTOCOL'],
  ] as readonly [number, { readonly code?: string; readonly param?: string; readonly message?: string }, string][])(
    'maps status %i without its message (A2)',
    async (status, error, code) => {
      const upstreams = await upstream((_req, res) => {
        res.writeHead(status, {
          location: 'http://127.0.0.1:1/',
          'retry-after': '2',
          ...(status === 204 ? {} : { 'content-type': 'application/json' }),
        })
        res.end(status === 204 ? undefined : JSON.stringify({ error }))
      })
      const outcome = await send(upstreams)
      expect(outcome.calls).toEqual(['error'])
      expect(outcome.error?.code).toBe(code)
      if (error.code !== undefined) expect(outcome.error?.evidence['upstreamCode']).toBe(error.code)
      expect(outcome.error?.evidence['retryAfterMs']).toBe(status === 429 ? 2000 : undefined)
      expect(JSON.stringify([outcome.error, outcome.error?.message, outcome.error?.stack, outcome.error?.cause])).not.toMatch(
        /secret prompt|canary/,
      )
    },
  )

  it.each([
    ['a page', { 'content-type': 'text/html' }, false],
    ['JSON for a stream', { 'content-type': 'application/json' }, true],
    ['a stream for JSON', { 'content-type': 'text/event-stream' }, false],
    ['nothing typed', {}, false],
    ['compressed bytes', { 'content-type': 'application/json', 'content-encoding': 'gzip' }, false],
  ])('refuses %s as an answer', async (_, headers, stream) => {
    const upstreams = await upstream((_req, res) => res.writeHead(200, headers).end('x'))
    const { calls, error } = await send(upstreams, stream)
    expect(calls).toEqual(['error'])
    expect(error?.code).toBe('ERR_UPSTREAM_PROTOCOL')
  })

  it('stops an answer beyond the size limit, whole or streamed', async () => {
    for (const stream of [false, true]) {
      const upstreams = await upstream(
        (_req, res) => {
          res.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' })
          res.end('x'.repeat(200_000))
        },
        { maxResponseBytes: 100_000, maxStreamBytes: 100_000 },
      )
      const { error, text } = await send(upstreams, stream)
      expect(error?.code).toBe('ERR_UPSTREAM_PROTOCOL')
      expect(text.length).toBeLessThanOrEqual(100_000)
    }
  })

  it.each([
    ['headers', { headersTimeoutMs: 60 }, () => undefined],
    [
      'the next chunk',
      { chunkTimeoutMs: 60 },
      (_req: IncomingMessage, res: ServerResponse) => res.writeHead(200, { 'content-type': 'text/event-stream' }).write('x'),
    ],
    [
      'the end',
      { totalTimeoutMs: 150 },
      (_req: IncomingMessage, res: ServerResponse) => {
        res.writeHead(200, { 'content-type': 'text/event-stream' })
        const timer = setInterval(() => res.write('x'), 20)
        res.on('close', () => clearInterval(timer))
      },
    ],
  ])('does not wait for %s for ever', async (_, change, answer) => {
    const { error } = await send(await upstream(answer, change), true)
    expect(error?.code).toBe('ERR_UPSTREAM_TIMEOUT')
  })

  it('tells an upstream that breaks off from one that cannot be reached', async () => {
    const broken = await upstream((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write('data: x\n\n', () => res.destroy())
    })
    const outcome = await send(broken, true)
    expect(outcome.calls).toEqual(['start 200', 'data', 'error'])
    expect(outcome.error?.code).toBe('ERR_UPSTREAM_RESET')
    const absent = configured({ baseUrl: 'http://127.0.0.1:1/v1', allowLoopbackHttp: true })
    expect((await send(absent)).error).toMatchObject({
      code: 'ERR_UPSTREAM_UNREACHABLE',
      evidence: { upstream: 'one', reason: 'ECONNREFUSED' },
    })
  })

  it('says of a server that speaks no HTTP that it is not understood, not that it is absent', async () => {
    const upstreams = await upstream((_req, res) => res.socket?.end('SSH-2.0-OpenSSH_9.2p1\r\n'))
    expect((await send(upstreams)).error?.code).toBe('ERR_UPSTREAM_PROTOCOL')
  })

  it.each(['start', 'data', 'end'] as const)('aborts the upstream when the handler throws in `%s` (fails closed)', async (where) => {
    const closed = Promise.withResolvers<void>()
    const upstreams = await upstream((_req, res) => {
      res.on('close', closed.resolve)
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write('data: x\n\n')
      if (where === 'end') res.end()
    })
    const { calls, error } = await send(upstreams, true, () => ({
      [where]: () => {
        throw new Error('a filter failed')
      },
    }))
    expect(calls.at(-1)).toBe('error')
    expect(error?.code).toBe('ERR_INTERNAL')
    await closed.promise
  })

  it('keeps the connection of an answer that said it is complete, and is silent afterwards (C11)', async () => {
    const sockets = new Set<unknown>()
    const upstreams = await upstream((req, res) => {
      sockets.add(req.socket)
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write('data: [DONE]\n\n')
      setImmediate(() => res.end(': and a comment\n\n'))
    })
    for (let call = 0; call < 3; call++) {
      const heard: string[] = []
      await new Promise<void>((resolve) => {
        const exchange = upstreams.dispatch(
          upstreams.resolve('assistant')!,
          '{}',
          { stream: true },
          {
            start: () => void heard.push('start'),
            data(chunk) {
              heard.push(Buffer.from(chunk).toString())
              exchange.pause()
              exchange.release()
              setTimeout(resolve, 50)
            },
            end: () => void heard.push('end'),
            error: () => void heard.push('error'),
          },
        )
      })
      expect(heard).toEqual(['start', 'data: [DONE]\n\n'])
    }
    expect(sockets.size).toBe(1)
  })

  it.each([
    ['in bytes', RELEASED_BYTES],
    ['in time', 1],
  ])('cuts off an upstream that goes on %s after its answer is complete (C11)', async (_how, bytes) => {
    let closed: () => void = () => undefined
    const gone = new Promise<void>((resolve) => (closed = resolve))
    const upstreams = await upstream((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write('data: [DONE]\n\n')
      const more = setInterval(() => res.write('x'.repeat(bytes)), 20)
      res.on('close', () => {
        clearInterval(more)
        closed()
      })
    })
    const started = performance.now()
    const exchange = upstreams.dispatch(
      upstreams.resolve('assistant')!,
      '{}',
      { stream: true },
      {
        start: () => undefined,
        data: () => exchange.release(),
        end: () => undefined,
        error: () => undefined,
      },
    )
    await gone
    const took = performance.now() - started
    if (bytes === 1) expect(took).toBeGreaterThan(RELEASED_MS - 50)
    else expect(took).toBeLessThan(RELEASED_MS)
  })

  it('closes the upstream socket when aborted while paused, and is silent afterwards (C11)', async () => {
    const closed = Promise.withResolvers<void>()
    const upstreams = await upstream((_req, res) => {
      res.on('close', closed.resolve)
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      const timer = setInterval(() => res.write('x'.repeat(65_536)), 1)
      res.on('close', () => clearInterval(timer))
    })
    const paused = Promise.withResolvers<void>()
    const calls: string[] = []
    const route = upstreams.resolve('assistant')
    if (route === null) throw new Error('no route')
    const exchange = upstreams.dispatch(
      route,
      '{}',
      { stream: true },
      {
        start: () => calls.push('start'),
        data() {
          calls.push('data')
          exchange.pause()
          paused.resolve()
        },
        end: () => calls.push('end'),
        error: () => calls.push('error'),
      },
    )
    await paused.promise
    exchange.abort('the client left')
    await closed.promise
    exchange.abort('again')
    expect(calls).toEqual(['start', 'data'])
  })

  it('holds data back while paused and goes on when resumed', async () => {
    const upstreams = await upstream((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write('a')
      setTimeout(() => res.end('b'), 10)
    })
    let pausedFor = 0
    const outcome = await send(upstreams, true, (exchange) => ({
      data: () => {
        if (pausedFor > 0) return
        const since = performance.now()
        exchange().pause()
        setTimeout(() => {
          pausedFor = performance.now() - since
          exchange().resume()
        }, 40)
      },
    }))
    expect(outcome.text).toBe('ab')
    expect(pausedFor).toBeGreaterThan(30)
  })

  it('sends nothing when aborted before a connection is there', async () => {
    let requests = 0
    const upstreams = await upstream((req, res, body) => {
      requests++
      json(req, res, body)
    })
    const route = upstreams.resolve('assistant')
    if (route === null) throw new Error('no route')
    const fail = (): never => {
      throw new Error('called after abort')
    }
    upstreams.dispatch(route, '{}', { stream: false }, { start: fail, data: fail, end: fail, error: fail }).abort('left at once')
    expect((await send(upstreams)).error).toBeNull()
    expect(requests).toBe(1)
  })

  it('never lets the credential into a log or an error (A5)', async () => {
    const lines: unknown[] = []
    const log = (fields: unknown, message: string): void => void lines.push(fields, message)
    const upstreams = await upstream(
      (_req, res) => res.writeHead(500).end(`key ${KEY}`),
      {},
      { debug: log, info: log, warn: log, error: log },
    )
    const outcome = await send(upstreams)
    const health = await upstreams.probe()
    const route = upstreams.resolve('assistant')
    expect(JSON.stringify([lines, outcome, health, route, outcome.error?.stack])).not.toMatch(/canary/)
    expect(lines.length).toBeGreaterThanOrEqual(0)
  })

  it('refuses a credential that could break out of its header', () => {
    expect(() => configured({ baseUrl: 'https://models.example', apiKey: 'env:KEY' }, silentLogger, { 'env:KEY': 'a\r\nhost: b' })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_SECRET' }),
    )
  })
})

describe('plain http', () => {
  it('knows loopback addresses', () => {
    for (const address of ['127.0.0.1', '127.255.0.3', '::1', '::ffff:127.0.0.1', '[::1]'])
      expect(isLoopbackAddress(address), address).toBe(true)
    for (const address of ['128.0.0.1', '10.127.0.1', '::', '::2', '::ffff:8.8.8.8', '127.0.0.1.example', '0.0.0.0', '']) {
      expect(isLoopbackAddress(address), address).toBe(false)
    }
  })

  it('refuses a loopback name that resolves off this machine (A2)', async () => {
    const resolver =
      (addresses: string[]): any =>
      (_host: string, _options: unknown, callback: (error: null, found: unknown) => void) =>
        callback(
          null,
          addresses.map((address) => ({ address, family: 4 })),
        )
    const ask = (addresses: string[]): Promise<unknown> =>
      new Promise((resolve) => loopbackLookup(resolver(addresses))('localhost', {}, (error, found) => resolve(error ?? found)))
    expect(await ask(['127.0.0.1'])).toBe('127.0.0.1')
    expect(await ask(['127.0.0.1', '10.0.0.1'])).toMatchObject({ code: 'ERR_UPSTREAM_UNREACHABLE' })
    expect(await ask([])).toMatchObject({ code: 'ERR_UPSTREAM_UNREACHABLE' })
  })

  it('is refused by the code too when a configuration was not checked (A2)', () => {
    const { upstreams: parsed } = upstreamsSchema.parse({ upstreams: { one: { baseUrl: 'https://models.example' } } })
    const one = parsed['one']
    if (one === undefined) throw new Error('no upstream')
    const config = { upstreams: { one: { ...one, baseUrl: 'http://models.example' } }, models: {} }
    expect(() =>
      createUpstreams({ config, resolveSecret: () => '', resolveTrusted: () => '', clock: systemClock, logger: silentLogger }),
    ).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }))
  })
})

describe('TLS', () => {
  let pem: { key: string; cert: string } = { key: '', cert: '' }

  beforeAll(async () => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=localhost',
      keys,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 3_600_000),
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.SubjectAlternativeNameExtension([
          { type: 'dns', value: 'localhost' },
          { type: 'ip', value: '127.0.0.1' },
        ]),
      ],
    })
    const key = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
    pem = { key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`, cert: certificate.toString('pem') }
  })

  afterAll(() => {
    pem = { key: '', cert: '' }
  })

  async function overTls(versions: { minVersion?: 'TLSv1.2'; maxVersion?: 'TLSv1.2' }, trusted: boolean): Promise<Outcome> {
    const port = await listen(createTlsServer({ ...pem, ...versions }, collect(json)))
    const ca = trusted ? { ca: 'file:ca.pem' } : {}
    return send(
      configured({ baseUrl: `https://127.0.0.1:${port}/v1`, apiKey: 'env:KEY', ...ca }, silentLogger, { 'file:ca.pem': pem.cert }),
    )
  }

  it('speaks TLS 1.3 with the configured roots', async () => {
    expect((await overTls({}, true)).text).toBe('{"ok":true}')
  })

  it('refuses an upstream that only speaks TLS 1.2 (A2)', async () => {
    expect((await overTls({ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }, true)).error?.code).toBe('ERR_UPSTREAM_UNREACHABLE')
  })

  it('refuses a certificate that no trusted root has signed (A2)', async () => {
    const { error, calls } = await overTls({}, false)
    expect(calls).toEqual(['error'])
    expect(error?.code).toBe('ERR_UPSTREAM_UNREACHABLE')
  })
})

describe('probe', () => {
  it('tells reachable, refused and absent upstreams apart', async () => {
    const good = await upstream((req, res, body) => (req.url === '/base/v1/models' ? json(req, res, body) : res.writeHead(500).end()))
    expect(await good.probe()).toMatchObject([{ upstream: 'one', reachable: true, accepted: true, error: null }])
    for (const status of [404, 405, 501]) {
      const bare = await upstream((_req, res) => res.writeHead(status).end())
      expect(await bare.probe(), String(status)).toMatchObject([{ reachable: true, accepted: true, error: null }])
    }
    const locked = await upstream((_req, res) => res.writeHead(401).end())
    expect(await locked.probe()).toMatchObject([{ reachable: true, accepted: false, error: { code: 'ERR_UPSTREAM_REFUSED' } }])
    const absent = configured({ baseUrl: 'http://127.0.0.1:1/v1', allowLoopbackHttp: true })
    expect(await absent.probe()).toMatchObject([{ reachable: false, accepted: false, error: { code: 'ERR_UPSTREAM_UNREACHABLE' } }])
  })
})
