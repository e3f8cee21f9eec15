import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, type TLSSocket } from 'node:tls'
import { afterEach, expect, it } from 'vitest'
import { systemClock } from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import { testCertificates } from './certificates.fixtures.ts'
import { type Listener, listen, LISTENER_BOUNDS } from './listener.ts'

const certificates = await testCertificates()
const STALLED_MS = 200

let listener: Listener | null = null
afterEach(() => listener?.close(0, () => undefined))

async function open(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<TLSSocket> {
  listener = await listen({
    address: '127.0.0.1',
    port: 0,
    certificates,
    clock: systemClock,
    logger: silentLogger,
    bounds: { ...LISTENER_BOUNDS, stalledMs: STALLED_MS },
    handle,
  })
  const { port } = listener
  const socket = await new Promise<TLSSocket>((resolve, reject) => {
    const opened = connect({ host: '127.0.0.1', port, ca: certificates.authorityPem, servername: 'localhost' }, () => resolve(opened))
    opened.once('error', reject)
  })
  socket.on('error', () => undefined)
  socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
  return socket
}

it('lets go of a caller that leaves its answer unread', async () => {
  const piece = Buffer.alloc(64 * 1024)
  const closed = Promise.withResolvers<number>()
  const began = performance.now()
  const socket = await open((_request, response) => {
    response.once('close', () => closed.resolve(performance.now() - began))
    const more = (): void => {
      while (response.write(piece));
      response.once('drain', more)
    }
    more()
  })
  socket.pause()
  expect(await closed.promise).toBeLessThan(10_000)
  socket.destroy()
})

it('waits for an answer that takes its time', async () => {
  const socket = await open((_request, response) => {
    setTimeout(() => response.end('at last'), 4 * STALLED_MS)
  })
  let text = ''
  await new Promise<void>((resolve) => {
    socket.on('data', (part: Buffer) => {
      text += part.toString()
      if (text.includes('at last')) resolve()
    })
    socket.once('close', () => resolve())
  })
  expect(text).toContain('at last')
  socket.destroy()
})
