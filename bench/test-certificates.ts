import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCertificateAuthority, issueServerCertificate } from '#foundation/crypto'

export interface TestCertificates {
  /** Paths of PEM files. */
  readonly ca: string
  readonly key: string
  readonly cert: string
  readonly caPem: string
}

/** An authority of the benchmark's own and one certificate for `localhost`, written into `folder`. */
export async function testCertificates(folder: string): Promise<TestCertificates> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const caPem = await createCertificateAuthority({
    privateKey,
    publicKey: createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
    commonName: 'Benchmark CA',
    now: Date.now(),
  })
  const server = await issueServerCertificate({
    authorityPem: caPem,
    authorityKey: privateKey,
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
    spiffeId: 'spiffe://redoubt/benchmark',
    now: Date.now(),
  })
  const paths = { ca: join(folder, 'ca.pem'), key: join(folder, 'key.pem'), cert: join(folder, 'cert.pem') }
  // A reference of the configuration is read as a secret, so it must be closed to others.
  writeFileSync(paths.ca, caPem, { mode: 0o600 })
  writeFileSync(paths.key, server.privateKeyPem, { mode: 0o600 })
  writeFileSync(paths.cert, server.certificatePem)
  return { ...paths, caPem }
}
