import type { AddressInfo, Socket } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js'
import { type Clock, RedoubtError } from '#foundation/core'
import { TLS_OPTIONS } from '#foundation/crypto'
import type { Logger } from '#foundation/telemetry'
import type { InferenceService } from '#gateway/routes'
import { renewCertificate } from './certificate-renewal.ts'
import type { Certificates } from './certificates.ts'
import { LISTENER_BOUNDS } from './listener.ts'

export interface GrpcListener {
  readonly port: number
  /** Stops accepting, lets what runs go on for at most `drainMs`, then closes. */
  close(drainMs: number): Promise<void>
}

export interface GrpcListenerOptions {
  readonly address: string
  readonly port: number
  readonly certificates: Certificates
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * The TLS 1.3 listener for gRPC (A2). The library's own would accept TLS 1.2 and tell nothing of a client's certificate, so connections are
 * made here, as those of the other listener are, and handed over.
 */
export async function listenGrpc(
  options: GrpcListenerOptions,
  serviceFor: (connectionOf: (peer: string) => TLSSocket | null) => Pick<InferenceService, 'serverOptions' | 'addTo'>,
): Promise<GrpcListener> {
  const certificate = await options.certificates.issue()
  const connections = new Map<string, TLSSocket>()
  const service = serviceFor((peer) => connections.get(peer) ?? null)
  const grpc = new GrpcServer(service.serverOptions)
  service.addTo(grpc)
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure())
  const server = createServer(
    {
      ...TLS_OPTIONS,
      key: certificate.privateKeyPem,
      cert: certificate.certificatePem,
      ALPNProtocols: ['h2'],
      handshakeTimeout: LISTENER_BOUNDS.handshakeTimeoutMs,
      // A certificate is asked for and never demanded: identity compares it with what a token or an account names (RFC 8705).
      requestCert: true,
      rejectUnauthorized: false,
    },
    (socket) => {
      if (socket.alpnProtocol !== 'h2') {
        socket.destroy()
        return
      }
      const name = peerOf(socket)
      connections.set(name, socket)
      socket.once('close', () => {
        if (connections.get(name) === socket) connections.delete(name)
      })
      injector.injectConnection(socket)
    },
  )
  // Handshakes that never end too: the server's end waits for every connection.
  const all = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    all.add(socket)
    socket.once('close', () => all.delete(socket))
  })
  server.maxConnections = LISTENER_BOUNDS.maxConnections
  server.on('tlsClientError', (error) => options.logger.debug({ code: (error as NodeJS.ErrnoException).code }, 'TLS handshake refused'))

  const renewal = renewCertificate(server, certificate, options)

  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      renewal.stop()
      const why = `cannot listen for gRPC on ${options.address}:${options.port} (${cause.code ?? 'unknown error'}); choose another \`--grpc-port\``
      reject(new RedoubtError('ERR_CONFIG_INVALID', why, { cause }))
    })
    server.listen(options.port, options.address, resolve)
  })
  let closing: Promise<void> | null = null
  return {
    port: (server.address() as AddressInfo).port,
    close(drainMs) {
      renewal.stop()
      closing ??= new Promise((resolve) => {
        const hard = setTimeout(() => {
          for (const socket of all) socket.destroy()
        }, drainMs)
        server.close(() => {
          clearTimeout(hard)
          grpc.forceShutdown()
          resolve()
        })
        injector.drain(drainMs)
      })
      return closing
    },
  }
}

/** The other end, as the library names it. */
const peerOf = ({ remoteAddress, remotePort }: TLSSocket): string => `${remoteAddress}:${remotePort}`
