import { generateKeyPairSync } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createCertificateAuthority, issueServerCertificate, TLS_OPTIONS } from '#foundation/crypto'

export interface TlsServer {
  readonly issuer: string
  readonly authorityPem: string
  close(): void
}

/** TLS as the composition root has it, under an authority of its own. */
export async function openTlsServer(handle: (req: IncomingMessage, res: ServerResponse) => void): Promise<TlsServer> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const now = Date.now()
  const authorityPem = await createCertificateAuthority({ privateKey, publicKey, commonName: 'Redoubt test CA', now })
  const { privateKeyPem: key, certificatePem: cert } = await issueServerCertificate({
    authorityPem,
    authorityKey: privateKey,
    dnsNames: ['localhost'],
    ipAddresses: [],
    spiffeId: 'spiffe://redoubt/server',
    now,
  })
  const server = createServer({ key, cert, ...TLS_OPTIONS }, handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    issuer: `https://localhost:${(server.address() as AddressInfo).port}`,
    authorityPem,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
