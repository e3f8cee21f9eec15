import { generateKeyPairSync } from 'node:crypto'
import { systemClock } from '#foundation/core'
import { createCertificateAuthority, issueServerCertificate } from '#foundation/crypto'
import type { Certificates } from './certificates.ts'

/** An authority of its own, which issues for `localhost`. */
export async function testCertificates(): Promise<Certificates> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const authorityPem = await createCertificateAuthority({ privateKey, publicKey, commonName: 'test', now: systemClock.now() })
  return {
    authorityPem,
    issue: () =>
      issueServerCertificate({
        authorityPem,
        authorityKey: privateKey,
        dnsNames: ['localhost'],
        ipAddresses: [],
        spiffeId: 'spiffe://redoubt/server',
        now: systemClock.now(),
      }),
  }
}
