import { createHash, randomBytes, verify } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import { type KeyProvider, SIGNING_KEYS, type SigningKeyName, wrapAad } from '../key-provider.ts'
import { KeyRecords } from '../outside/key-records.ts'
import { type HeldSigningKey, type KeyService, openServiceProvider, type ServiceProviderOptions } from '../outside/outside-provider.ts'
import type { Pkcs11Config } from './config.ts'
import { derSignature, publicKeyOfPoint } from './elliptic.ts'
import { HsmWorker } from './hsm-worker.ts'
import { ASK, IV_BYTES, TAG_BYTES } from './messages.ts'
import { COUNTED, isCounted } from './use-counts.ts'
import { spawnWorker, type WorkerProcess } from './spawn-worker.ts'

const KIND = 'pkcs11'
const ID_BYTES = 16
/** What others never need in clear; the others are wrapped by the token. */
const KEPT_INSIDE = ['checkpoint', 'model-signing'] as const satisfies readonly SigningKeyName[]
const PROBE = Buffer.from('Redoubt asks whether this key signs. This is no checkpoint and no model.\n')

export interface Pkcs11Options extends ServiceProviderOptions {
  readonly resolveSecret: (reference: string) => string
  /** Starts the process that talks to the HSM; a real one unless given. */
  readonly start?: () => WorkerProcess
}

/**
 * A provider whose key-encryption keys are made in an HSM and stay there, and the keys of checkpoints (where the token knows Ed25519) and
 * of models too. What a first start made in the token before it failed stays there unused, under labels that begin with `redoubt`.
 * @throws {RedoubtError} `ERR_CONFIG_INVALID`, `ERR_KEYS_PROVIDER_DENIED` for the PIN, `ERR_KEYS_PROVIDER_UNAVAILABLE`,
 *   `ERR_KEYS_EXTRACTABLE`, and what `openServiceProvider` throws.
 */
export async function openPkcs11Provider(config: Pkcs11Config, options: Pkcs11Options): Promise<KeyProvider> {
  const worker = new HsmWorker({
    start: options.start ?? (() => spawnWorker(config)),
    opening: () =>
      [config.library, config.token, config.serial ?? '', options.resolveSecret(config.pin), String(config.sessions)].map((text) =>
        Buffer.from(text),
      ),
    token: config.token,
    clock: options.clock,
    callTimeoutMs: config.callTimeoutMs,
  })
  try {
    const records = KeyRecords.open({ ...options, provider: KIND })
    // What keys move away from signs nothing any more, and may have lost the keys that it signed with.
    const held = options.former === true ? [] : records === null ? await makeHeld(worker, options) : await recordedHeld(worker, records)
    return await openServiceProvider(serviceOver(worker, held), options)
  } catch (thrown) {
    worker.close()
    throw thrown
  }
}

function serviceOver(worker: HsmWorker, held: readonly HeldSigningKey[]): KeyService {
  return {
    kind: KIND,
    held,
    async make({ keyClass, version }) {
      const id = randomBytes(ID_BYTES)
      await worker.call(ASK.makeKey, [id, Buffer.from(`redoubt ${keyClass} ${version}`)], false)
      return id.toString('hex')
    },
    async wrap(version, material, binding) {
      // Chosen here, so that asking twice is the same use of the key and not another one.
      const iv = randomBytes(IV_BYTES)
      const sealed = await one(worker.call(ASK.encrypt, [idOf(version.reference), iv, wrapAad(version, binding), material], true))
      if (sealed.byteLength !== material.byteLength + TAG_BYTES)
        throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', 'the token gave a wrapped key of another length')
      return Buffer.concat([iv, sealed])
    },
    async unwrap(version, wrapped, binding) {
      if (wrapped.byteLength <= IV_BYTES + TAG_BYTES) throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the wrapped key is too short')
      const [iv, sealed] = [wrapped.subarray(0, IV_BYTES), wrapped.subarray(IV_BYTES)]
      return one(worker.call(ASK.decrypt, [idOf(version.reference), iv, wrapAad(version, binding), sealed], true))
    },
    async destroy({ reference }) {
      await worker.call(ASK.destroyKey, [idOf(reference)], true)
      return null
    },
    async probe({ reference }) {
      await worker.call(ASK.check, [idOf(reference)], true)
    },
    async operations() {
      const { uses, inferred } = await worker.uses()
      const counts = uses.flatMap(([ask, reference, count]) => (isCounted(ask) ? [{ operation: COUNTED[ask], reference, count }] : []))
      return { counts, inferred }
    },
    close: () => worker.close(),
  }
}

/** A first start: pairs are made of what the token can do; but keys that move here go on signing, by which they are known. */
async function makeHeld(
  worker: HsmWorker,
  { moving, takingOver }: Pick<Pkcs11Options, 'moving' | 'takingOver'>,
): Promise<readonly HeldSigningKey[]> {
  if (moving !== undefined) return []
  const held: HeldSigningKey[] = []
  for (const name of KEPT_INSIDE) {
    if (takingOver?.signing.some((key) => key.name === name) === true) continue
    const algorithm = SIGNING_KEYS[name]
    const knows = await one(worker.call(ASK.knows, [Buffer.from(algorithm)], true))
    if (knows.toString() !== '1') continue
    const id = randomBytes(ID_BYTES)
    await worker.call(ASK.makePair, [id, Buffer.from(`redoubt ${name}`), Buffer.from(algorithm)], false)
    held.push(await heldKey(worker, name, id.toString('hex')))
  }
  return held
}

async function recordedHeld(worker: HsmWorker, records: KeyRecords): Promise<readonly HeldSigningKey[]> {
  const held: HeldSigningKey[] = []
  for (const name of KEPT_INSIDE) {
    const record = records.signing(name)
    if (record !== null) held.push(await heldKey(worker, name, record.reference))
  }
  return held
}

/** The public key lies in the token unprotected: the private one shows once at each opening that it belongs to it. */
async function heldKey(worker: HsmWorker, name: (typeof KEPT_INSIDE)[number], reference: string): Promise<HeldSigningKey> {
  const algorithm = SIGNING_KEYS[name]
  const id = idOf(reference)
  const sign = async (message: Uint8Array): Promise<Uint8Array> => {
    const data = algorithm === 'ES256' ? createHash('sha256').update(message).digest() : message
    const raw = await one(worker.call(ASK.sign, [id, Buffer.from(algorithm), data], true))
    return algorithm === 'ES256' ? derSignature(raw) : raw
  }
  const publicKey = publicKeyOfPoint(await one(worker.call(ASK.publicPoint, [id], true)), algorithm)
  if (!verify(algorithm === 'ES256' ? 'sha256' : null, PROBE, publicKey, await sign(PROBE)))
    throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', `the token has another public key of \`${name}\` than its private key signs for`)
  return { name, reference, publicKey, sign }
}

async function one(answer: Promise<readonly Buffer[]>): Promise<Buffer> {
  const [part, ...more] = await answer
  if (part === undefined || more.length > 0)
    throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', 'the process that talks to the HSM gave a strange answer')
  return part
}

function idOf(reference: string): Buffer {
  if (!/^[0-9a-f]{32}$/.test(reference))
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the key records name what is no key of a token')
  return Buffer.from(reference, 'hex')
}
