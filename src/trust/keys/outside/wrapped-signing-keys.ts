import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson, type Clock, newId, parseStrictJson, RedoubtError } from '#foundation/core'
import type { KeyBinding, WrappedKey } from '#foundation/crypto'
import { type DurableFolder, replaceFile } from '#foundation/storage'
import { type KeyProvider, type KeyReference, SIGNING_KEYS, type SigningKey, type SigningKeyName } from '../key-provider.ts'
import type { KeyDescription } from '../keys.ts'
import type { WrappedKeys } from '../rotation/wrapped-places.ts'
import { type OperationCount, OperationCounter } from '../reconciliation/operations.ts'
import type { ExportedSigningKey } from '../sealed-file/export-sealed-file.ts'

export const WRAPPED_SIGNING_KEYS_PATH = 'wrapped-signing-keys.json'
const FORMAT = 'redoubt-wrapped-signing-keys-1'
const MAX_FILE_BYTES = 65_536
const MAX_DEPTH = 4
const MAX_WRAPPED_LENGTH = 8_192

const recordSchema = z
  .object({
    name: z.enum(Object.keys(SIGNING_KEYS) as [SigningKeyName, ...SigningKeyName[]]),
    keyId: z.string().min(1).max(128),
    version: z.number().int().min(1).max(0x7fff_ffff),
    createdAt: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
    wrapping: z
      .object({
        keyId: z.string().min(1).max(128),
        version: z.number().int().min(1).max(0x7fff_ffff),
        wrapped: z.string().min(1).max(MAX_WRAPPED_LENGTH),
      })
      .strict(),
  })
  .strict()
type WrappedRecord = z.infer<typeof recordSchema>

const fileSchema = z
  .object({
    format: z.literal(FORMAT),
    keys: z.array(recordSchema).max(Object.keys(SIGNING_KEYS).length),
    checksum: z.string().regex(/^[0-9a-f]{64}$/),
  })
  .strict()

interface PrivateKey extends KeyReference {
  readonly name: SigningKeyName
  readonly createdAt: number
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  uses: number
}

/**
 * Signing keys that a provider does not hold itself, or that have to be released: made in software, kept in the keyring folder wrapped
 * by the provider under class `configuration`, bound to their name, key and version; in memory in clear while the keyring is open.
 * @throws {RedoubtError} from every method `ERR_KEYS_UNKNOWN` for a key it has not, and once closed.
 */
export class WrappedSigningKeys {
  readonly #folder: DurableFolder
  #keys: readonly PrivateKey[]
  #records: readonly WrappedRecord[]
  readonly #done = new OperationCounter()

  private constructor(folder: DurableFolder, keys: readonly PrivateKey[], records: readonly WrappedRecord[]) {
    this.#folder = folder
    this.#keys = keys
    this.#records = records
  }

  /** Of a provider that signs nothing any more. */
  static none(folder: DurableFolder): WrappedSigningKeys {
    return new WrappedSigningKeys(folder, [], [])
  }

  /** Makes the keys and a durable file of them, in place of one that an unfinished start may have left. */
  static async create(
    {
      folder,
      clock,
      names,
      given = [],
    }: {
      readonly folder: DurableFolder
      readonly clock: Clock
      readonly names: readonly SigningKeyName[]
      /** Keys that come from another provider; what is not among them is made. */
      readonly given?: readonly ExportedSigningKey[]
    },
    wrap: (material: Uint8Array, binding: KeyBinding) => ReturnType<KeyProvider['wrap']>,
  ): Promise<WrappedSigningKeys> {
    const keys: PrivateKey[] = []
    const records: WrappedRecord[] = []
    for (const name of names) {
      const { privateKey, ...reference } = given.find((key) => key.name === name) ?? newKey(name, clock)
      const publicKey = createPublicKey(privateKey)
      const der = privateKey.export({ type: 'pkcs8', format: 'der' })
      try {
        const { keyId, version, wrapped } = await wrap(der, bindingOf(reference))
        records.push({ ...reference, wrapping: { keyId, version, wrapped } })
      } finally {
        der.fill(0)
      }
      keys.push({ ...reference, privateKey, publicKey, uses: 0 })
    }
    save(folder, records)
    return new WrappedSigningKeys(folder, keys, records)
  }

  /** @throws {RedoubtError} `ERR_KEYS_KEYRING_CORRUPT` when a key is missing or not what was wrapped; what `unwrap` throws. */
  static async open(
    { folder, names }: { readonly folder: DurableFolder; readonly names: readonly SigningKeyName[] },
    unwrap: (wrapped: WrappedKey) => Promise<KeyObject>,
  ): Promise<WrappedSigningKeys> {
    const records = parse(folder.read(WRAPPED_SIGNING_KEYS_PATH))
    const keys: PrivateKey[] = []
    for (const name of names) {
      const record = records.find((other) => other.name === name)
      if (record === undefined) throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', `there is no wrapped signing key \`${name}\``)
      keys.push(await openRecord(record, unwrap))
    }
    return new WrappedSigningKeys(folder, keys, records)
  }

