/** A security key and the browser before it, for tests: every part of a registration can be made wrong on its own. */
import 'reflect-metadata'
import { createHash, generateKeyPairSync, KeyObject, randomBytes, sign, webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  CRLDistributionPointsExtension,
  cryptoProvider,
  Extension,
  X509CertificateGenerator,
} from '@peculiar/x509'

export interface Making {
  readonly challenge: string
  readonly origin: string
  readonly relyingParty?: string
  readonly type?: string
  readonly userVerified?: boolean
  readonly userPresent?: boolean
  readonly format?: 'none' | 'packed'
  readonly tamper?: 'signature' | 'key' | 'id'
  readonly backedUp?: boolean
}

type Cbor = number | string | Uint8Array | readonly Cbor[] | ReadonlyMap<number | string, Cbor>

/** CBOR (RFC 8949) as far as an authenticator needs it: integers, bytes, text, lists, maps. */
function cbor(value: Cbor): Buffer {
  const head = (major: number, n: number): Buffer =>
    n < 24
      ? Buffer.from([(major << 5) | n])
      : n < 256
        ? Buffer.from([(major << 5) | 24, n])
        : Buffer.from([(major << 5) | 25, n >> 8, n & 255])
  if (typeof value === 'number') return value >= 0 ? head(0, value) : head(1, -1 - value)
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.byteLength), value])
  if (value instanceof Map)
    return Buffer.concat([head(5, value.size), ...[...value].flatMap(([k, v]) => [cbor(k as string), cbor(v as Cbor)])])
  const list = value as readonly Cbor[]
  return Buffer.concat([head(4, list.length), ...list.map(cbor)])
}

const AAGUID = Buffer.from('00112233445566778899aabbccddeeff', 'hex')
const COUNTER = Buffer.from([0, 0, 0, 7])
const sha256 = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest()

/** Web Authentication Level 3 §6.1: relying party, flags, counter, then the new credential. */
function authenticatorData(
  publicKey: { readonly x?: string | undefined; readonly y?: string | undefined },
  making: Making,
): { authData: Buffer; id: Buffer } {
  const cose = cbor(
    new Map<number, Cbor>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, Buffer.from(publicKey.x ?? '', 'base64url')],
      [-3, Buffer.from(publicKey.y ?? '', 'base64url')],
    ]),
  )
  const id = randomBytes(32)
  const backup = making.backedUp === true ? 0x18 : 0
  const flags = 0x40 | backup | (making.userPresent === false ? 0 : 1) | (making.userVerified === false ? 0 : 4)
  const relyingParty = sha256(making.relyingParty ?? new URL(making.origin).hostname)
  return { authData: Buffer.concat([relyingParty, Buffer.from([flags]), COUNTER, AAGUID, Buffer.from([0, id.length]), id, cose]), id }
}

const clientDataOf = ({ type, challenge, origin }: Making): Buffer =>
  Buffer.from(JSON.stringify({ type: type ?? 'webauthn.create', challenge, origin, crossOrigin: false }))

function answer(
  id: Buffer,
  clientData: Buffer,
  format: string,
  statement: ReadonlyMap<string, Cbor>,
  authData: Buffer,
): Record<string, unknown> {
  const attestation = cbor(
    new Map<string, Cbor>([
      ['fmt', format],
      ['attStmt', statement],
      ['authData', authData],
    ]),
  )
  const named = id.toString('base64url')
  return {
    id: named,
    rawId: named,
    type: 'public-key',
    response: {
      clientDataJSON: clientData.toString('base64url'),
      attestationObject: attestation.toString('base64url'),
      transports: ['usb'],
    },
  }
}

export function makeCredential(making: Making): Record<string, unknown> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { authData, id } = authenticatorData(publicKey.export({ format: 'jwk' }), making)
  const clientData = clientDataOf(making)
  const signer = making.tamper === 'key' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey : privateKey
  const signature = sign('sha256', Buffer.concat([authData, sha256(clientData)]), signer)
  if (making.tamper === 'signature') signature.writeUInt8(signature.readUInt8(signature.length - 1) ^ 1, signature.length - 1)
  const statement = new Map<string, Cbor>(
    making.format === 'packed'
      ? [
          ['alg', -7],
          ['sig', signature],
        ]
      : [],
  )
  return answer(making.tamper === 'id' ? randomBytes(32) : id, clientData, making.format ?? 'none', statement, authData)
}

/**
 * An android-key attestation that verifies in every part, under a root of the sender's own making whose leaf names a revocation
 * list: the library fetches that list before it looks whether it knows the root.
 */
export async function makeAndroidKeyCredential(making: Making, revocationList: string): Promise<Record<string, unknown>> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const pair = (): Promise<webcrypto.CryptoKeyPair> => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const [root, leaf] = await Promise.all([pair(), pair()])
  const { authData, id } = authenticatorData(KeyObject.from(leaf.publicKey).export({ format: 'jwk' }), making)
  const clientData = clientDataOf(making)
  cryptoProvider.set(webcrypto as never)
  const dates = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) }
  const authority = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=attacker',
    keys: root as never,
    signingAlgorithm: algorithm,
    extensions: [new BasicConstraintsExtension(true, 1, true)],
    ...dates,
  })
  // KeyDescription: versions 3, both security levels software, the challenge, an empty id and two empty authorisation lists.
  const description = Buffer.concat([
    Buffer.from('30340201030a01000201030a01000420', 'hex'),
    sha256(clientData),
    Buffer.from('040030003000', 'hex'),
  ])
  const certificate = await X509CertificateGenerator.create({
    serialNumber: '02',
    subject: 'CN=key',
    issuer: authority.subject,
    publicKey: leaf.publicKey as never,
    signingKey: root.privateKey as never,
    signingAlgorithm: algorithm,
    extensions: [new CRLDistributionPointsExtension([revocationList]), new Extension('1.3.6.1.4.1.11129.2.1.17', false, description)],
    ...dates,
  })
  const statement = new Map<string, Cbor>([
    ['alg', -7],
    ['sig', sign('sha256', Buffer.concat([authData, sha256(clientData)]), KeyObject.from(leaf.privateKey))],
    ['x5c', [Buffer.from(certificate.rawData), Buffer.from(authority.rawData)]],
  ])
  return answer(id, clientData, 'android-key', statement, authData)
}
