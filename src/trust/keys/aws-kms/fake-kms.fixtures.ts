import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import type { SecureContextOptions } from 'node:tls'
import { constantTimeEqual } from '#foundation/crypto'
import { canonicalJson, systemClock } from '#foundation/core'
import { type FakeAnswer, type FakeRequest, FakeServer } from '../outside/fake-service.fixtures.ts'

const ACCOUNT = '111122223333'
const REGION = 'eu-central-1'
const SKEW_MS = 300_000
export const FAKE_CREDENTIALS = { accessKeyId: 'AKIDFAKE', secretAccessKey: 'fake-secret-access-key' }

interface FakeKey {
  readonly arn: string
  state: 'Enabled' | 'Disabled' | 'PendingDeletion'
  /** Seconds since 1970, of a key that waits for its deletion. */
  deletionDate?: number
  readonly material: Buffer
  readonly signing: { readonly publicKey: KeyObject; readonly privateKey: KeyObject } | null
}

class Refusal extends Error {
  readonly type: string
  readonly status: number
  constructor(type: string, status = 400, message = '') {
    super(message)
    this.type = type
    this.status = status
  }
}

/**
 * A fake of AWS KMS on the wire: JSON 1.1 over TLS, signatures (SigV4) computed anew and compared, the encryption context bound, key states.
 * It is ours and answers as the documentation says; it is not the service.
 */
export class FakeKms {
  readonly keys = new Map<string, FakeKey>()
  /** Operations that were answered, the newest last. */
  readonly asked: string[] = []
  /** Action names that the credentials may not do. */
  readonly denied = new Set<string>()
  /** What this service's clock shows beyond the host's. */
  skewMs = 0
  server!: FakeServer

  static async start(tls?: SecureContextOptions): Promise<FakeKms> {
    const fake = new FakeKms()
    const throttled = refused(new Refusal('ThrottlingException', 400, 'Rate exceeded'), fake.#now())
    fake.server = await FakeServer.start((request) => fake.#answer(request), throttled, tls)
    return fake
  }

  /** A key ECC_NIST_P256 that signs. @returns its ARN. */
  addSigningKey(): string {
    return this.#add(generateKeyPairSync('ec', { namedCurve: 'P-256' }))
  }

  setState(state: FakeKey['state']): void {
    for (const key of this.keys.values()) key.state = state
  }

  #now(): number {
    return systemClock.now() + this.skewMs
  }

  #add(signing: FakeKey['signing'] = null): string {
    const arn = `arn:aws:kms:${REGION}:${ACCOUNT}:key/${randomBytes(16).toString('hex')}`
    this.keys.set(arn, { arn, state: 'Enabled', material: randomBytes(32), signing })
    return arn
  }

