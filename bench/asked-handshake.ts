/** What it costs those who have no certificate that the listener asks for one (RFC 8705). */
import { generateKeyPairSync } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type TlsOptions } from 'node:tls'
import { createCertificateAuthority, issueServerCertificate, TLS_OPTIONS } from '../src/foundation/crypto/index.ts'

const ROUNDS = 20
const HANDSHAKES = 20

/** @returns CPU of a handshake with `requestCert` against one without, both ends in this process. */
export async function askedHandshake(): Promise<number> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const now = Date.now()
  const ca = await createCertificateAuthority({ privateKey, publicKey, commonName: 'bench', now })
  const names = { dnsNames: ['localhost'], ipAddresses: [], spiffeId: 'spiffe://redoubt/server' }
  const { privateKeyPem: key, certificatePem: cert } = await issueServerCertificate({
    authorityPem: ca,
    authorityKey: privateKey,
    ...names,
    now,
  })
  const listen = async (more: TlsOptions): Promise<Server> => {
    const server = createServer({ ...TLS_OPTIONS, key, cert, ...more }, (socket) => socket.on('error', () => undefined).end('x'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return server
  }
  const shake = (server: Server): Promise<void> =>
    new Promise((resolve, reject) => {
      const { port } = server.address() as AddressInfo
      connect({ port, host: '127.0.0.1', servername: 'localhost', ca })
        .on('data', () => undefined)
        .on('close', () => resolve())
        .on('error', reject)
    })
  const [plain, asking] = [await listen({}), await listen({ requestCert: true, rejectUnauthorized: false })]
  const cost = async (server: Server): Promise<number> => {
    const before = process.cpuUsage()
    for (let i = 0; i < HANDSHAKES; i++) await shake(server)
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
  const ratios: number[] = []
  for (let i = 0; i < ROUNDS; i++) ratios.push((await cost(asking)) / (await cost(plain)))
  plain.close()
  asking.close()
  return ratios.sort((a, b) => a - b)[ROUNDS >> 1]!
}
