import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, type TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import { testCertificates } from './certificates.fixtures.ts'
import { type Listener, listen, LISTENER_BOUNDS } from './listener.ts'

const certificates = await testCertificates()
const MIB = 1024 * 1024
const PIECE = Buffer.alloc(64 * 1024)
const head = (announced: number): string => `POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${announced}\r\n\r\n`
const refuse = (_request: IncomingMessage, response: ServerResponse): void => void response.writeHead(401).end('refused')

let listener: Listener | null = null
afterEach(() => listener?.close(0, () => undefined))

async function open(
  handle: (request: IncomingMessage, response: ServerResponse) => unknown,
  bounds: Partial<typeof LISTENER_BOUNDS> = {},
): Promise<TLSSocket> {
  listener = await listen({
    address: '127.0.0.1',
    port: 0,
    certificates,
    clock: systemClock,
    logger: silentLogger,
    bounds: { ...LISTENER_BOUNDS, ...bounds },
    handle: (request, response) => void handle(request, response),
  })
  const { port } = listener
  const socket = await new Promise<TLSSocket>((resolve, reject) => {
    const opened = connect({ host: '127.0.0.1', port, ca: certificates.authorityPem, servername: 'localhost' }, () => resolve(opened))
    opened.once('error', reject)
  })
  return socket.on('error', () => undefined)
}

/** Sends at most so many bytes, and stops when the other side closes. @returns how many were taken. */
async function send(socket: TLSSocket, bytes: number): Promise<number> {
  let sent = 0
  const closed = new Promise<boolean>((resolve) => socket.once('close', () => resolve(false)))
  while (sent < bytes && !socket.destroyed) {
    const taken = new Promise<boolean>((resolve) => socket.write(PIECE, (error) => resolve(!error)))
    if (!(await Promise.race([taken, closed]))) break
    sent += PIECE.byteLength
  }
  return sent
}

const heard = (socket: TLSSocket): { text: string } => {
  const all = { text: '' }
  socket.on('data', (part: Buffer) => (all.text += part.toString())).resume()
  return all
}

describe('a body whose caller was refused before its end (RFC 9112 §9.6)', () => {
  it('is not read for ever', async () => {
    const socket = await open(refuse, { lingerBytes: MIB })
    const answer = heard(socket)
    socket.write(head(2 ** 40))
    // Far more than what is counted between two looks, and than what lies in buffers on the way.
    expect(await send(socket, 4_096 * MIB)).toBeLessThan(4_096 * MIB)
    expect(answer.text).toMatch(/^HTTP\/1\.1 401 [^]*refused/)
  })

  it('is not waited for, when nothing more comes', async () => {
    const socket = await open(refuse, { lingerMs: 200 })
    const answer = heard(socket)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(head(10))
    await closed
    expect(answer.text).toContain('refused')
  })

  it('is read to its end within the bounds: a caller that writes first and reads then hears the answer, and may go on', async () => {
    const socket = await open(refuse)
    socket.pause()
    socket.write(head(8 * MIB))
    expect(await send(socket, 8 * MIB)).toBe(8 * MIB)
    const answers = heard(socket)
    socket.write('GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
    await new Promise((resolve) => socket.once('close', resolve))
    expect(answers.text.match(/HTTP\/1\.1 401/g)).toHaveLength(2)
  })

  it('is read on where a reader gave up in its middle', async () => {
    const socket = await open(async (request, response) => {
      const pieces = request[Symbol.asyncIterator]()
      await pieces.next()
      response.writeHead(413).end('refused')
    })
    socket.pause()
    socket.write(head(8 * MIB))
    expect(await send(socket, 8 * MIB)).toBe(8 * MIB)
    const answers = heard(socket)
    socket.write('GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
    await new Promise((resolve) => socket.once('data', resolve))
    expect(answers.text).toMatch(/^HTTP\/1\.1 413 /)
    socket.destroy()
  })

  it('that is no HTTP any more is answered with 400 where no answer has begun', async () => {
    const socket = await open((request) => void request.resume())
    const answer = heard(socket)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write('POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nno chunk\r\n')
    await closed
    expect(answer.text).toMatch(/^HTTP\/1\.1 400 /)
  })
})
