import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Clock } from '#foundation/core'
import { TLS_OPTIONS } from '#foundation/crypto'
import { RedoubtError } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import { renewCertificate } from './certificate-renewal.ts'
import type { Certificates } from './certificates.ts'
import { linger, type LingerBounds } from './linger.ts'

/** What a caller may cost before anyone knows who it is. */
export interface ListenerBounds extends LingerBounds {
  /** TCP connection to TLS session. */
  readonly handshakeTimeoutMs: number
  /** First byte of a request, or beginning of the connection, to the end of the headers. */
  readonly headersTimeoutMs: number
  /** To the end of the body; surfaces with small bodies allow less. */
  readonly requestTimeoutMs: number
  /** How long a caller may leave bytes of its answer unread. */
  readonly stalledMs: number
  /** How often the two times above are looked at. */
  readonly checkIntervalMs: number
  readonly keepAliveMs: number
  readonly maxHeaderBytes: number
  /** More connections at once are closed unheard. */
  readonly maxConnections: number
}

export const LISTENER_BOUNDS: ListenerBounds = {
  handshakeTimeoutMs: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 300_000,
  stalledMs: 60_000,
  lingerBytes: 64 * 1024 * 1024,
  lingerMs: 30_000,
  checkIntervalMs: 2_000,
  keepAliveMs: 60_000,
  maxHeaderBytes: 16 * 1024,
  maxConnections: 10_000,
}

export interface Listener {
  readonly port: number
  /** Epoch milliseconds when the certificate in use ends. */
  certificateNotAfter(): number
  /** Stops accepting, lets what runs go on for at most `drainMs`, asks `cut` to end the rest, then closes. */
  close(drainMs: number, cut: () => void): Promise<void>
}

/** The TLS 1.3 listener (A2): every request, whatever its source, goes through `handle`. */
export async function listen(options: {
  readonly address: string
  readonly port: number
  readonly certificates: Certificates
  readonly clock: Clock
  readonly logger: Logger
  readonly bounds?: ListenerBounds
  handle(request: IncomingMessage, response: ServerResponse): void
}): Promise<Listener> {
  const certificate = await options.certificates.issue()
  const bounds = options.bounds ?? LISTENER_BOUNDS
  let closing: Promise<void> | null = null
  const answering = new WeakMap<Duplex, ServerResponse>()
  const sessions = new WeakSet<Duplex>()
  const connections = new Connections()
  const server = createServer(
    {
      ...TLS_OPTIONS,
      key: certificate.privateKeyPem,
      cert: certificate.certificatePem,
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: bounds.handshakeTimeoutMs,
      maxHeaderSize: bounds.maxHeaderBytes,
      keepAliveTimeout: bounds.keepAliveMs,
      headersTimeout: bounds.headersTimeoutMs,
      requestTimeout: bounds.requestTimeoutMs,
      connectionsCheckingInterval: bounds.checkIntervalMs,
      insecureHTTPParser: false,
      requireHostHeader: false,
      // A certificate is asked for and never demanded: whoever signed it, it says only that the other end holds its key. Identity compares
      // its thumbprint with what a token or an account names (RFC 8705).
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => {
      if (closing !== null) response.setHeader('connection', 'close')
      const { socket } = request
      answering.set(socket, response)
      // A caller that reads nothing would hold its connection, and what is buffered for it, for as long as it likes; a slow model may.
      response.setTimeout(bounds.stalledMs, () => {
        if (socket.writableLength > 0) socket.destroy()
      })
      response.once('close', () => answering.delete(socket))
      response.once('finish', () => linger(request, bounds))
      options.handle(request, response)
    },
  )
  server.maxConnections = bounds.maxConnections
  server.on('tlsClientError', (error) => options.logger.debug({ code: (error as NodeJS.ErrnoException).code }, 'TLS handshake refused'))
  server.on('connection', (socket: Socket) => connections.add(socket))
  server.on('secureConnection', (socket: TLSSocket) => {
    sessions.add(socket)
    connections.secured(socket)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // Before there is a session nothing can be said, and what is said would wait for one for ever; in the middle of an answer a
    // second status line would be read as part of it.
    if (!socket.writable || !sessions.has(socket) || answering.get(socket)?.headersSent === true) socket.destroy()
    else socket.end(`HTTP/1.1 ${statusOf(error.code)}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => socket.destroy())
  })

  const renewal = renewCertificate(server, certificate, options)

  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        new RedoubtError(
          'ERR_CONFIG_INVALID',
          `cannot listen on ${options.address}:${options.port} (${cause.code ?? 'unknown error'}); choose another \`--port\``,
          { cause },
        ),
      ),
    )
    server.listen(options.port, options.address, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    certificateNotAfter: () => renewal.present().notAfter,
    close(drainMs, cut) {
      renewal.stop()
      closing ??= drain(server, connections, drainMs, cut)
      return closing
    },
  }
}

/** What never became a request has no surface to answer in; the status alone says what was wrong. */
function statusOf(code: string | undefined): string {
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return '408 Request Timeout'
  return '400 Bad Request'
}

/** Node's own list of connections begins with the TLS session: one that never begins it would keep a server from ending. */
class Connections {
  readonly #all = new Set<Socket>()
  readonly #handshaking = new Map<string, Socket>()

  add(socket: Socket): void {
    const name = nameOf(socket)
    this.#all.add(socket)
    this.#handshaking.set(name, socket)
    socket.once('close', () => {
      this.#all.delete(socket)
      if (this.#handshaking.get(name) === socket) this.#handshaking.delete(name)
    })
  }

  secured(socket: Socket): void {
    this.#handshaking.delete(nameOf(socket))
  }

  closeHandshaking(): void {
    for (const socket of this.#handshaking.values()) socket.destroy()
  }

  closeAll(): void {
    for (const socket of this.#all) socket.destroy()
  }
}

/** The other end: the same for a TCP connection and the TLS session on it. */
const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`

function drain(server: Server, connections: Connections, drainMs: number, cut: () => void): Promise<void> {
  return new Promise((resolve) => {
    // Streams are cut a little before the end, so that their closing events still leave.
    const soft = setTimeout(cut, Math.max(0, drainMs - 1_000))
    const hard = setTimeout(() => connections.closeAll(), drainMs)
    server.close(() => {
      clearTimeout(soft)
      clearTimeout(hard)
      resolve()
    })
    server.closeIdleConnections()
    connections.closeHandshaking()
  })
}
