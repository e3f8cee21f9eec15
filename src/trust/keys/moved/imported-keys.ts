import { createHash, createSecretKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson, parseStrictJson, RedoubtError } from '#foundation/core'
import { type KeyBinding, openBytes, type WrappedKey } from '#foundation/crypto'
import { type DurableFolder, replaceFile } from '#foundation/storage'
import { wrapAad } from '../key-provider.ts'
import { KEY_CLASSES, type KeyClass, type KeyDescription } from '../keys.ts'
import type { WrappedKeys } from '../rotation/wrapped-places.ts'
import { type OperationCount, OperationCounter } from '../reconciliation/operations.ts'
import type { ExportedKey } from '../sealed-file/export-sealed-file.ts'

export const IMPORTED_KEYS_PATH = 'imported-keys.json'
const FORMAT = 'redoubt-imported-keys-1'
const MAX_FILE_BYTES = 8_388_608
const MAX_DEPTH = 5
const MAX_RECORDS = 16_384

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const keyId = z.string().min(1).max(128)
const version = z.number().int().min(1).max(0x7fff_ffff)
const fileSchema = z.strictObject({
  format: z.literal(FORMAT),
  keys: z
    .array(
      z.strictObject({
        keyId,
        keyClass: z.enum(KEY_CLASSES),
        version,
        createdAt: count,
        uses: count,
        /** null when destroyed: the record stays as a tombstone. */
        wrapping: z.strictObject({ keyId, version, wrapped: z.string().min(1).max(8_192) }).nullable(),
      }),
    )
    .max(MAX_RECORDS),
  checksum: z.string().regex(/^[0-9a-f]{64}$/),
})
type FileRecord = z.infer<typeof fileSchema>['keys'][number]
type Wrap = (material: Uint8Array, binding: KeyBinding) => Promise<WrappedKey>

interface Imported {
  readonly record: FileRecord
  /** null when destroyed. */
  readonly key: KeyObject | null
}

/**
 * Key-encryption key versions that came from a sealed file, each wrapped by the provider that holds the root now. They unwrap what they
 * wrapped before and wrap nothing any more: the provider's own versions follow on them in the same chains.
 */
export class ImportedKeys {
  readonly #folder: DurableFolder
  #keys: readonly Imported[]
  readonly #done = new OperationCounter()

  private constructor(folder: DurableFolder, keys: readonly Imported[]) {
    this.#folder = folder
    this.#keys = keys
  }

  /** Wraps each version and makes a durable file of them, in place of one that an unfinished move may have left. */
  static async create(folder: DurableFolder, keys: readonly ExportedKey[], wrap: Wrap): Promise<ImportedKeys> {
    const imported: Imported[] = []
    for (const { key, ...reference } of keys) {
      const material = key.export()
      try {
        const { keyId, version, wrapped } = await wrap(material, bindingOf(reference))
        imported.push({ record: { ...reference, wrapping: { keyId, version, wrapped } }, key })
      } finally {
        material.fill(0)
      }
    }
    save(folder, imported)
    return new ImportedKeys(folder, imported)
  }

  /** @returns null where nothing was imported. @throws {RedoubtError} `ERR_KEYS_KEYRING_CORRUPT`, and what `unwrap` throws. */
  static async open(folder: DurableFolder, unwrap: (wrapped: WrappedKey) => Promise<KeyObject>): Promise<ImportedKeys | null> {
    const bytes = folder.read(IMPORTED_KEYS_PATH)
    if (bytes === null) return null
    const keys: Imported[] = []
    for (const record of parse(bytes)) {
      if (record.wrapping === null) {
        keys.push({ record, key: null })
        continue
      }
      const material = (await unwrap({ ...record.wrapping, binding: bindingOf(record) })).export()
      keys.push({ record, key: createSecretKey(material) })
      material.fill(0)
    }
    return new ImportedKeys(folder, keys)
  }

  has({ keyId, version }: Pick<WrappedKey, 'keyId' | 'version'>): boolean {
    return this.#keys.some(({ record }) => record.keyId === keyId && record.version === version)
  }