  sign(name: SigningKeyName, message: Uint8Array): Uint8Array {
    const key = this.#find(name)
    key.uses++
    this.#done.add('sign', name)
    return sign(SIGNING_KEYS[name] === 'Ed25519' ? null : 'sha256', message, key.privateKey)
  }

  publicKey(name: SigningKeyName): SigningKey {
    const { keyId, version, publicKey } = this.#find(name)
    return { keyId, version, publicKey, algorithm: SIGNING_KEYS[name] }
  }

  release(name: SigningKeyName): KeyObject {
    const { privateKey } = this.#find(name)
    this.#done.add('release', name)
    return privateKey
  }

  operations(): readonly OperationCount[] {
    return this.#done.counts()
  }

  describe(): readonly KeyDescription[] {
    return this.#keys.map(({ name, keyId, version, createdAt, uses }) => ({
      keyId,
      keyClass: 'signing',
      name,
      version,
      state: 'primary',
      createdAt,
      uses,
    }))
  }

  /** The file, for whoever moves wrapped keys to newer versions. */
  wrappedKeys(): WrappedKeys {
    return {
      name: 'signing',
      keyClass: 'configuration',
      pages: () => [this.#records.map((record) => ({ id: record.name, wrapped: { ...record.wrapping, binding: bindingOf(record) } }))],
      replace: (changes) => {
        const records = this.#records.map((record) => {
          const change = changes.find(({ before }) => before.id === record.name && before.wrapped.wrapped === record.wrapping.wrapped)
          if (change === undefined) return record
          const { keyId, version, wrapped } = change.after
          return { ...record, wrapping: { keyId, version, wrapped } }
        })
        // Either file opens: the version before is destroyed only once nothing names it.
        save(this.#folder, records)
        this.#records = records
      },
    }
  }

  close(): void {
    this.#keys = []
    this.#records = []
  }

  #find(name: SigningKeyName): PrivateKey {
    const key = this.#keys.find((other) => other.name === name)
    if (key === undefined) throw new RedoubtError('ERR_KEYS_UNKNOWN', `no key \`${name}\` is open`)
    return key
  }
}

function newKey(name: SigningKeyName, clock: Clock): ExportedSigningKey {
  const { privateKey } =
    SIGNING_KEYS[name] === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { name, keyId: newId('key'), version: 1, createdAt: clock.now(), privateKey }
}

function save(folder: DurableFolder, records: readonly WrappedRecord[]): void {
  const content = { format: FORMAT, keys: [...records] }
  const file = { ...content, checksum: checksumOf(content) }
  replaceFile(folder, WRAPPED_SIGNING_KEYS_PATH, new TextEncoder().encode(`${canonicalJson(file)}\n`))
}

function parse(bytes: Uint8Array | null): readonly WrappedRecord[] {
  if (bytes === null) throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the file of wrapped signing keys is gone')
  let file: z.infer<typeof fileSchema>
  try {
    file = fileSchema.parse(parseStrictJson(bytes, { maxBytes: MAX_FILE_BYTES, maxDepth: MAX_DEPTH }))
  } catch (cause) {
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the file of wrapped signing keys is not in its format', { cause })
  }
  const { checksum, ...content } = file
  if (checksum !== checksumOf(content))
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the file of wrapped signing keys does not match its checksum')
  return file.keys
}

async function openRecord(record: WrappedRecord, unwrap: (wrapped: WrappedKey) => Promise<KeyObject>): Promise<PrivateKey> {
  const { name, keyId, version, createdAt, wrapping } = record
  const material = await unwrap({ ...wrapping, binding: bindingOf(record) })
  const der = material.export()
  try {
    const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    return { name, keyId, version, createdAt, privateKey, publicKey: createPublicKey(privateKey), uses: 0 }
  } catch {
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', `the wrapped signing key \`${name}\` is not a private key`)
  } finally {
    der.fill(0)
  }
}

function bindingOf({ name, keyId, version }: KeyReference & { readonly name: SigningKeyName }): KeyBinding {
  return { tenant: 'default', resource: `signing-key/${name}/${keyId}/${version}`, purpose: 'configuration' }
}

function checksumOf(content: { readonly format: string; readonly keys: WrappedRecord[] }): string {
  return createHash('sha256').update(canonicalJson(content)).digest('hex')
}
