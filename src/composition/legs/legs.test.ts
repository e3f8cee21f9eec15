import { generateKeyPairSync } from 'node:crypto'
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { createServer, type Server, type TlsOptions, TLSSocket, createSecureContext } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority, HYBRID_ONLY, issueServerCertificate, outboundTls, probeTls } from '#foundation/crypto'
import { createUpstreams, upstreamsSchema } from '#gateway/serving'
import { silentLogger } from '#foundation/telemetry'
import { configurationSchema } from '../configuration.ts'
import { inboundLegs, type Leg, outboundLegs } from './legs.ts'
import { probeLegs } from './probe-legs.ts'
import { endOf, heldLegs, refuseExceptions, strengthOf } from './strength.ts'

const NOW = Date.parse('2026-03-01T12:00:00Z')
const clock = { now: () => NOW, monotonic: () => 0 }
const closing: (() => void)[] = []
let ca = ''
let identity: { key: string; cert: string }

const HYBRID = { minVersion: 'TLSv1.3', ecdhCurve: 'X25519MLKEM768:X25519' } as const
const CLASSICAL = { minVersion: 'TLSv1.3', ecdhCurve: 'X25519' } as const
const OLD = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ecdhCurve: 'X25519:P-256' } as const
const BOTH = { minVersion: 'TLSv1.2', ecdhCurve: 'X25519MLKEM768:X25519:P-256' } as const

beforeAll(async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  // The certificates are checked against the machine's own time.
  const now = Date.now()
  ca = await createCertificateAuthority({ privateKey, publicKey, commonName: 'legs', now })
  const issued = await issueServerCertificate({
    authorityPem: ca,
    authorityKey: privateKey,
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
    spiffeId: 'spiffe://redoubt/test',
    now,
  })
  identity = { key: issued.privateKeyPem, cert: issued.certificatePem }
})
afterAll(() => closing.forEach((close) => close()))

async function listen(options: TlsOptions, heard: (bytes: Buffer) => void = () => undefined): Promise<number> {
  const server: Server = createServer({ ...identity, ...options }, (socket) => socket.on('data', heard).on('error', () => undefined))
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close())
  return (server.address() as AddressInfo).port
}

