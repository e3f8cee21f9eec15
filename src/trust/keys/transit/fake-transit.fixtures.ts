import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { SecureContextOptions } from 'node:tls'
import { type FakeAnswer, type FakeRequest, FakeServer } from '../outside/fake-service.fixtures.ts'

interface FakeTransitKey {
  /** null where it was trimmed. */
  readonly versions: (Buffer | null)[]
  minDecryptionVersion: number
  minEncryptionVersion: number
  minAvailableVersion: number
}

class Refusal extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/**
 * A fake of the Transit engine of OpenBao and Vault on the wire: its JSON over TLS, tokens with a life, a namespace, versions of keys,
 * associated data bound. It is ours and answers as the documentation says; it is not the service.
 */
export class FakeTransit {
  readonly keys = new Map<string, FakeTransitKey>()
  tokens = new Set(['fake-token'])
  ttl = 3_600
  renewals = 0
  sealed = false
  namespace: string | undefined
  server!: FakeServer

  static async start(tls?: SecureContextOptions): Promise<FakeTransit> {
    const fake = new FakeTransit()
    fake.server = await FakeServer.start(
      (request) => fake.#answer(request),
      refused(429, 'request rejected: rate limit quota exceeded'),
      tls,
    )
    return fake
  }

  #answer(request: FakeRequest): FakeAnswer {
    try {
      if (this.sealed) throw new Refusal(503, 'Vault is sealed')
      if (!this.tokens.has(String(request.headers['x-vault-token']))) throw new Refusal(403, 'permission denied')
      if (request.headers['x-vault-namespace'] !== this.namespace) throw new Refusal(404, 'no handler for route')
      const answer = this.#do(request.method, request.path, request.body === '' ? {} : (JSON.parse(request.body) as Record<string, never>))
      return answer === null ? { status: 204, body: '' } : json(200, answer)
    } catch (thrown) {
      return thrown instanceof Refusal ? refused(thrown.status, thrown.message) : refused(500, 'internal error')
    }
  }

  #do(method: string, path: string, input: Readonly<Record<string, string & number>>): object | null {
    if (path === '/v1/auth/token/lookup-self' && method === 'GET') return { data: { ttl: this.ttl, renewable: true } }
    if (path === '/v1/auth/token/renew-self' && method === 'POST') {
      this.renewals++
      return { auth: { lease_duration: this.ttl, renewable: true } }
    }
    const found = /^\/v1\/transit\/(keys|encrypt|decrypt)\/([a-z0-9-]+)(?:\/(rotate|config|trim))?$/.exec(path)
    if (found === null) throw new Refusal(404, 'no handler for route')
    const [, operation, name, act] = found as unknown as readonly [string, string, string, 'rotate' | 'config' | 'trim' | undefined]
    if (operation === 'keys' && method === 'POST' && act === undefined) {
      const fresh = { versions: [randomBytes(32)], minDecryptionVersion: 1, minEncryptionVersion: 0, minAvailableVersion: 0 }
      if (!this.keys.has(name)) this.keys.set(name, fresh)
      return null
    }
    const key = this.keys.get(name)
    if (key === undefined) throw operation === 'keys' ? new Refusal(404, '') : new Refusal(400, 'encryption key not found')
    if (operation === 'keys' && act !== undefined) {
      change(key, act, input)
      return null
    }
    if (operation === 'keys')
      return {
        data: {
          type: 'aes256-gcm96',
          latest_version: key.versions.length,
          exportable: false,
          min_decryption_version: key.minDecryptionVersion,
          min_encryption_version: key.minEncryptionVersion,
          min_available_version: key.minAvailableVersion,
        },
      }
    const aad = Buffer.from(input['associated_data'] ?? '', 'base64')
    if (operation === 'encrypt') {
      const version = input['key_version'] ?? key.versions.length
      const material = key.versions[version - 1]
      if (version < key.minEncryptionVersion)
        throw new Refusal(400, 'requested version for encryption is less than the minimum encryption key version')
      if (material === undefined || material === null)
        throw new Refusal(400, 'requested version for encryption is higher than the latest key version')
      const iv = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', material, iv)
      cipher.setAAD(aad)
      const sealed = Buffer.concat([iv, cipher.update(Buffer.from(input['plaintext']!, 'base64')), cipher.final(), cipher.getAuthTag()])
      return { data: { ciphertext: `vault:v${version}:${sealed.toString('base64')}`, key_version: version } }
    }
    return { data: { plaintext: open(key, String(input['ciphertext']), aad).toString('base64') } }
  }
}

/** @see https://openbao.org/api-docs/secret/transit/#trim-key */
function change(key: FakeTransitKey, act: 'rotate' | 'config' | 'trim', input: Readonly<Record<string, string & number>>): void {
  if (act === 'rotate') {
    key.versions.push(randomBytes(32))
    return
  }
  if (act === 'config') {
    const [decryption, encryption] = [
      input['min_decryption_version'] ?? key.minDecryptionVersion,
      input['min_encryption_version'] ?? key.minEncryptionVersion,
    ]
    if (decryption > key.versions.length || encryption > key.versions.length)
      throw new Refusal(400, 'cannot set min version higher than the latest key version')
    if (encryption !== 0 && encryption < decryption)
      throw new Refusal(400, 'min encryption version should not be less than min decryption version')
    key.minDecryptionVersion = decryption
    key.minEncryptionVersion = encryption
    return
  }
  const available = Number(input['min_available_version'])
  if (key.minDecryptionVersion === 0 || key.minEncryptionVersion === 0)
    throw new Refusal(
      400,
      'minimum available version cannot be set when minimum encryption version or minimum decryption version is not set',
    )
  if (available > Math.min(key.minDecryptionVersion, key.minEncryptionVersion) || available <= key.minAvailableVersion)
    throw new Refusal(400, 'invalid min available version')
  key.minAvailableVersion = available
  for (let version = 1; version < available; version++) key.versions[version - 1] = null
}

function open({ versions, minDecryptionVersion }: FakeTransitKey, ciphertext: string, aad: Uint8Array): Buffer {
  const found = /^vault:v(\d+):(.*)$/.exec(ciphertext)
  if (found === null) throw new Refusal(400, 'invalid ciphertext: no prefix')
  const version = Number(found[1])
  if (version < minDecryptionVersion) throw new Refusal(400, 'ciphertext or signature version is disallowed by policy (too old)')
  const material = versions[version - 1]
  const bytes = Buffer.from(found[2]!, 'base64')
  if (material === undefined || material === null || bytes.byteLength < 28)
    throw new Refusal(400, 'invalid ciphertext: could not decode base64')
  const decipher = createDecipheriv('aes-256-gcm', material, bytes.subarray(0, 12), { authTagLength: 16 })
  decipher.setAAD(aad)
  decipher.setAuthTag(bytes.subarray(-16))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()])
  } catch {
    throw new Refusal(400, 'cipher: message authentication failed')
  }
}

function json(status: number, body: object): FakeAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

function refused(status: number, message: string): FakeAnswer {
  return json(status, { errors: message === '' ? [] : [message] })
}
