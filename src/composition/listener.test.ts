import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import { testCertificates } from './certificates.fixtures.ts'
import type { Certificates } from './certificates.ts'
import { listen, type Listener, LISTENER_BOUNDS, type ListenerBounds } from './listener.ts'

const QUICK: ListenerBounds = {
  ...LISTENER_BOUNDS,
  handshakeTimeoutMs: 200,
  headersTimeoutMs: 200,
  requestTimeoutMs: 400,
  checkIntervalMs: 50,
}
/** Ten times the bounds above: the machine may be busy, an unbounded listener would take for ever. */
const SOON_MS = 5_000

describe('the listener', () => {
  let certificates: Certificates
  let listener: Listener | null = null

  beforeAll(async () => {
    certificates = await testCertificates()
  })
  afterEach(async () => {
    await listener?.close(0, () => undefined)
    listener = null
  })

  async function start(
    bounds: ListenerBounds = QUICK,
    handle: (request: IncomingMessage, response: ServerResponse) => void = (request, response) => {
      request.resume().on('end', () => response.end('answered'))
    },
  ): Promise<Listener> {
    listener = await listen({
      address: '127.0.0.1',
      port: 0,
      certificates,
      clock: systemClock,
      logger: silentLogger,
      bounds,
      handle,
    })
    return listener
  }

  const secure = ({ port }: Listener): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const socket = connectTls({ host: '127.0.0.1', port, servername: 'localhost', ca: certificates.authorityPem }, () => resolve(socket))
      socket.once('error', reject)
    })

  /** Everything received until the other side closed. */
  const untilClosed = (socket: Socket): Promise<string> =>
    new Promise((resolve, reject) => {
      let received = ''
      const timer = setTimeout(() => reject(new Error(`still open after ${SOON_MS} ms`)), SOON_MS)
      socket.on('data', (data) => (received += data.toString()))
      socket.on('error', () => undefined)
      socket.on('close', () => {
        clearTimeout(timer)
        resolve(received)
      })
    })

  it('closes a connection that begins no TLS session in time (A2)', async () => {
    expect(await untilClosed(connect((await start()).port, '127.0.0.1'))).toBe('')
  })

  it.each([
    ['says nothing', ''],
    ['sends headers that never end', 'POST / HTTP/1.1\r\nhost: localhost\r\nx: '],
    ['sends a body that never ends', 'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nabc'],
  ])('answers a client that %s with 408', async (_what, bytes) => {
    const socket = await secure(await start())
    socket.write(bytes)
    expect(await untilClosed(socket)).toMatch(/^(HTTP\/1\.1 408 |$)/)
  })

  it('answers headers beyond the bound with 431 and what is no HTTP with 400', async () => {
    const running = await start(LISTENER_BOUNDS)
    const huge = await secure(running)
    huge.write(`GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'a'.repeat(LISTENER_BOUNDS.maxHeaderBytes)}\r\n\r\n`)
    expect(await untilClosed(huge)).toMatch(/^HTTP\/1\.1 431 /)
    const garbage = await secure(running)
    garbage.write('no HTTP\r\n\r\n')
    expect(await untilClosed(garbage)).toMatch(/^HTTP\/1\.1 400 /)
  })

  it('puts no second status line into an answer that has begun', async () => {
    const running = await start(LISTENER_BOUNDS, (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: first\n\n')
    })
    const socket = await secure(running)
    socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
    const all = untilClosed(socket)
    await new Promise((resolve) => socket.once('data', resolve))
    socket.write('\0 no HTTP\r\n\r\n')
    expect((await all).match(/HTTP\/1\.1/g)).toEqual(['HTTP/1.1'])
  })

  it('takes no more connections than the bound', async () => {
    const running = await start({ ...LISTENER_BOUNDS, maxConnections: 1 })
    const first = await secure(running)
    expect(await untilClosed(connect(running.port, '127.0.0.1'))).toBe('')
    first.write('GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
    expect(await untilClosed(first)).toContain('answered')
  })

  it('closes at once with a connection that begins no TLS session, and with an idle one', async () => {
    const running = await start(LISTENER_BOUNDS)
    const closed = untilClosed(connect(running.port, '127.0.0.1'))
    const idle = untilClosed(await secure(running))
    await running.close(60_000, () => undefined)
    expect(await Promise.all([closed, idle])).toEqual(['', ''])
  })

  it('when it closes, lets what runs finish, cuts the rest, takes nobody new, and may be closed twice', async () => {
    let waiting: ServerResponse | null = null
    const running = await start(LISTENER_BOUNDS, (request, response) => {
      if (request.url === '/short') setTimeout(() => response.end('in time'), 100)
      else {
        response.write('begun ')
        waiting = response
      }
    })
    const short = await secure(running)
    const long = await secure(running)
    const idle = await secure(running)
    const answers = [short, long, idle].map(untilClosed)
    short.write('GET /short HTTP/1.1\r\nhost: localhost\r\n\r\n')
    long.write('GET /long HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await new Promise((resolve) => long.once('data', resolve))
    const closing = running.close(1_500, () => waiting?.end('cut'))
    expect(running.close(0, () => undefined)).toBe(closing)
    await expect(secure(running)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await closing
    const [first, second, third] = await Promise.all(answers)
    expect(first).toContain('in time')
    expect(second).toContain('begun')
    expect(second).toContain('cut')
    expect(third).toBe('')
  })
})
