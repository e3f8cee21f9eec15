import { type KeyObject, sign } from 'node:crypto'

/** A JWS in compact serialisation, by Ed25519 or P-256. @see RFC 7515 §7.1, RFC 7518 §3.4, RFC 8037 §3.1 */
export function compactJws(header: object, claims: object, key: KeyObject): string {
  const elliptic = key.asymmetricKeyType === 'ec'
  const input = `${encode({ ...header, alg: elliptic ? 'ES256' : 'EdDSA' })}.${encode(claims)}`
  return `${input}.${sign(elliptic ? 'sha256' : null, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
