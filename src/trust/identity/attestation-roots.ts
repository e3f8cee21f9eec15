import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { RedoubtError } from '#foundation/core'

const PEM = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g
const MAX_CHAIN = 4

/**
 * Certificates of makers of authenticators, which the operator names. No list of revoked certificates is fetched: their addresses are
 * in certificates that the sender brings.
 * @see Web Authentication Level 3 §7.1 step 25, §8.2.1
 */
export class AttestationRoots {
  readonly #roots: readonly X509Certificate[]

  /** @throws {RedoubtError} `ERR_CONFIG_INVALID` when there is no certificate in the text. */
  constructor(pem: string) {
    try {
      this.#roots = (pem.match(PEM) ?? []).map((one) => new X509Certificate(one))
    } catch (cause) {
      throw new RedoubtError('ERR_CONFIG_INVALID', '`identity.attestationRoots` holds what is not a certificate', { cause })
    }
    if (this.#roots.length === 0) throw new RedoubtError('ERR_CONFIG_INVALID', '`identity.attestationRoots` holds no certificate in PEM')
  }

  /** Whether an unbroken, valid chain leads from the key's certificate to one of the roots. @param chain DER, the key's own first. */
  vouchFor(chain: readonly Uint8Array[], now: number): boolean {
    if (chain.length === 0 || chain.length > MAX_CHAIN) return false
    try {
      const certificates = chain.map((der) => new X509Certificate(der))
      for (let i = 0; i < certificates.length; i++) {
        const certificate = certificates[i]!
        if (!validAt(certificate, now)) return false
        if (this.#roots.some((root) => validAt(root, now) && (root.raw.equals(certificate.raw) || issued(root, certificate)))) return true
        const issuer = certificates[i + 1]
        if (issuer === undefined || !issuer.ca || !issued(issuer, certificate)) return false
      }
      return false
    } catch {
      return false
    }
  }
}

const validAt = (certificate: X509Certificate, now: number): boolean =>
  certificate.validFromDate.getTime() <= now && certificate.validToDate.getTime() >= now
const issued = (issuer: X509Certificate, certificate: X509Certificate): boolean =>
  certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)

/** @throws {RedoubtError} `ERR_CONFIG_INVALID`. */
export function readAttestationRoots(path: string): AttestationRoots {
  let pem: string
  try {
    pem = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new RedoubtError('ERR_CONFIG_INVALID', '`identity.attestationRoots` names a file that cannot be read', { cause })
  }
  return new AttestationRoots(pem)
}