  #answer(request: FakeRequest): FakeAnswer {
    try {
      verifySigV4(request, this.#now())
      const operation = String(request.headers['x-amz-target']).replace(/^TrentService\./, '')
      if (this.denied.has(operation)) throw new Refusal('AccessDeniedException', 400, `not authorized to perform: kms:${operation}`)
      const answer = this.#do(operation, JSON.parse(request.body) as Record<string, never>)
      this.asked.push(operation)
      return { status: 200, headers: this.#headers(), body: JSON.stringify(answer) }
    } catch (thrown) {
      if (thrown instanceof Refusal) return refused(thrown, this.#now())
      return { status: 500, headers: this.#headers(), body: JSON.stringify({ __type: 'KMSInternalException' }) }
    }
  }

  #headers(): Record<string, string> {
    return { 'content-type': 'application/x-amz-json-1.1', date: new Date(this.#now()).toUTCString() }
  }

  #do(operation: string, input: Readonly<Record<string, string>>): object {
    if (operation === 'CreateKey') {
      const arn = this.#add()
      return { KeyMetadata: { Arn: arn, KeyId: arn.split('/')[1], KeyState: 'Enabled' } }
    }
    const key = this.keys.get(input['KeyId'] ?? '')
    if (key === undefined) throw new Refusal('NotFoundException')
    if (operation === 'DescribeKey')
      return {
        KeyMetadata: {
          Arn: key.arn,
          KeyId: key.arn.split('/')[1],
          KeyState: key.state,
          ...(key.deletionDate === undefined ? {} : { DeletionDate: key.deletionDate }),
        },
      }
    if (operation === 'ScheduleKeyDeletion') {
      if (key.state === 'PendingDeletion') throw new Refusal('KMSInvalidStateException')
      const days = Number(input['PendingWindowInDays'])
      if (!(days >= 7 && days <= 30)) throw new Refusal('ValidationException')
      key.state = 'PendingDeletion'
      key.deletionDate = Math.floor(this.#now() / 1_000) + days * 86_400
      return { KeyId: key.arn, DeletionDate: key.deletionDate, KeyState: key.state, PendingWindowInDays: days }
    }
    if (key.state === 'Disabled') throw new Refusal('DisabledException')
    if (key.state !== 'Enabled') throw new Refusal('KMSInvalidStateException')
    const context = Buffer.from(canonicalJson((input['EncryptionContext'] ?? {}) as never))
    switch (operation) {
      case 'Encrypt':
        return { KeyId: key.arn, CiphertextBlob: seal(key, context, Buffer.from(input['Plaintext']!, 'base64')).toString('base64') }
      case 'Decrypt':
        return { KeyId: key.arn, Plaintext: open(key, context, Buffer.from(input['CiphertextBlob']!, 'base64')).toString('base64') }
      case 'GetPublicKey': {
        if (key.signing === null) return { KeyId: key.arn, KeySpec: 'SYMMETRIC_DEFAULT', KeyUsage: 'ENCRYPT_DECRYPT' }
        const spki = key.signing.publicKey.export({ type: 'spki', format: 'der' })
        return { KeyId: key.arn, KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY', PublicKey: spki.toString('base64') }
      }
      case 'Sign':
        if (key.signing === null || input['MessageType'] !== 'DIGEST' || input['SigningAlgorithm'] !== 'ECDSA_SHA_256')
          throw new Refusal('InvalidKeyUsageException')
        return {
          KeyId: key.arn,
          Signature: signDigest(key.signing.privateKey, Buffer.from(input['Message']!, 'base64')).toString('base64'),
        }
    }
    throw new Refusal('UnknownOperationException')
  }
}

function refused({ type, status, message }: Refusal, now: number): FakeAnswer {
  const headers = { 'content-type': 'application/x-amz-json-1.1', date: new Date(now).toUTCString() }
  return { status, headers, body: JSON.stringify({ __type: type, message }) }
}

/** The key's name is in the blob, as in the service's: a blob of another key is told from one that is not authentic. */
function seal({ arn, material }: FakeKey, context: Uint8Array, plaintext: Uint8Array): Buffer {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', material, iv)
  cipher.setAAD(context)
  const name = createHash('sha256').update(arn).digest().subarray(0, 16)
  return Buffer.concat([name, iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

function open({ arn, material }: FakeKey, context: Uint8Array, blob: Buffer): Buffer {
  const name = createHash('sha256').update(arn).digest().subarray(0, 16)
  if (blob.byteLength < 44) throw new Refusal('InvalidCiphertextException')
  if (!blob.subarray(0, 16).equals(name)) throw new Refusal('IncorrectKeyException')
  const decipher = createDecipheriv('aes-256-gcm', material, blob.subarray(16, 28), { authTagLength: 16 })
  decipher.setAAD(context)
  decipher.setAuthTag(blob.subarray(-16))
  try {
    return Buffer.concat([decipher.update(blob.subarray(28, -16)), decipher.final()])
  } catch {
    throw new Refusal('InvalidCiphertextException')
  }
}

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** ECDSA on P-256 over a digest that was made already, which Node does not offer: r is the abscissa of a fresh key, s is k⁻¹(z + rd). @see FIPS 186-5 §6.4.1 */
function signDigest(privateKey: KeyObject, digest: Buffer): Buffer {
  const fresh = createECDH('prime256v1')
  const r = big(fresh.generateKeys().subarray(1, 33)) % ORDER
  const d = big(Buffer.from(privateKey.export({ format: 'jwk' }).d!, 'base64url'))
  const s = (inverse(big(fresh.getPrivateKey())) * ((big(digest) + r * d) % ORDER)) % ORDER
  const integers = Buffer.concat([derInteger(r), derInteger(s)])
  return Buffer.concat([Buffer.from([0x30, integers.byteLength]), integers])
}

function big(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

/** k^(n-2) mod n: the order is prime. */
function inverse(k: bigint): bigint {
  let [result, base] = [1n, k % ORDER]
  for (let exponent = ORDER - 2n; exponent > 0n; exponent >>= 1n) {
    if ((exponent & 1n) === 1n) result = (result * base) % ORDER
    base = (base * base) % ORDER
  }
  return result
}

function derInteger(value: bigint): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  const positive = bytes[0]! > 0x7f ? Buffer.concat([Buffer.from([0]), bytes]) : bytes
  return Buffer.concat([Buffer.from([0x02, positive.byteLength]), positive])
}

/** @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
function verifySigV4({ method, path, headers, body }: FakeRequest, now: number): void {
  const found =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/kms\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    )
  if (found === null) throw new Refusal('IncompleteSignatureException')
  const [, accessKeyId, day, region, signedHeaders, signature] = found as unknown as readonly string[]
  if (accessKeyId !== FAKE_CREDENTIALS.accessKeyId || region !== REGION) throw new Refusal('UnrecognizedClientException')
  for (const needed of ['host', 'x-amz-date', 'x-amz-target'])
    if (!signedHeaders!.split(';').includes(needed)) throw new Refusal('IncompleteSignatureException')
  const lines = signedHeaders!.split(';').map((name) => `${name}:${String(headers[name]).trim().replace(/\s+/g, ' ')}\n`)
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
  const canonical = [method, path, '', lines.join(''), signedHeaders, sha256(body)].join('\n')
  const date = String(headers['x-amz-date'])
  const text = ['AWS4-HMAC-SHA256', date, `${day}/${region}/kms/aws4_request`, sha256(canonical)].join('\n')
  const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest()
  const key = ['kms', 'aws4_request'].reduce(hmac, hmac(hmac(`AWS4${FAKE_CREDENTIALS.secretAccessKey}`, day!), region))
  if (!constantTimeEqual(hmac(key, text), Buffer.from(signature!, 'hex')))
    throw new Refusal('InvalidSignatureException', 400, 'The request signature we calculated does not match')
  const at = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (Math.abs(at - now) > SKEW_MS) throw new Refusal('InvalidSignatureException', 400, 'Signature expired: it is not of this time')
}
