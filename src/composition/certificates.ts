import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { createPublicKey } from 'node:crypto'
import { type Clock, SERVER_SPIFFE_ID } from '#foundation/core'
import { createCertificateAuthority, issueServerCertificate, type ServerCertificate } from '#foundation/crypto'
import type { Keys, KeyUse } from '#trust/keys'

const use: KeyUse = {
  principal: { type: 'System', id: 'listener' },
  purpose: 'tls',
  resource: { type: 'Key', id: 'certificate-authority' },
}

/** The local certificate authority and the listener's certificate; private keys stay in the keyring and in memory. */
export interface Certificates {
  readonly authorityPem: string
  /** A fresh certificate for the listener. */
  issue(): Promise<ServerCertificate>
}

/** @param caPath where the authority's certificate lies for everyone to read; made when absent. */
export async function openCertificates(options: {
  readonly keys: Keys
  readonly clock: Clock
  readonly caPath: string
  readonly organisation: string
  readonly names: readonly string[]
}): Promise<Certificates> {
  const { keys, clock, caPath, names } = options
  const authorityKey = await keys.release('certificate-authority', use)
  if (!existsSync(caPath)) {
    const pem = await createCertificateAuthority({
      privateKey: authorityKey,
      publicKey: createPublicKey(authorityKey),
      commonName: `Redoubt local CA of ${options.organisation}`,
      now: clock.now(),
    })
    writeFileSync(caPath, pem, { mode: 0o644, flush: true })
  }
  const authorityPem = readFileSync(caPath, 'utf8')
  return {
    authorityPem,
    issue: () =>
      issueServerCertificate({
        authorityPem,
        authorityKey,
        dnsNames: names.filter((name) => isIP(name) === 0),
        ipAddresses: names.filter((name) => isIP(name) !== 0),
        spiffeId: SERVER_SPIFFE_ID,
        now: clock.now(),
      }),
  }
}
