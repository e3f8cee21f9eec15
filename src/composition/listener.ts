import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Clock } from '#foundation/core'
import { TLS_OPTIONS } from '#foundation/crypto'
import { RedoubtError } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import type { Certificates } from './certificates.ts'

const KEEP_ALIVE_MS = 60_000
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 300_000
const MAX_HEADER_BYTES = 16 * 1024
const MAX_CONNECTIONS = 10_000
const RENEWAL_CHECK_MS = 60_000
/** What a request that could not be parsed is answered with, by Node's own code; 400 for all others. */
const UNPARSED: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
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
  handle(request: IncomingMessage, response: ServerResponse): void
}): Promise<Listener> {
  let certificate = await options.certificates.issue()
  let draining = false
  const server = createServer(
    {
      ...TLS_OPTIONS,
      key: certificate.privateKeyPem,
      cert: certificate.certificatePem,
      ALPNProtocols: ['http/1.1'],
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      insecureHTTPParser: false,
      requireHostHeader: false,
    },
    (request, response) => {
      if (draining) response.setHeader('connection', 'close')
      options.handle(request, response)
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  server.on('tlsClientError', (error) => options.logger.debug({ code: (error as NodeJS.ErrnoException).code }, 'TLS handshake refused'))
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const status = UNPARSED[error.code ?? ''] ?? '400 Bad Request'
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
  })

  // Renewed at two thirds of its life; connections that exist keep theirs, so no request is dropped.
  const renewal = setInterval(() => {
    if (options.clock.now() < certificate.renewAt) return
    options.certificates.issue().then(
      (fresh) => {
        certificate = fresh
        server.setSecureContext({ ...TLS_OPTIONS, key: fresh.privateKeyPem, cert: fresh.certificatePem })
      },
      (error: unknown) => options.logger.error({ err: error }, 'the server certificate could not be renewed'),
    )
  }, RENEWAL_CHECK_MS)
  renewal.unref()

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
    certificateNotAfter: () => certificate.notAfter,
    async close(drainMs, cut) {
      draining = true
      clearInterval(renewal)
      await drain(server, drainMs, cut)
    },
  }
}

function drain(server: Server, drainMs: number, cut: () => void): Promise<void> {
  return new Promise((resolve) => {
    // Streams are cut a little before the end, so that their closing events still leave.
    const soft = setTimeout(cut, Math.max(0, drainMs - 1_000))
    const hard = setTimeout(() => server.closeAllConnections(), drainMs)
    server.close(() => {
      clearTimeout(soft)
      clearTimeout(hard)
      resolve()
    })
    server.closeIdleConnections()
  })
}
