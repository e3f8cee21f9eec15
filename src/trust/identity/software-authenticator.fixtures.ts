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
  readonly aaguid?: string
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

export const AAGUID = '00112233-4455-6677-8899-aabbccddeeff'
const COUNTER = Buffer.from([0, 0, 0, 7])
const sha256 = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest()

/** Web Authentication Level 3 §6.1: relying party, flags, counter, then the new credential. */
function authenticatorData(
  publicKey: { readonly x?: string | undefined; readonly y?: string | undefined },
  making: Making,
  id: Buffer = randomBytes(32),
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
  const backup = making.backedUp === true ? 0x18 : 0
  const flags = 0x40 | backup | (making.userPresent === false ? 0 : 1) | (making.userVerified === false ? 0 : 4)
  const aaguid = Buffer.from((making.aaguid ?? AAGUID).replaceAll('-', ''), 'hex')
  const relyingParty = sha256(making.relyingParty ?? new URL(making.origin).hostname)
  return { authData: Buffer.concat([relyingParty, Buffer.from([flags]), COUNTER, aaguid, Buffer.from([0, id.length]), id, cose]), id }
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

export interface Asserting {
  readonly challenge: string
  readonly origin: string
  readonly relyingParty?: string
  readonly type?: string
  readonly userVerified?: boolean
  readonly userPresent?: boolean
  readonly crossOrigin?: boolean
  readonly tamper?: 'signature' | 'key' | 'data'
  /** The counter that is signed; one more than the last unless given. */
  readonly counter?: number
  readonly backedUp?: boolean
  readonly userHandle?: string
}

/** One security key with one credential: registers, with or without a certificate of its maker, and signs in. */
export class SoftwareKey {
  readonly id = randomBytes(32)
  readonly #pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  #counter = COUNTER[3]!

  get credentialId(): string {
    return this.id.toString('base64url')
  }

  register(making: Making, maker: Maker | null = null): Record<string, unknown> {
    const { authData } = authenticatorData(this.#pair.publicKey.export({ format: 'jwk' }), making, this.id)
    const clientData = clientDataOf(making)
    const bytes = Buffer.concat([authData, sha256(clientData)])
    if (maker === null) {
      const statement =
        making.format === 'packed' ? [['alg', -7] as const, ['sig', sign('sha256', bytes, this.#pair.privateKey)] as const] : []
      return answer(this.id, clientData, making.format ?? 'none', new Map<string, Cbor>(statement), authData)
    }
    const statement = new Map<string, Cbor>([
      ['alg', -7],
      ['sig', sign('sha256', bytes, maker.privateKey)],
      ['x5c', [maker.certificate]],
    ])
    return answer(this.id, clientData, 'packed', statement, authData)
  }

  /** Web Authentication Level 3 §6.3.3. */
  assert(asserting: Asserting): Record<string, unknown> {
    this.#counter = asserting.counter ?? this.#counter + 1
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(this.#counter)
    const backup = asserting.backedUp === true ? 0x18 : 0
    const flags = backup | (asserting.userPresent === false ? 0 : 1) | (asserting.userVerified === false ? 0 : 4)
    const relyingParty = sha256(asserting.relyingParty ?? new URL(asserting.origin).hostname)
    const authData = Buffer.concat([relyingParty, Buffer.from([flags]), counter])
    const { type = 'webauthn.get', challenge, origin, crossOrigin = false } = asserting
    const clientData = Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin }))
    const signer = asserting.tamper === 'key' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey : this.#pair.privateKey
    const signature = sign('sha256', Buffer.concat([authData, sha256(clientData)]), signer)
    if (asserting.tamper === 'signature') signature.writeUInt8(signature.readUInt8(signature.length - 1) ^ 1, signature.length - 1)
    // The counter of what was signed is raised afterwards.
    if (asserting.tamper === 'data') authData.writeUInt32BE(this.#counter + 100, 33)
    return {
      id: this.credentialId,
      rawId: this.credentialId,
      type: 'public-key',
      response: {
        clientDataJSON: clientData.toString('base64url'),
        authenticatorData: authData.toString('base64url'),
        signature: signature.toString('base64url'),
        ...(asserting.userHandle === undefined ? {} : { userHandle: Buffer.from(asserting.userHandle, 'utf8').toString('base64url') }),
      },
    }
  }
}

/** A maker of keys: its root, and the certificate and key of one batch. */
export interface Maker {
  readonly root: string
  readonly certificate: Buffer
  readonly privateKey: KeyObject
}

export async function makeMaker(now: number): Promise<Maker> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const pair = (): Promise<webcrypto.CryptoKeyPair> => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const [root, batch] = await Promise.all([pair(), pair()])
  cryptoProvider.set(webcrypto as never)
  const dates = { notBefore: new Date(now - 60_000), notAfter: new Date(now + 3_600_000) }
  const authority = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=Maker Root',
    keys: root as never,
    signingAlgorithm: algorithm,
    extensions: [new BasicConstraintsExtension(true, 1, true)],
    ...dates,
  })
  const certificate = await X509CertificateGenerator.create({
    serialNumber: '02',
    subject: 'C=SE, O=Maker, OU=Authenticator Attestation, CN=Batch 1',
    issuer: authority.subject,
    publicKey: batch.publicKey as never,
    signingKey: root.privateKey as never,
    signingAlgorithm: algorithm,
    extensions: [new BasicConstraintsExtension(false, undefined, true)],
    ...dates,
  })
  return { root: authority.toString('pem'), certificate: Buffer.from(certificate.rawData), privateKey: KeyObject.from(batch.privateKey) }
}
