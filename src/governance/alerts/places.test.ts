import { createHmac, createPublicKey, generateKeyPairSync, timingSafeEqual } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttp } from 'node:http'
import { createServer, type ServerOptions } from 'node:https'
import type { IncomingHttpHeaders, RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ManualClock, RedoubtError } from '#foundation/core'
import { createCertificateAuthority, issueServerCertificate } from '#foundation/crypto'
import { NOW } from './alerts.fixtures.ts'
import { alertsConfig } from './config.ts'
import type { AlertMessage, AlertPlace } from './place.ts'
import { alertPlaces } from './places.ts'
import { type SmtpOptions, startSmtpServer } from './smtp-server.fixtures.ts'

const SECRET = Buffer.from('0123456789abcdef0123456789abcdef')
const OLD_SECRET = Buffer.from('an older secret of thirty bytes')
const secrets: Record<string, string> = {
  'env:NEW': `whsec_${SECRET.toString('base64')}`,
  'env:OLD': `whsec_${OLD_SECRET.toString('base64')}`,
  'env:SHORT': `whsec_${Buffer.alloc(8).toString('base64')}`,
  'env:BARE': SECRET.toString('base64'),
  'env:PASSWORD': 'hunter2',
}
const resolveSecret = (reference: string): string => {
  const value = secrets[reference]
  if (value === undefined) throw new RedoubtError('ERR_CONFIG_SECRET')
  return value
}
const folder = mkdtempSync(join(tmpdir(), 'redoubt-places-'))
const ca = join(folder, 'ca.pem')
const otherCa = join(folder, 'other-ca.pem')
let tls: { key: string; cert: string }
beforeAll(async () => {
  const authority = async (path: string) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pem = await createCertificateAuthority({
      privateKey,
      publicKey: createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
      commonName: 'Test CA',
      now: Date.now(),
    })
    writeFileSync(path, pem)
    return { privateKey, pem }
  }
  await authority(otherCa)
  const { privateKey, pem } = await authority(ca)
  const issued = await issueServerCertificate({
    authorityPem: pem,
    authorityKey: privateKey,
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
    spiffeId: 'spiffe://redoubt/test',
    now: Date.now(),
  })
  tls = { key: issued.privateKeyPem, cert: issued.certificatePem }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly protocol: string | null
}

async function receiver(
  options: { status?: number; plain?: boolean; server?: ServerOptions; headers?: Record<string, string>; silent?: boolean } = {},
) {
  const received: Received[] = []
  const listener: RequestListener = (request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const socket = request.socket as { getProtocol?(): string }
      received.push({ headers: request.headers, body: Buffer.concat(parts).toString('utf8'), protocol: socket.getProtocol?.() ?? null })
      if (options.silent !== true) response.writeHead(options.status ?? 204, options.headers).end()
    })
  }
  const server = options.plain === true ? createHttp(listener) : createServer({ ...tls, ...options.server }, listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(
    () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(resolve)
      }),
  )
  return { received, port: (server.address() as AddressInfo).port }
}

const clock = new ManualClock(NOW)
const message: AlertMessage = {
  id: 'msg_abc-critical-ops',
  body: JSON.stringify({
    type: 'alert.raise',
    timestamp: '2026-11-25T12:00:00.000Z',
    data: {
      id: 'alr_abc',
      kind: 'model.refused',
      severity: 'critical',
      summary: 'Model::credit is not what was signed — and is not served',
      subject: { type: 'Model', id: 'credit' },
      key: 'credit',
      details: { code: 'ERR_MODEL_SIGNATURE' },
      log: 'test/log',
      logIndex: 7,
    },
  }),
}
const place = (config: object): AlertPlace => alertPlaces(alertsConfig.parse(config), { resolveSecret, clock })[0]!
const webhook = (port: number, more: object = {}): AlertPlace =>
  place({ webhooks: [{ name: 'ops', url: `https://localhost:${port}/hook?team=1`, secret: 'env:NEW', ca, ...more }] })
const deliver = (to: AlertPlace): Promise<void> => to.deliver(message, new AbortController().signal)

/** Verifies as the specification tells a receiver to, without our code. */
function verifies({ headers, body }: Received, secret: Buffer, now: number): boolean {
  const timestamp = Number(headers['webhook-timestamp'])
  if (Math.abs(now / 1000 - timestamp) > 300) return false
  const expected = createHmac('sha256', secret)
    .update(Buffer.from(`${String(headers['webhook-id'])}.${timestamp}.${body}`))
    .digest()
  return String(headers['webhook-signature'])
    .split(' ')
    .map((each) => each.split(','))
    .some(([version, signature]) => {
      const bytes = Buffer.from(signature ?? '', 'base64')
      return version === 'v1' && bytes.byteLength === expected.byteLength && timingSafeEqual(bytes, expected)
    })
}