  hasVersion(keyClass: KeyClass, version: number): boolean {
    return this.#keys.some(({ record }) => record.keyClass === keyClass && record.version === version)
  }

  /** Takes a version out of the file, durably, and out of memory; idempotent. */
  destroy(keyClass: KeyClass, version: number): void {
    const left = this.#keys.map((one) =>
      one.record.keyClass === keyClass && one.record.version === version ? { record: { ...one.record, wrapping: null }, key: null } : one,
    )
    const ending = this.#keys.some(({ record, key }) => record.keyClass === keyClass && record.version === version && key !== null)
    save(this.#folder, left)
    this.#keys = left
    if (ending) this.#done.add('destroy', keyClass)
  }

  /** The file, for whoever moves wrapped keys to newer versions. */
  wrappedKeys(): WrappedKeys {
    const idOf = ({ keyId, version }: FileRecord): string => `${keyId}/${version}`
    return {
      name: 'key versions that came from a sealed file',
      keyClass: 'configuration',
      pages: () => [
        this.#keys.flatMap(({ record }) =>
          record.wrapping === null ? [] : [{ id: idOf(record), wrapped: { ...record.wrapping, binding: bindingOf(record) } }],
        ),
      ],
      replace: (changes) => {
        const keys = this.#keys.map((one) => {
          const { wrapping } = one.record
          const change = changes.find(({ before }) => before.id === idOf(one.record) && before.wrapped.wrapped === wrapping?.wrapped)
          if (change === undefined) return one
          const { keyId, version, wrapped } = change.after
          return { ...one, record: { ...one.record, wrapping: { keyId, version, wrapped } } }
        })
        save(this.#folder, keys)
        this.#keys = keys
      },
    }
  }

  /** @throws {RedoubtError} `ERR_KEYS_UNKNOWN`, `ERR_KEYS_DESTROYED`, `ERR_CRYPTO_AUTHENTICATION`. */
  unwrap({ keyId, version, wrapped, binding }: WrappedKey): KeyObject {
    const found = this.#keys.find(({ record }) => record.keyId === keyId && record.version === version)
    if (found === undefined) throw new RedoubtError('ERR_KEYS_UNKNOWN')
    if (found.key === null) throw new RedoubtError('ERR_KEYS_DESTROYED')
    const material = openBytes(found.key, wrapAad({ keyId, version }, binding), Buffer.from(wrapped, 'base64url'))
    this.#done.add('unwrap', found.record.keyClass)
    const key = createSecretKey(material)
    material.fill(0)
    return key
  }

  operations(): readonly OperationCount[] {
    return this.#done.counts()
  }

  describe(): readonly KeyDescription[] {
    return this.#keys.map(({ record: { wrapping, ...reference } }) => ({
      ...reference,
      state: wrapping === null ? 'destroyed' : 'retired',
    }))
  }

  close(): void {
    this.#keys = []
  }
}

function save(folder: DurableFolder, keys: readonly Imported[]): void {
  const content = { format: FORMAT, keys: keys.map(({ record }) => record) }
  replaceFile(folder, IMPORTED_KEYS_PATH, new TextEncoder().encode(`${canonicalJson({ ...content, checksum: checksumOf(content) })}\n`))
}

function parse(bytes: Uint8Array): readonly FileRecord[] {
  let file: z.infer<typeof fileSchema>
  try {
    file = fileSchema.parse(parseStrictJson(bytes, { maxBytes: MAX_FILE_BYTES, maxDepth: MAX_DEPTH }))
  } catch (cause) {
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the file of imported keys is not in its format', { cause })
  }
  const { checksum, ...content } = file
  if (checksum !== checksumOf(content))
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the file of imported keys does not match its checksum')
  return file.keys
}

function bindingOf({ keyId, keyClass, version }: Pick<FileRecord, 'keyId' | 'keyClass' | 'version'>): KeyBinding {
  return { tenant: 'default', resource: `imported-key/${keyClass}/${keyId}/${version}`, purpose: 'configuration' }
}

function checksumOf(content: { readonly format: string; readonly keys: FileRecord[] }): string {
  return createHash('sha256').update(canonicalJson(content)).digest('hex')
}
