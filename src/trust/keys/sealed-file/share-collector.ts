import { RedoubtError } from '#foundation/core'
import { deriveKeyArgon2id } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import { combineShares, readShare, type Share } from '../shares/share-text.ts'
import { type KeyringFile, openKeyringFile, parseKeyringFile } from './keyring-file.ts'
import { KEYRING_PATH } from './sealed-file-provider.ts'

export interface Unsealing {
  readonly given: number
  readonly threshold: number
}

/**
 * Takes shares of the secret that opens a sealed file, one after another, and tells when there are enough. They stay in memory only.
 * A share of another set, or one that was given already, changes nothing; when enough are there and do not open the file, all are forgotten,
 * for nobody can tell which of them is wrong.
 */
export class ShareCollector {
  readonly #file: KeyringFile
  readonly #shares = new Map<number, Share>()
  #adding: Promise<unknown> = Promise.resolve()

  private constructor(file: KeyringFile) {
    this.#file = file
  }

  /** @throws {RedoubtError} `ERR_CONFIG_INVALID` where there is no keyring that shares open, `ERR_KEYS_KEYRING_CORRUPT`. */
  static open(folder: DurableFolder): ShareCollector {
    const bytes = folder.read(KEYRING_PATH)
    const file = bytes === null ? null : parseKeyringFile(bytes)
    if (file === null || file.shares === null)
      throw new RedoubtError(
        'ERR_CONFIG_INVALID',
        '`keys.unseal: shamir` is for a keyring whose shares were made: start with a passphrase, run `redoubt keys shares`, then set it',
      )
    return new ShareCollector(file)
  }

  state(): Unsealing {
    return { given: this.#shares.size, threshold: this.#file.shares!.threshold }
  }

  /**
   * @returns the secret that opens the keyring, or null while more shares are needed.
   * @throws {RedoubtError} `ERR_KEYS_SHARE`.
   */
  async add(text: string): Promise<Uint8Array | null> {
    // One after another: two holders at the same time must not both complete the set.
    const added = this.#adding.then(() => this.#add(readShare(text)))
    this.#adding = added.catch(() => undefined)
    return added
  }

  async #add(share: Share): Promise<Uint8Array | null> {
    const { set, threshold, of } = this.#file.shares!
    if (share.set !== set || share.threshold !== threshold || share.of !== of)
      throw new RedoubtError('ERR_KEYS_SHARE', 'the share is of another set than this keyring’s')
    if (this.#shares.has(share.index)) throw new RedoubtError('ERR_KEYS_SHARE', `share ${share.index} was given already`)
    this.#shares.set(share.index, share)
    if (this.#shares.size < threshold) return null
    const secret = combineShares([...this.#shares.values()])
    this.#shares.clear()
    try {
      openKeyringFile(await deriveKeyArgon2id(secret, this.#file.salt, this.#file.parameters), this.#file)
      return secret
    } catch (cause) {
      secret.fill(0)
      throw new RedoubtError('ERR_KEYS_SHARE', 'the shares together do not open the keyring: one of them is wrong; give them again', {
        cause,
      })
    }
  }
}
