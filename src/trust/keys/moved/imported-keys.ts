import { createHash, createSecretKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson, parseStrictJson, RedoubtError } from '#foundation/core'
import { type KeyBinding, openBytes, type WrappedKey } from '#foundation/crypto'
import { type DurableFolder, replaceFile } from '#foundation/storage'
import { wrapAad } from '../key-provider.ts'
import { KEY_CLASSES, type KeyDescription } from '../keys.ts'
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
        wrapping: z.strictObject({ keyId, version, wrapped: z.string().min(1).max(8_192) }),
      }),
    )
    .max(MAX_RECORDS),
  checksum: z.string().regex(/^[0-9a-f]{64}$/),
})
type FileRecord = z.infer<typeof fileSchema>['keys'][number]
type Wrap = (material: Uint8Array, binding: KeyBinding) => Promise<WrappedKey>

interface Imported {
  readonly record: FileRecord
  readonly key: KeyObject
}

/**
 * Key-encryption key versions that came from a sealed file, each wrapped by the provider that holds the root now. They unwrap what they
 * wrapped before and wrap nothing any more: the provider's own versions follow on them in the same chains.
 */
export class ImportedKeys {
  #keys: readonly Imported[]
  readonly #done = new OperationCounter()

  private constructor(keys: readonly Imported[]) {
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
    return new ImportedKeys(imported)
  }

  /** @returns null where nothing was imported. @throws {RedoubtError} `ERR_KEYS_KEYRING_CORRUPT`, and what `unwrap` throws. */
  static async open(folder: DurableFolder, unwrap: (wrapped: WrappedKey) => Promise<KeyObject>): Promise<ImportedKeys | null> {
    const bytes = folder.read(IMPORTED_KEYS_PATH)
    if (bytes === null) return null
    const keys: Imported[] = []
    for (const record of parse(bytes)) {
      const material = (await unwrap({ ...record.wrapping, binding: bindingOf(record) })).export()
      keys.push({ record, key: createSecretKey(material) })
      material.fill(0)
    }
    return new ImportedKeys(keys)
  }

  has({ keyId, version }: Pick<WrappedKey, 'keyId' | 'version'>): boolean {
    return this.#keys.some(({ record }) => record.keyId === keyId && record.version === version)
  }

  /** @throws {RedoubtError} `ERR_KEYS_UNKNOWN`, `ERR_CRYPTO_AUTHENTICATION`. */
  unwrap({ keyId, version, wrapped, binding }: WrappedKey): KeyObject {
    const found = this.#keys.find(({ record }) => record.keyId === keyId && record.version === version)
    if (found === undefined) throw new RedoubtError('ERR_KEYS_UNKNOWN')
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
    return this.#keys.map(({ record: { wrapping: _wrapping, ...reference } }) => ({ ...reference, state: 'retired' }))
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
