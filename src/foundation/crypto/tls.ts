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

/** What a connection of ours to somebody else is held to, strongest first. */
export const LEG_STRENGTHS = ['hybrid', 'classical', 'tls1.2'] as const
export type LegStrength = (typeof LEG_STRENGTHS)[number]
export type OutboundTlsOptions = Pick<SecureContextOptions, 'minVersion' | 'maxVersion' | 'ecdhCurve' | 'ciphers'>

/** Asked for each connection, by the name of its leg, so that an exception that has ended counts no more. */
export type OutboundTls = (leg: string) => OutboundTlsOptions

const OPTIONS: Readonly<Record<LegStrength, OutboundTlsOptions>> = {
  // No other group is offered, so a peer without one of them ends the handshake: nothing is sent that may be recorded now and opened later.
  hybrid: { ...TLS_OPTIONS, ecdhCurve: 'X25519MLKEM768:SecP256r1MLKEM768' },
  classical: TLS_OPTIONS,
  'tls1.2': {
    ...TLS_OPTIONS,
    minVersion: 'TLSv1.2',
    // Of TLS 1.2 only what has forward secrecy and authenticated encryption (RFC 9325 §4.2).
    ciphers: [
      'TLS_AES_256_GCM_SHA384',
      'TLS_CHACHA20_POLY1305_SHA256',
      'TLS_AES_128_GCM_SHA256',
      'ECDHE-ECDSA-AES256-GCM-SHA384',
      'ECDHE-RSA-AES256-GCM-SHA384',
      'ECDHE-ECDSA-AES128-GCM-SHA256',
      'ECDHE-RSA-AES128-GCM-SHA256',
      'ECDHE-ECDSA-CHACHA20-POLY1305',
      'ECDHE-RSA-CHACHA20-POLY1305',
    ].join(':'),
  },
}

/** Options of a connection that is held to at least `strength`. */
export function outboundTls(strength: LegStrength): OutboundTlsOptions {
  return OPTIONS[strength]
}

/** What legs are held to where nobody says otherwise. */
export const HYBRID_ONLY: OutboundTls = () => OPTIONS.hybrid

/** @param group name of the key exchange of a finished handshake. */
export function isHybridGroup(group: string): boolean {
  return group.includes('MLKEM')
}
