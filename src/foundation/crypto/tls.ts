import type { SecureContextOptions } from 'node:tls'

/**
 * TLS 1.3 only, with the post-quantum hybrid first; for every listener and every connection.
 * @see RFC 8446, draft-ietf-tls-ecdhe-mlkem
 */
export const TLS_OPTIONS = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ecdhCurve: 'X25519MLKEM768:X25519:P-256',
} as const satisfies Pick<SecureContextOptions, 'minVersion' | 'maxVersion' | 'ecdhCurve'>
