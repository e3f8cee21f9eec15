import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  hash,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto'
import { type AuditEvent, ManualClock, RedoubtError, type SealedFields, type Signer, type SubjectSealer } from '#foundation/core'
import { type DurableFolder, MemoryFolder } from '#foundation/storage'
import { openAuditLog } from './audit-log.ts'
import type { AuditLog, AuditLogOptions } from './contract.ts'

/** Real, small implementations of the ports that the log needs, for its tests and benchmarks. */
export const TEST_ORIGIN = 'redoubt.test/log'
export const TEST_TIME = Date.UTC(2026, 0, 15, 12)

const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Ed25519 from a seed, so that two runs and two processes sign as the same log. */
export function testKey(seed: string): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_ED25519, hash('sha256', seed, 'buffer')]),
    format: 'der',
    type: 'pkcs8',
  })
  return { privateKey, publicKey: createPublicKey(privateKey) }
}

export function testSigner(seed = 'log'): Signer {
  const { privateKey, publicKey } = testKey(seed)
  return { algorithm: 'Ed25519', keyId: seed, publicKey, sign: (message) => Promise.resolve(sign(null, message, privateKey)) }
}

/** Seals with AES-256-GCM under one random key per subject; `destroy` makes what was sealed unreadable. */
export class MemorySealer implements SubjectSealer {
  readonly #keys = new Map<string, Buffer>()

  pseudonym(subject: string): string {
    return createHmac('sha256', 'test').update(subject).digest('base64url')
  }

  seal(subject: string, plaintext: Uint8Array, context: string): Promise<SealedFields> {
    const pseudonym = this.pseudonym(subject)
    const key = this.#keys.get(pseudonym) ?? randomBytes(32)
    this.#keys.set(pseudonym, key)
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context))
    const sealed = Buffer.concat([nonce, cipher.update(plaintext), cipher.final()])
    return Promise.resolve({ pseudonym, ciphertext: Buffer.concat([sealed, cipher.getAuthTag()]) })
  }

  async open({ pseudonym, ciphertext }: SealedFields, context: string): Promise<Uint8Array> {
    const key = this.#keys.get(pseudonym)
    if (key === undefined) throw new RedoubtError('ERR_KEYS_DESTROYED')
    const bytes = Buffer.from(ciphertext)
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12)).setAAD(Buffer.from(context))
    decipher.setAuthTag(bytes.subarray(-16))
    return Promise.resolve(Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]))
  }

  destroy(subject: string): void {
    this.#keys.delete(this.pseudonym(subject))
  }
}

/** A log with test keys; checkpoints only when asked for, unless the options say otherwise. */
export function openTestLog(options: Partial<AuditLogOptions> & { readonly folder?: DurableFolder } = {}): Promise<AuditLog> {
  return openAuditLog({
    folder: new MemoryFolder(),
    signer: testSigner(),
    sealer: new MemorySealer(),
    searchKey: createSecretKey(Buffer.alloc(32, 7)),
    indexPath: ':memory:',
    origin: TEST_ORIGIN,
    clock: new ManualClock(TEST_TIME),
    instance: 'test',
    checkpointIntervalMs: 3_600_000,
    segmentBytes: 16_384,
    ...options,
  })
}

export function testEvent(overrides: Partial<AuditEvent> = {}): AuditEvent {
  return {
    type: 'inference.admission',
    actor: { type: 'ServiceAccount', id: 'scoring' },
    action: 'invoke',
    resource: { type: 'Model', id: 'credit' },
    outcome: 'success',
    requestId: 'req_1',
    purpose: 'credit-scoring',
    legalBasis: 'contract',
    decision: { effect: 'allow', policies: ['application-invokes'], errors: [], policySet: 'sha256:00' },
    details: { rows: 1, inputDigest: 'abc' },
    ...overrides,
  }
}

/** mulberry32: uniform in [0, 1) from a seed, so that a failing run can be repeated. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Reads of a folder in the form that `verifyLog` takes. */
export function readerOf(folder: DurableFolder): (path: string) => Uint8Array | null {
  return (path) => folder.read(path)
}
