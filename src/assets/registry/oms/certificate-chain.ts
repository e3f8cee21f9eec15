import { X509Certificate } from 'node:crypto'
import { failure, type Failure } from './bundle.ts'

/** Extended key usage "code signing", which a model signer's certificate must carry. @see RFC 5280 §4.2.1.12 */
const CODE_SIGNING = '1.3.6.1.5.5.7.3.3'
/** Longest path from leaf to anchor that is walked. */
const MAX_PATH = 8

export interface CertificateTrust {
  readonly method: 'certificate'
  readonly trustAnchors: readonly X509Certificate[]
  /** Epoch milliseconds at which every certificate of the path must be valid. */
  readonly now: number
}

/**
 * Finds a path from the first certificate to an anchor: each step issued and signed by the next, each issuer a CA, all valid now.
 * Path length constraints, name constraints and revocation are not evaluated: the anchors should be a CA for model signers alone.
 * @returns the leaf, or the reason why it is not trusted. Never throws.
 */
export function verifyCertificateChain(certificates: readonly Uint8Array[], trust: CertificateTrust): X509Certificate | Failure {
  let chain: X509Certificate[]
  try {
    chain = certificates.map((der) => new X509Certificate(der))
  } catch {
    return failure('chain', 'a certificate cannot be parsed')
  }
  const [leaf, ...intermediates] = chain
  if (!leaf) return failure('chain', 'the chain is empty')
  if (!(leaf.keyUsage ?? []).includes(CODE_SIGNING)) return failure('chain', 'the leaf certificate is not for code signing')
  const anchors = new Set(trust.trustAnchors.map((anchor) => anchor.fingerprint256))
  let current = leaf
  for (let step = 0; step < MAX_PATH; step++) {
    if (trust.now < current.validFromDate.getTime() || trust.now > current.validToDate.getTime())
      return failure('chain', 'a certificate is not valid at this time')
    if (anchors.has(current.fingerprint256)) return leaf
    const issued = (issuer: X509Certificate): boolean =>
      issuer.ca && issuer.fingerprint256 !== current.fingerprint256 && current.checkIssued(issuer) && current.verify(issuer.publicKey)
    const issuer = trust.trustAnchors.find(issued) ?? intermediates.find(issued)
    if (!issuer) return failure('chain', 'no path leads to a trust anchor')
    current = issuer
  }
  return failure('chain', 'the path to a trust anchor is too long')
}