/** A mail server up to STARTTLS. */
async function mailServer(answers: readonly string[], options: TlsOptions): Promise<number> {
  const server = createTcpServer((socket: Socket) => {
    const left = [...answers]
    socket.write(left.shift() ?? '')
    socket.on('error', () => undefined)
    socket.on('data', () => {
      const answer = left.shift()
      if (answer === undefined) return
      socket.write(answer)
      if (left.length > 0) return
      socket.removeAllListeners('data')
      new TLSSocket(socket, { isServer: true, secureContext: createSecureContext({ ...identity, ...options }), ...options }).on(
        'error',
        () => undefined,
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close())
  return (server.address() as AddressInfo).port
}

const leg = (name: string, port: number, more: Partial<Leg> = {}): Leg => ({
  name,
  direction: 'out',
  host: '127.0.0.1',
  port,
  servername: 'localhost',
  transport: 'tls',
  ca,
  ...more,
})
const configured = (exceptions: readonly object[] = [], profile = 'production') =>
  configurationSchema.parse({ profile, legs: { exceptions } })
const exception = (of: string, allow: string, until = '2026-06-30') => ({ leg: of, allow, until, reason: 'their gateway is old' })
const verdicts = async (legs: readonly Leg[], exceptions: readonly object[] = []) =>
  Object.fromEntries((await probeLegs(legs, configured(exceptions), clock)).map((report) => [report.leg, report.verdict]))

describe('what protects each leg (A2)', () => {
  it('tells hybrid, classical, old and absent protection apart, by handshakes', async () => {
    const legs = [
      leg('upstream/hybrid', await listen(HYBRID)),
      leg('upstream/classical', await listen(CLASSICAL)),
      leg('upstream/old', await listen(OLD)),
      leg('upstream/plain', 1, { transport: 'plain' }),
      leg('upstream/gone', 1),
      leg('upstream/stranger', await listen(HYBRID), { servername: 'elsewhere.example' }),
    ]
    expect(await verdicts(legs)).toEqual({
      'upstream/hybrid': 'protected',
      'upstream/classical': 'weak',
      'upstream/old': 'weak',
      'upstream/plain': 'local',
      'upstream/gone': 'unknown',
      'upstream/stranger': 'unknown',
    })
    const [seen] = await probeLegs(legs.slice(0, 1), configured(), clock)
    expect(seen).toMatchObject({ protocol: 'TLSv1.3', group: 'X25519MLKEM768', exception: null, detail: '' })
    expect(seen!.certificateNotAfter).toBeGreaterThan(Date.now())
  })

  it('sends nothing over a leg that it probes', async () => {
    const heard: Buffer[] = []
    await probeLegs([leg('upstream/hybrid', await listen(HYBRID, (bytes) => heard.push(bytes)))], configured(), clock)
    expect(heard).toEqual([])
  })

  it('calls weaker legs excepted only as far as an exception in force allows', async () => {
    const legs = [leg('upstream/classical', await listen(CLASSICAL)), leg('upstream/old', await listen(OLD))]
    expect(await verdicts(legs, [exception('upstream/classical', 'classical'), exception('upstream/old', 'classical')])).toEqual({
      'upstream/classical': 'excepted',
      'upstream/old': 'weak',
    })
    expect(await verdicts(legs, [exception('upstream/classical', 'tls1.2'), exception('upstream/old', 'tls1.2')])).toEqual({
      'upstream/classical': 'excepted',
      'upstream/old': 'excepted',
    })
    expect(await verdicts(legs, [exception('upstream/classical', 'classical', '2026-02-28')])).toMatchObject({
      'upstream/classical': 'weak',
    })
  })

  it('sees that a door of our own takes TLS 1.2', async () => {
    const doors = inboundLegs({ port: await listen(BOTH), grpcPort: await listen(HYBRID), address: '0.0.0.0', servername: 'localhost', ca })
    const reports = await probeLegs(
      doors.map((door) => ({ ...door, host: '127.0.0.1' })),
      configured(),
      clock,
    )
    expect(reports.map(({ leg: name, verdict, refusesOlder }) => [name, verdict, refusesOlder])).toEqual([
      ['listener', 'weak', false],
      ['grpc', 'protected', true],
    ])
  })

  it('speaks STARTTLS to mail servers, and tells why one does not', async () => {
    const offers = ['220 mail\r\n', '250-mail\r\n250 STARTTLS\r\n', '220 go ahead\r\n']
    const legs = [
      leg('mail/good', await mailServer(offers, HYBRID), { transport: 'starttls' }),
      leg('mail/classical', await mailServer(offers, CLASSICAL), { transport: 'starttls' }),
      leg('mail/bare', await mailServer(['220 mail\r\n', '250 mail\r\n', ''], HYBRID), { transport: 'starttls' }),
      leg('mail/full', await mailServer(['421 busy\r\n'], HYBRID), { transport: 'starttls' }),
      leg('mail/endless', await mailServer([`220-${'x'.repeat(20_000)}`], HYBRID), { transport: 'starttls' }),
    ]
    const reports = await probeLegs(legs, configured(), clock)
    expect(reports.map(({ verdict, detail }) => [verdict, detail])).toEqual([
      ['protected', ''],
      ['weak', 'no post-quantum hybrid'],
      ['unknown', 'the mail server offers no STARTTLS'],
      ['unknown', 'the mail server answers 421'],
      ['unknown', 'the mail server says too much'],
    ])
  })
})

describe('what legs are held to (A2)', () => {
  it('holds a connection to the hybrid in production, to less only by an exception and until its last day', () => {
    const held = configured([exception('upstream/a', 'classical', '2026-03-01')])
    expect(strengthOf('upstream/a', held, NOW).strength).toBe('classical')
    expect(strengthOf('upstream/b', held, NOW).strength).toBe('hybrid')
    const end = endOf(held.legs.exceptions[0]!)
    expect(strengthOf('upstream/a', held, end - 1).strength).toBe('classical')
    expect(strengthOf('upstream/a', held, end).strength).toBe('hybrid')
    expect(strengthOf('upstream/b', configured([], 'development'), NOW).strength).toBe('classical')
  })

  it('makes no connection that is weaker than it is held to', async () => {
    const [classical, old] = [await listen(CLASSICAL), await listen(OLD)]
    const shake = (port: number, options: object) => probeTls({ host: '127.0.0.1', port, servername: 'localhost', ca, ...options })
    expect(await shake(classical, HYBRID_ONLY('x'))).toBeTypeOf('string')
    expect(await shake(old, outboundTls('classical'))).toBeTypeOf('string')
    expect(await shake(classical, outboundTls('classical'))).toMatchObject({ protocol: 'TLSv1.3', group: 'X25519' })
    expect(await shake(old, outboundTls('tls1.2'))).toMatchObject({ protocol: 'TLSv1.2' })
  })

  it('refuses an upstream without the hybrid before anything is sent, once its exception has ended', async () => {
    const heard: Buffer[] = []
    const port = await listen(CLASSICAL, (bytes) => heard.push(bytes))
    let now = NOW
    const held = configured([exception('upstream/a', 'classical', '2026-03-01')])
    const upstreams = createUpstreams({
      config: upstreamsSchema.parse({
        upstreams: { a: { baseUrl: `https://localhost:${port}/v1`, ca: 'file:ca', retries: 0, headersTimeoutMs: 2_000 } },
        models: { m: { upstream: 'a', model: 'm' } },
      }),
      resolveSecret: () => '',
      resolveTrusted: () => ca,
      clock,
      logger: silentLogger,
      tls: heldLegs(held, { now: () => now }),
    })
    closing.push(() => void upstreams.close())
    now = endOf(held.legs.exceptions[0]!)
    expect((await upstreams.probe())[0]).toMatchObject({ reachable: false })
    expect(heard).toEqual([])
    now = NOW
    const probing = upstreams.probe()
    await expect.poll(() => heard.length, { timeout: 5_000 }).toBeGreaterThan(0)
    await upstreams.close()
    await probing
  })

  it('takes no exception for a leg that there is not, for ever, or twice', () => {
    const names = new Set(['upstream/a'])
    expect(() => refuseExceptions(configured([exception('upstream/a', 'classical')]), names, NOW)).not.toThrow()
    expect(() => refuseExceptions(configured([exception('upstream/b', 'classical')]), names, NOW)).toThrow('there is no `upstream/b`')
    expect(() => refuseExceptions(configured([exception('upstream/a', 'classical', '2027-03-05')]), names, NOW)).toThrow('may last a year')
    expect(() => configured([exception('upstream/a', 'classical'), exception('upstream/a', 'tls1.2')])).toThrow('another exception')
    expect(() => configured([exception('listener', 'classical')])).toThrow()
    expect(() => configured([{ ...exception('upstream/a', 'classical'), reason: '' }])).toThrow()
  })

  it('lists every connection that the configuration makes', () => {
    const configuration = configurationSchema.parse({
      keys: { provider: { kind: 'transit', url: 'https://vault.example:8200', token: 'env:T' } },
      audit: { witnesses: [{ url: 'https://witness.example/log', verifierKeys: ['w+00000000+AA'] }] },
      alerts: {
        webhooks: [{ name: 'pager', url: 'https://pager.example/hook', secret: 'env:X' }],
        mail: [
          { name: 'desk', host: 'mail.example', from: 'a@b.example', to: ['c@d.example'] },
          { name: 'here', host: '127.0.0.1', security: 'none', allowLoopbackPlain: true, from: 'a@b.example', to: ['c@d.example'] },
        ],
      },
      chat: {
        upstreams: { vendor: { baseUrl: 'https://api.example/v1' }, near: { baseUrl: 'http://[::1]:9/v1', allowLoopbackHttp: true } },
      },
    })
    const legs = outboundLegs(configuration, configuration.chat.upstreams, () => '')
    expect(legs.map(({ name, host, port, transport }) => `${name} ${host} ${port} ${transport}`)).toEqual([
      'upstream/vendor api.example 443 tls',
      'upstream/near ::1 9 plain',
      'keys/transit vault.example 8200 tls',
      'witness/witness.example witness.example 443 tls',
      'webhook/pager pager.example 443 tls',
      'mail/desk mail.example 587 starttls',
      'mail/here 127.0.0.1 587 plain',
    ])
  })
})
