import { newId, RedoubtError } from '#foundation/core'
import { openObject, removeUnfinished, sealObject } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { Keys, KeyUse } from '#trust/keys'
import { sha256 } from './model-version.ts'

const FOLDER = 'models'
const ENDING = '.rdbt'

/** Model files at rest: sealed RDBT1 objects, each under a data key of its own that is bound to the digest of its content. */
export interface ModelFiles {
  /** Durable when it resolves. @param name the model whose key-encryption keys it lies under. @returns the path of the object. */
  store(name: string, file: Uint8Array, digest: string, use: KeyUse): Promise<string>
  /**
   * @returns a fresh copy in memory that nobody else holds.
   * @throws {RedoubtError} `ERR_MODEL_SIGNATURE` when the object is missing, was changed, or belongs to another digest.
   */
  load(path: string, digest: string, use: KeyUse): Promise<Uint8Array>
  remove(path: string): void
  /** Paths of all that is stored. */
  list(): readonly string[]
}

export function openModelFiles(objects: DurableFolder, keys: Keys): ModelFiles {
  objects.makeFolder(FOLDER)
  objects.syncFolder('')
  removeUnfinished(objects, FOLDER)
  return {
    async store(name, file, digest, use) {
      const path = `${FOLDER}/${digest}-${newId('m').slice(2)}${ENDING}`
      const key = await keys.generateDataKey({ keyClass: 'model', name }, resourceOf(digest), use)
      const sealed = await sealObject(objects, path, key, [file])
      if (sealed.plaintextDigest !== digest) {
        objects.remove(path)
        throw new RedoubtError('ERR_STORAGE_CORRUPT', 'the model file changed while it was stored')
      }
      return path
    },
    async load(path, digest, use) {
      let bytes: Uint8Array
      try {
        const object = await openObject(objects, path, (wrapped) => keys.unwrap(wrapped, use), { resource: resourceOf(digest) })
        bytes = await object.readAll()
      } catch (cause) {
        if (cause instanceof RedoubtError && TAMPERED.has(cause.code))
          throw new RedoubtError('ERR_MODEL_SIGNATURE', 'the stored model file was changed or is missing', {
            cause,
            evidence: { step: 'file' },
          })
        throw cause
      }
      if (sha256(bytes) !== digest)
        throw new RedoubtError('ERR_MODEL_SIGNATURE', 'the stored model file does not match its digest', { evidence: { step: 'digest' } })
      return bytes
    },
    remove(path) {
      if (objects.exists(path)) objects.remove(path)
    },
    list: () => objects.list(FOLDER).flatMap((file) => (file.endsWith(ENDING) ? [`${FOLDER}/${file}`] : [])),
  }
}

/** What shows that the object is not the one that was stored; a locked key or a failing disk is something else. */
const TAMPERED: ReadonlySet<string> = new Set(['ERR_CRYPTO_AUTHENTICATION', 'ERR_CRYPTO_FORMAT', 'ERR_CRYPTO_PARAMETER', 'ERR_NOT_FOUND'])

const resourceOf = (digest: string): string => `model-file/${digest}`
