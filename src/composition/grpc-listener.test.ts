import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import { testCertificates } from './certificates.fixtures.ts'
import type { Certificates } from './certificates.ts'
import { type GrpcListener, listenGrpc } from './grpc-listener.ts'

/** The machine may be busy; what is not bounded would take for ever. */
const SOON_MS = 5_000
const DRAIN_MS = 300

describe('the listener for gRPC', () => {
  let certificates: Certificates
  let listener: GrpcListener | null = null
  let peers: (TLSSocket | null)[] = []
  /** Calls that wait for the test to answer them. */
  let waiting: (() => void)[] = []

  beforeAll(async () => {
    certificates = await testCertificates()
  })
  afterEach(async () => {
    await listener?.close(0)
    listener = null
    peers = []
    waiting = []
  })

  const start = async (port = 0): Promise<GrpcListener> =>
    listenGrpc({ address: '127.0.0.1', port, certificates, clock: systemClock, logger: silentLogger }, (connectionOf) => ({
      serverOptions: {},
      addTo: (server) =>
        server.addService(
          {
            Wait: {
              path: '/test.Test/Wait',
              requestStream: false,
              responseStream: false,
              requestSerialize: (bytes: Buffer) => bytes,
              requestDeserialize: (bytes: Buffer) => bytes,
              responseSerialize: (bytes: Buffer) => bytes,
              responseDeserialize: (bytes: Buffer) => bytes,
            },
          },
          {
            Wait(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) {
              peers.push(connectionOf(call.getPeer()))
              waiting.push(() => callback(null, Buffer.from('answered')))
            },
          },
        ),
    }))

  /** One call on a connection of its own; resolves with the status of the call, or `broken`. */
  const call = (port: number): Promise<string> =>
    new Promise((resolve) => {
      const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: certificates.authorityPem, servername: 'localhost' })
      session.on('error', () => resolve('broken'))
      const stream = session.request({ ':method': 'POST', ':path': '/test.Test/Wait', 'content-type': 'application/grpc', te: 'trailers' })
      stream.on('trailers', ({ 'grpc-status': status }) => resolve(String(status)))
      stream.on('error', () => resolve('broken')).on('close', () => session.close())
      stream.resume().end(Buffer.from([0, 0, 0, 0, 0]))
    })
  const until = async (holds: () => boolean): Promise<void> => {
    const started = systemClock.monotonic()
    while (!holds() && systemClock.monotonic() - started < SOON_MS) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  it('knows the connection of a call by its peer, for tokens that are bound to a certificate (B5)', async () => {
    listener = await start()
    const answered = call(listener.port)
    await until(() => waiting.length === 1)
    expect(peers[0]?.getProtocol()).toBe('TLSv1.3')
    waiting[0]?.()
    expect(await answered).toBe('0')
  })

  it('closes a connection that speaks no HTTP/2', async () => {
    listener = await start()
    const socket = connectTls({
      host: '127.0.0.1',
      port: listener.port,
      servername: 'localhost',
      ca: certificates.authorityPem,
      ALPNProtocols: ['http/1.1'],
    })
    const ended = await new Promise<string>((resolve) => {
      socket.once('error', () => resolve('closed')).once('close', () => resolve('closed'))
      socket.once('secureConnect', () => socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'))
      socket.once('data', (data: Buffer) => resolve(data.toString()))
    })
    expect(ended).toBe('closed')
  })

  it('says which port it could not have', async () => {
    listener = await start()
    await expect(start(listener.port)).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining('--grpc-port'),
    })
  })

  it('lets what runs end, and takes nothing new (E3)', async () => {
    listener = await start()
    const { port } = listener
    const running = call(port)
    await until(() => waiting.length === 1)
    const closed = listener.close(SOON_MS)
    expect(await call(port)).toBe('broken')
    waiting[0]?.()
    expect(await running).toBe('0')
    await closed
  })

  it('ends in time whoever holds it: a call without end, an idle connection, a handshake that never begins', async () => {
    listener = await start()
    const { port } = listener
    void call(port)
    await until(() => waiting.length === 1)
    const silent: Socket = connect({ host: '127.0.0.1', port })
    silent.on('error', () => undefined)
    await new Promise((resolve) => silent.once('connect', resolve))
    const idle = connectHttp2(`https://127.0.0.1:${port}`, { ca: certificates.authorityPem, servername: 'localhost' })
    idle.on('error', () => undefined)
    await new Promise((resolve) => idle.once('connect', resolve))
    const before = systemClock.monotonic()
    await listener.close(DRAIN_MS)
    expect(systemClock.monotonic() - before).toBeLessThan(SOON_MS)
    silent.destroy()
    idle.destroy()
  })
})
