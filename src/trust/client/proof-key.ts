import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, type KeyObject, randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { RedoubtError } from '#foundation/core'
import { compactJws } from './compact-jws.ts'

/** The client's side of RFC 9449: the key that tokens are bound to, and its proofs. */
export interface ProofAsk {
  readonly method: string
  /** Address of the request. */
  readonly url: string
  /** The token that the proof goes with; none at the token endpoint. */
  readonly accessToken?: string | undefined
  readonly nonce?: string | undefined
}

type PublicMembers = { readonly kty: string; readonly crv: string; readonly x: string; readonly y?: string }

/** As `readProofKey`; makes the file with a new P-256 key that only its owner can read when there is none. */
export function openProofKey(path: string): KeyObject {
  if (!existsSync(path)) {
    const text = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    const file = openSync(path, 'wx', 0o600)
    writeSync(file, text)
    fsyncSync(file)
    closeSync(file)
  }
  return readProofKey(path)
}

/** @throws {RedoubtError} `ERR_CONFIG_SECRET` when others can read the file, or when it is no P-256 or Ed25519 key in PKCS #8. */
export function readProofKey(path: string): KeyObject {
  if ((statSync(path).mode & 0o077) !== 0) throw new RedoubtError('ERR_CONFIG_SECRET', `\`${path}\` can be read by others; make it 0600`)
  const text = readFileSync(path, 'utf8')
  try {
    const key = createPrivateKey(text)
    membersOf(key)
    return key
  } catch {
    // The parser's error could quote the key, so it is not kept as a cause.
    throw new RedoubtError('ERR_CONFIG_SECRET', `\`${path}\` is not a private P-256 or Ed25519 key in PKCS #8`)
  }
}

/** RFC 7638 thumbprint of the public key, as in `cnf.jkt`. */
export const thumbprintOf = (key: KeyObject): string => hash('sha256', JSON.stringify(membersOf(key)), 'base64url')

/** @see RFC 9449 §4.2 */
export function signProof(key: KeyObject, { method, url, accessToken, nonce }: ProofAsk): string {
  const jwk = membersOf(key)
  const address = new URL(url)
  const claims = {
    jti: randomBytes(16).toString('base64url'),
    htm: method,
    htu: address.origin + address.pathname,
    iat: Math.floor(Date.now() / 1000),
    ...(accessToken === undefined ? {} : { ath: hash('sha256', accessToken, 'base64url') }),
    ...(nonce === undefined ? {} : { nonce }),
  }
  return compactJws({ typ: 'dpop+jwt', jwk }, claims, key)
}

/** The required members alone, in the order of RFC 7638 §3.2. */
function membersOf(key: KeyObject): PublicMembers {
  const { kty, crv, x, y } = createPublicKey(key).export({ format: 'jwk' })
  if (kty === 'EC' && crv === 'P-256' && x !== undefined && y !== undefined) return { crv, kty, x, y }
  if (kty === 'OKP' && crv === 'Ed25519' && x !== undefined) return { crv, kty, x }
  throw new RedoubtError('ERR_CONFIG_SECRET', 'a proof is signed with a P-256 or Ed25519 key')
}
