import type { Socket } from 'node:net'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'

const CONNECT_TIMEOUT_MS = 5_000

/** What a finished handshake says of a connection. */
export interface Handshake {
  /** `TLSv1.3` or older. */
  readonly protocol: string
  /** Name of the key exchange's group; `?` where TLS 1.2 names none. */
  readonly group: string
  readonly cipher: string
  /** End of the peer's certificate, as the certificate writes it. */
  readonly notAfter: string
}

/**
 * Makes one connection, reads what was negotiated and ends it; nothing is sent over it. At most 5 s.
 * @param options of the connection; `socket` where one is open already, as after STARTTLS.
 * @returns the handshake, or in one word or sentence why there was none.
 */
export function probeTls(options: ConnectionOptions & { readonly socket?: Socket }): Promise<Handshake | string> {
  return new Promise((resolve) => {
    const socket: TLSSocket = connect({ ...options, timeout: CONNECT_TIMEOUT_MS }, () => {
      const info = socket.getEphemeralKeyInfo() as { name?: string } | null
      resolve({
        protocol: socket.getProtocol() ?? '?',
        group: info?.name ?? '?',
        cipher: socket.getCipher().name,
        notAfter: socket.getPeerCertificate().valid_to,
      })
      socket.destroy()
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.once('timeout', () => {
      resolve('no answer')
      socket.destroy()
    })
    // A peer that hangs up in the middle of the handshake ends the socket without an error.
    socket.once('close', () => resolve('the connection was closed'))
  })
}
