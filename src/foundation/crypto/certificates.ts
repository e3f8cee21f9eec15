import { generateKeyPairSync, randomBytes, webcrypto, X509Certificate, type KeyObject } from 'node:crypto'
import type * as X509 from '@peculiar/x509'
import { RedoubtError } from '#foundation/core'

const HOUR_MS = 3_600_000
/** Two clocks in one house differ; a certificate made this minute must hold on the slower one. */
const BACKDATE_MS = 5 * 60_000
const SERVER_LIFETIME_MS = 24 * HOUR_MS
const AUTHORITY_LIFETIME_MS = 10 * 365 * 24 * HOUR_MS
/** Renewal is due when this part of the lifetime has passed. */
const RENEW_AFTER = 2 / 3
const CURVE = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const
const SERIAL_BYTES = 16
const MAX_NAMES = 64

export interface AuthorityRequest {
  /** The authority's P-256 private key. */
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly commonName: string
  /** Epoch milliseconds. */
  readonly now: number
}

export interface ServerCertificateRequest {
  readonly authorityPem: string
  readonly authorityKey: KeyObject
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
  /** `spiffe://trust-domain/path`. */
  readonly spiffeId: string
  /** Epoch milliseconds. */
  readonly now: number
}

export interface ServerCertificate {
  readonly certificatePem: string
  readonly privateKeyPem: string
  readonly notAfter: number
  /** Epoch milliseconds when two thirds of its life have passed. */
  readonly renewAt: number
}

/** The library costs 90 ms to load and is needed once a day. */
async function x509(): Promise<typeof X509> {
  await import('reflect-metadata')
  const library = await import('@peculiar/x509')
  library.cryptoProvider.set(webcrypto as never)
  return library
}

/**
 * A self-signed P-256 certificate authority that may sign server certificates and nothing below.
 * @returns PEM.
 * @see RFC 5280 §4.2.1
 */
export async function createCertificateAuthority(request: AuthorityRequest): Promise<string> {
  const { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension, SubjectKeyIdentifierExtension, X509CertificateGenerator } =
    await x509()
  requireP256(request.privateKey)
  const publicKey = publicCryptoKey(request.publicKey)
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [request.commonName] }],
    notBefore: new Date(request.now - BACKDATE_MS),
    notAfter: new Date(request.now + AUTHORITY_LIFETIME_MS),
    keys: { privateKey: privateCryptoKey(request.privateKey), publicKey },
    signingAlgorithm: SIGNATURE,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(publicKey),
    ],
  })
  return `${certificate.toString('pem')}\n`
}

/**
 * A server certificate with a fresh P-256 key, valid for 24 hours.
 * @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` when the authority's key does not belong to its certificate, or a name is unfit.
 * @see RFC 5280 §4.2.1.6, SPIFFE X.509-SVID §2
 */
export async function issueServerCertificate(request: ServerCertificateRequest): Promise<ServerCertificate> {
  const library = await x509()
  requireP256(request.authorityKey)
  if (!new X509Certificate(request.authorityPem).checkPrivateKey(request.authorityKey))
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the key of the certificate authority does not belong to its certificate')
  const names = [
    ...request.dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...request.ipAddresses.map((value) => ({ type: 'ip' as const, value })),
    { type: 'url' as const, value: request.spiffeId },
  ]
  if (
    !request.spiffeId.startsWith('spiffe://') ||
    names.length > MAX_NAMES ||
    names.some(({ value }) => value.length > 253 || value === '')
  )
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the names of the server certificate are out of range')
  const authority = new library.X509Certificate(request.authorityPem)
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: CURVE.namedCurve })
  const leafKey = publicCryptoKey(publicKey)
  const notBefore = request.now - BACKDATE_MS
  const notAfter = notBefore + SERVER_LIFETIME_MS
  const certificate = await library.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [request.dnsNames[0] ?? 'redoubt'] }],
    issuer: authority.subject,
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
    publicKey: leafKey,
    signingKey: privateCryptoKey(request.authorityKey),
    signingAlgorithm: SIGNATURE,
    extensions: [
      new library.BasicConstraintsExtension(false, undefined, true),
      new library.KeyUsagesExtension(library.KeyUsageFlags.digitalSignature, true),
      new library.ExtendedKeyUsageExtension([library.ExtendedKeyUsage.serverAuth, library.ExtendedKeyUsage.clientAuth]),
      new library.SubjectAlternativeNameExtension(names),
      await library.AuthorityKeyIdentifierExtension.create(authority),
      await library.SubjectKeyIdentifierExtension.create(leafKey),
    ],
  })
  return {
    certificatePem: `${certificate.toString('pem')}\n`,
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    notAfter,
    renewAt: notBefore + SERVER_LIFETIME_MS * RENEW_AFTER,
  }
}

function requireP256(key: KeyObject): void {
  if (key.type !== 'private' || key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the key of the certificate authority is not a P-256 private key')
}

function privateCryptoKey(key: KeyObject): webcrypto.CryptoKey {
  return key.toCryptoKey(CURVE, false, ['sign'])
}

/** Extractable, for its bytes go into the certificate. */
function publicCryptoKey(key: KeyObject): webcrypto.CryptoKey {
  return key.toCryptoKey(CURVE, true, ['verify'])
}

/** Positive, at most 20 octets, 127 random bits (RFC 5280 §4.1.2.2). */
function serialNumber(): string {
  const serial = randomBytes(SERIAL_BYTES)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  return serial.toString('hex')
}
