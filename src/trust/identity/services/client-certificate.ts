import { X509Certificate } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import type { PublicJwk } from '#trust/client'

/** Certificates are a kilobyte or two. */
const MAX_PEM_CHARACTERS = 16_384

export interface ClientCertificate {
  /** SHA-256 of the DER encoding, base64url: `x5t#S256`. */
  readonly thumbprint: string
  readonly publicKeyJwk: PublicJwk
}

/**
 * Reads a certificate that stands for an account. It is trusted because it was registered, whoever signed it: the thumbprint names this
 * one certificate, and the handshake shows that the other end holds its key.
 * @throws {RedoubtError} `ERR_INPUT_INVALID` unless it is one PEM certificate on a P-256 or Ed25519 key.
 * @see RFC 8705 §2.2 (self-signed certificates), §3.1 (`x5t#S256`)
 */
export function readCertificate(pem: string): ClientCertificate {
  if (pem.length > MAX_PEM_CHARACTERS || pem.split('-----BEGIN').length !== 2) throw notAcceptable()
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(pem)
  } catch (cause) {
    throw notAcceptable(cause)
  }
  const { kty, crv, x, y } = certificate.publicKey.export({ format: 'jwk' })
  const thumbprint = Buffer.from(certificate.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url')
  if (kty === 'OKP' && crv === 'Ed25519' && x !== undefined) return { thumbprint, publicKeyJwk: { kty, crv, x } }
  if (kty === 'EC' && crv === 'P-256' && x !== undefined && y !== undefined) return { thumbprint, publicKeyJwk: { kty, crv, x, y } }
  throw notAcceptable()
}

function notAcceptable(cause?: unknown): RedoubtError {
  return new RedoubtError('ERR_INPUT_INVALID', 'the certificate is not one PEM certificate on a P-256 or Ed25519 key', { cause })
}