describe('a webhook', () => {
  it('arrives over TLS 1.3 with a signature that its receiver can verify (Standard Webhooks, A2)', async () => {
    const { received, port } = await receiver()
    await deliver(webhook(port))
    expect(received).toHaveLength(1)
    const [got] = received as [Received]
    expect(got.protocol).toBe('TLSv1.3')
    expect(got.body).toBe(message.body)
    expect(got.headers).toMatchObject({ 'webhook-id': message.id, 'content-type': 'application/json' })
    expect(verifies(got, SECRET, NOW)).toBe(true)
    expect(verifies(got, OLD_SECRET, NOW)).toBe(false)
    expect(verifies({ ...got, body: got.body.replace('7', '8') }, SECRET, NOW)).toBe(false)
    expect(verifies({ ...got, headers: { ...got.headers, 'webhook-timestamp': String(NOW / 1000 + 1) } }, SECRET, NOW)).toBe(false)
    expect(verifies({ ...got, headers: { ...got.headers, 'webhook-id': 'msg_other' } }, SECRET, NOW)).toBe(false)
  })

  it('signs the example of the specification as its libraries do', async () => {
    // From the vectors that the reference libraries share: secret, id, timestamp and body give this signature.
    const { received, port } = await receiver()
    secrets['env:VECTOR'] = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
    const vector = alertPlaces(
      alertsConfig.parse({ webhooks: [{ name: 'ops', url: `https://localhost:${port}/`, secret: 'env:VECTOR', ca }] }),
      { resolveSecret, clock: new ManualClock(1_614_265_330_000) },
    )[0]!
    await vector.deliver({ id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', body: '{"test": 2432232314}' }, new AbortController().signal)
    expect(received[0]?.headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  })

  it('is signed with the previous secret too while the receiver changes over', async () => {
    const { received, port } = await receiver()
    await deliver(webhook(port, { previousSecret: 'env:OLD' }))
    expect(received.map((each) => [verifies(each, SECRET, NOW), verifies(each, OLD_SECRET, NOW)])).toEqual([[true, true]])
  })

  it('is not sent to whom another authority vouches for, nor over TLS 1.2 (A2)', async () => {
    const modern = await receiver()
    await expect(deliver(webhook(modern.port, { ca: otherCa }))).rejects.toThrow()
    const old = await receiver({ server: { maxVersion: 'TLSv1.2' } })
    await expect(deliver(webhook(old.port))).rejects.toThrow()
    expect([...modern.received, ...old.received]).toEqual([])
  })

  it('has failed at any status but 2xx, and for good at 410; redirects are not followed', async () => {
    const target = await receiver()
    for (const status of [301, 307, 400, 404, 429, 500, 503]) {
      const { port } = await receiver({ status, headers: { location: `https://localhost:${target.port}/` } })
      await expect(deliver(webhook(port))).rejects.toMatchObject({ message: `status ${status}`, final: false })
    }
    const { port } = await receiver({ status: 410 })
    await expect(deliver(webhook(port))).rejects.toMatchObject({ final: true })
    expect(target.received).toEqual([])
  })

  it('ends when the server stops', async () => {
    const { received, port } = await receiver({ silent: true })
    const stop = new AbortController()
    const sending = webhook(port).deliver(message, stop.signal)
    while (received.length === 0) await new Promise((resolve) => setImmediate(resolve))
    stop.abort()
    await expect(sending).rejects.toThrow()
  })

  it('goes over plain http to this machine only, and only where that is allowed by name', async () => {
    const { received, port } = await receiver({ plain: true })
    for (const host of ['localhost', '127.0.0.1'])
      await deliver(place({ webhooks: [{ name: 'ops', url: `http://${host}:${port}/`, secret: 'env:NEW', allowLoopbackHttp: true }] }))
    expect(received).toHaveLength(2)
    const config = (change: object) => alertsConfig.safeParse({ webhooks: [{ name: 'ops', secret: 'env:NEW', ...change }] }).success
    expect(config({ url: 'https://example.org/hook' })).toBe(true)
    expect(config({ url: 'http://localhost:1/' })).toBe(false)
    for (const url of [
      'http://example.org/',
      'http://10.0.0.1/',
      'http://localhost.example.org/',
      'http://127.0.0.1.example.org/',
      'http://[::2]/',
    ])
      expect(config({ url, allowLoopbackHttp: true }), url).toBe(false)
    for (const url of ['ftp://example.org/', 'file:///etc/passwd', 'https://user:pass@example.org/', 'https://example.org/#x', 'nothing'])
      expect(config({ url }), url).toBe(false)
  })

  it('needs a secret of the form that the specification names, when the server starts', () => {
    for (const secret of ['env:SHORT', 'env:BARE', 'env:NONE'])
      expect(() => webhook(1, { secret }), secret).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_SECRET' }))
    expect(() => webhook(1, { ca: join(folder, 'none.pem') })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }))
    expect(alertsConfig.safeParse({ webhooks: [{ name: 'ops', url: 'https://example.org', secret: 'whsec_written-here' }] }).success).toBe(
      false,
    )
  })
})

describe('mail', () => {
  const server = async (options: Partial<SmtpOptions> = {}) => {
    const started = await startSmtpServer({ ...tls, ...options })
    closers.push(() => started.close())
    return started
  }
  const mail = (port: number, more: object = {}): AlertPlace =>
    place({
      mail: [
        {
          name: 'ops',
          host: 'localhost',
          port,
          from: 'redoubt@example.org',
          to: ['security@example.org', 'oncall@example.org'],
          ca,
          ...more,
        },
      ],
    })

  it('goes out by STARTTLS over TLS 1.3, with login, as one whole conversation (RFC 5321, RFC 3207)', async () => {
    const { port, mails, commands } = await server()
    await deliver(mail(port, { user: 'redoubt', password: 'env:PASSWORD' }))
    expect(mails).toMatchObject([
      {
        from: 'redoubt@example.org',
        to: ['security@example.org', 'oncall@example.org'],
        protocol: 'TLSv1.3',
        login: '\0redoubt\0hunter2',
      },
    ])
    // Nothing but the wish for TLS went in clear.
    expect(commands.slice(0, 2).map((line) => line.slice(0, 4))).toEqual(['EHLO', 'STAR'])
    const { text } = mails[0]!
    expect(text).toContain('Message-ID: <msg_abc-critical-ops@example.org>')
    expect(text).toMatch(/^Auto-Submitted: auto-generated$/im)
    expect(text).toMatch(/^Subject: /m)
    expect(text).toContain('redoubt alerts ack alr_abc')
    expect(text).toContain('test/log, entry 7')
  })

  it('goes out over TLS from the start', async () => {
    const { port, mails } = await server({ implicitTls: true })
    await deliver(mail(port, { security: 'tls' }))
    expect(mails).toMatchObject([{ protocol: 'TLSv1.3', login: null }])
  })

  it('does not go out when the server, or someone in between, offers no TLS 1.3 (A2)', async () => {
    const stripped = await server({ offersStartTls: false })
    await expect(deliver(mail(stripped.port, { user: 'redoubt', password: 'env:PASSWORD' }))).rejects.toThrow()
    const old = await server({ maxVersion: 'TLSv1.2' })
    await expect(deliver(mail(old.port))).rejects.toThrow()
    const foreign = await server()
    await expect(deliver(mail(foreign.port, { ca: otherCa }))).rejects.toThrow()
    for (const { mails, commands } of [stripped, old, foreign]) {
      expect(mails).toEqual([])
      expect(commands.filter((line) => /^(?:AUTH|MAIL|RCPT|DATA)/i.test(line))).toEqual([])
    }
  })

  it('goes out in clear to this machine only, and only where that is allowed by name', async () => {
    const { port, mails } = await server({ offersStartTls: false })
    await deliver(mail(port, { security: 'none', allowLoopbackPlain: true, ca: undefined }))
    expect(mails).toMatchObject([{ protocol: null }])
    const config = (change: object): boolean =>
      alertsConfig.safeParse({ mail: [{ name: 'ops', from: 'a@example.org', to: ['b@example.org'], ...change }] }).success
    expect(config({ host: 'mail.example.org' })).toBe(true)
    expect(config({ host: 'localhost', security: 'none' })).toBe(false)
    expect(config({ host: 'mail.example.org', security: 'none', allowLoopbackPlain: true })).toBe(false)
    expect(config({ host: 'mail.example.org', user: 'x' })).toBe(false)
    for (const from of ['a@example.org\r\nBcc: c@example.org', 'a@example.org, c@example.org', 'Someone <a@example.org>'])
      expect(config({ host: 'mail.example.org', from }), from).toBe(false)
  })

  it('tells of a failure by code, without the words of the server', async () => {
    const { port } = await server({ refusesMail: '554 no, officer@example.org' })
    const thrown = await deliver(mail(port)).catch((error: unknown) => error)
    expect((thrown as Error).message).toMatch(/^[A-Z]+ \(SMTP 554\)$/)
    const unreachable = await deliver(mail(1)).catch((error: unknown) => error)
    expect((unreachable as Error).message).toMatch(/^[A-Z]+$/)
  })

  it('has arrived when one of several recipients took it: the others would get it again and again', async () => {
    const { port, mails } = await server({ rejects: 'oncall@example.org' })
    await deliver(mail(port))
    expect(mails).toMatchObject([{ to: ['security@example.org'] }])
  })
})

it('two places have two names', () => {
  const hook = { name: 'ops', url: 'https://example.org', secret: 'env:NEW' }
  expect(alertsConfig.safeParse({ webhooks: [hook, hook] }).success).toBe(false)
  expect(alertsConfig.safeParse({ webhooks: [hook, { ...hook, name: 'other' }] }).success).toBe(true)
})
