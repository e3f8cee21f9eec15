import { type Clock, newId, RedoubtError } from '#foundation/core'
import { type DurableFolder, replaceFile } from '#foundation/storage'
import { KEY_LIMITS, type KeyLimits } from '../key-limits.ts'
import type { KeyReference, SigningKeyName } from '../key-provider.ts'
import { KEY_CLASSES, type KeyClass, type KeyDescription } from '../keys.ts'
import { encodeKeyRecords, type KeyRecordsContent, type KeyVersionRecord, parseKeyRecords, type SigningRecord } from './key-records-file.ts'

export const KEY_RECORDS_PATH = 'outside-keys.json'

export interface KeyRecordsOptions {
  /** The keyring folder. */
  readonly folder: DurableFolder
  readonly clock: Clock
  /** The provider that the records belong to, like `pkcs11`; those of another one are refused. */
  readonly provider: string
  readonly limits?: KeyLimits
  /** Of `create`: chains that go on here, as after a move from another provider; a class that is not among them begins. */
  readonly continuing?: ReadonlyMap<KeyClass, KeyReference>
  /** Of `open`: it is a provider that keys move away from, so that none of its versions is primary any more. */
  readonly former?: boolean
  /** Of `open`: chains go on here by `continueFrom`, which makes their primary versions. */
  readonly takingOver?: unknown
}

/** One version of a key-encryption key. `reference` is the provider's own name of its material. */
export interface KeyVersion extends Readonly<KeyVersionRecord> {
  /** Never too low. */
  readonly uses: number
}

interface Counted extends KeyVersionRecord {
  uses: number
}

/**
 * The records of key versions whose material lies outside, in an HSM or a KMS: which exist, which is primary, how often each was used.
 * One file in the keyring folder, replaced atomically. The file is not secret and not authenticated: a wrapped key is bound to its key
 * and version by the provider, so an altered record opens nothing; what it can do is take a count of uses back.
 * @throws {RedoubtError} from every method `ERR_KEYS_UNKNOWN` once closed; `ERR_STORAGE_IO`, `ERR_STORAGE_FULL`.
 */
export class KeyRecords {
  readonly #options: KeyRecordsOptions
  readonly #limits: KeyLimits
  #versions: readonly Counted[]
  #signing: readonly SigningRecord[]
  #rotating: Promise<unknown> = Promise.resolve()
  #closed = false

  private constructor(options: KeyRecordsOptions, versions: readonly Counted[], signing: readonly SigningRecord[]) {
    this.#options = options
    this.#limits = options.limits ?? KEY_LIMITS
    this.#versions = versions
    this.#signing = signing
  }

  /**
   * @returns null when there are none: the provider was never set up here.
   * @throws {RedoubtError} `ERR_KEYS_KEYRING_CORRUPT`, also when they are another provider's.
   */
  static open(options: KeyRecordsOptions): KeyRecords | null {
    const bytes = options.folder.read(KEY_RECORDS_PATH)
    if (bytes === null) return null
    const { provider, encryption, signing } = parseKeyRecords(bytes)
    if (provider !== options.provider)
      throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', `the key records are of provider \`${provider}\`, not of \`${options.provider}\``)
    const former = options.former === true
    const versions = encryption.map((record) => ({
      ...record,
      ...(former && record.state === 'primary' ? { state: 'retired' as const } : {}),
      uses: record.reservedUses,
    }))
    const whole = KEY_CLASSES.every((keyClass) => versions.some((record) => record.keyClass === keyClass && record.state === 'primary'))
    if (!whole && !former && options.takingOver === undefined)
      throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the key records name no primary version of a class')
    return new KeyRecords(options, versions, signing)
  }

  /**
   * The first version of each class, not durable before `save`: whoever sets a provider up writes what else is needed first, so that the
   * records are there only when all of it is. Until then a block of uses of each version is counted as reserved.
   * @param make makes the material outside and returns its name there.
   */
  static async create(
    options: KeyRecordsOptions,
    make: (key: KeyReference & { readonly keyClass: KeyClass }) => Promise<string>,
  ): Promise<KeyRecords> {
    const { clock, limits = KEY_LIMITS } = options
    const reservedUses = Math.min(limits.block, limits.refuseAt)
    const versions: Counted[] = []
    for (const keyClass of KEY_CLASSES) {
      const last = options.continuing?.get(keyClass)
      const key =
        last === undefined ? { keyId: newId('kek'), keyClass, version: 1 } : { keyId: last.keyId, keyClass, version: last.version + 1 }
      const reference = await make(key)
      versions.push({ ...key, state: 'primary', createdAt: clock.now(), reservedUses, reference, uses: 0 })
    }
    return new KeyRecords(options, versions, [])
  }

  /** Makes a version of each class whose chain is longer elsewhere, primary and durable when it returns. */
  async continueFrom(
    chains: ReadonlyMap<KeyClass, KeyReference>,
    make: (key: KeyReference & { readonly keyClass: KeyClass }) => Promise<string>,
  ): Promise<void> {
    let continued = this.#versions
    for (const [keyClass, last] of chains) {
      const primary = continued.find((record) => record.keyClass === keyClass && record.state === 'primary')
      if (primary !== undefined && primary.version > last.version) continue
      const key = { keyId: last.keyId, version: last.version + 1, keyClass }
      const reference = await make(key)
      const next: Counted = { ...key, state: 'primary', createdAt: this.#options.clock.now(), reservedUses: 0, reference, uses: 0 }
      continued = [...continued.map((other) => (other === primary ? { ...other, state: 'retired' as const } : other)), next]
    }
    // All at once: a cut before it leaves them as they were.
    this.save(continued)
    this.#versions = continued
  }

  primary(keyClass: KeyClass): KeyVersion {
    return this.#primary(keyClass)
  }

  /** @throws {RedoubtError} `ERR_KEYS_UNKNOWN` when there is no such version, `ERR_KEYS_DESTROYED` when it was destroyed. */
  find({ keyId, version }: KeyReference): KeyVersion {
    this.#open()
    const found = this.#versions.find((record) => record.keyId === keyId && record.version === version)
    if (found === undefined) throw new RedoubtError('ERR_KEYS_UNKNOWN')
    if (found.state === 'destroyed') throw new RedoubtError('ERR_KEYS_DESTROYED')
    return found
  }

  /**
   * Destroys a version, outside first: while it is not written down that this is done it is done again. Idempotent.
   * @param end ends the key outside; idempotent. @returns when its material is gone, where that is later; else null.
   * @throws {RedoubtError} `ERR_KEYS_UNKNOWN`; `ERR_CONFLICT` for a primary version; what `end` throws.
   */
  async destroy(keyClass: KeyClass, version: number, end: (version: KeyVersion) => Promise<number | null>): Promise<void> {
    this.#open()
    const found = this.#versions.find((record) => record.keyClass === keyClass && record.version === version)
    if (found === undefined) throw new RedoubtError('ERR_KEYS_UNKNOWN')
    if (found.state === 'primary') throw new RedoubtError('ERR_CONFLICT', 'the primary version wraps still: rotate first')
    if (found.state === 'destroyed') return
    const endsAt = await end(found)
    this.#open()
    const ended = this.#versions.map((record) =>
      record.keyClass === keyClass && record.version === version
        ? { ...record, state: 'destroyed' as const, ...(endsAt === null ? {} : { endsAt }) }
        : record,
    )
    this.save(ended)
    this.#versions = ended
  }

  /** Every version, the oldest of a class first. */
  all(): readonly KeyVersion[] {
    this.#open()
    return this.#versions
  }

  /**
   * The primary version of a class, one use of it counted: to be called before each wrap, also one that may fail.
   * INVARIANT: `reservedUses` in the file is never below the wraps that were made.
   * @throws {RedoubtError} `ERR_KEYS_EXHAUSTED` at 2^32 uses (NIST SP 800-38D §8.3).
   */
  use(keyClass: KeyClass): KeyVersion {
    const record = this.#primary(keyClass)
    if (record.uses >= this.#limits.refuseAt) throw new RedoubtError('ERR_KEYS_EXHAUSTED', undefined, { evidence: { uses: record.uses } })
    if (record.uses >= record.reservedUses) {
      const reservedUses = Math.min(record.uses + this.#limits.block, this.#limits.refuseAt)
      this.save(this.#versions.map((other) => (other === record ? { ...record, reservedUses } : other)))
      record.reservedUses = reservedUses
    }
    record.uses++
    return record
  }

  /**
   * Adds a version to a class and makes it primary; durable when it returns. One rotation after the other.
   * @param make makes the material outside and returns its name there.
   */
  rotate(keyClass: KeyClass, make: (key: KeyReference & { readonly keyClass: KeyClass }) => Promise<string>): Promise<KeyReference> {
    const rotation = this.#rotating.then(async () => {
      const { keyId, version } = this.#primary(keyClass)
      const key = { keyId, version: version + 1 }
      const reference = await make({ ...key, keyClass })
      const old = this.#primary(keyClass)
      const next: Counted = {
        ...key,
        keyClass,
        state: 'primary',
        createdAt: this.#options.clock.now(),
        reservedUses: 0,
        reference,
        uses: 0,
      }
      const rotated = [...this.#versions.map((other) => (other === old ? { ...other, state: 'retired' as const } : other)), next]
      // INVARIANT: the new version is in the file before it is in use; when that fails, written or not, it wrapped nothing.
      this.save(rotated)
      this.#versions = rotated
      return key
    })
    this.#rotating = rotation.catch(() => undefined)
    return rotation
  }

  /** A signing key that the provider holds itself; null when it holds none of this name. */
  signing(name: SigningKeyName): SigningRecord | null {
    this.#open()
    return this.#signing.find((record) => record.name === name) ?? null
  }

  /** To be made durable by `save`. */
  addSigning(record: SigningRecord): void {
    this.#open()
    this.#signing = [...this.#signing.filter(({ name }) => name !== record.name), record]
  }

  describe(): readonly KeyDescription[] {
    return this.#versions.map(({ keyId, keyClass, version, state, createdAt, uses, endsAt }) => ({
      keyId,
      keyClass,
      version,
      state,
      createdAt,
      uses,
      ...(endsAt === undefined ? {} : { endsAt }),
    }))
  }

  /** Classes whose primary version is due by age or by uses. */
  rotationDue(): readonly KeyClass[] {
    const now = this.#options.clock.now()
    return this.#versions
      .filter(({ state }) => state === 'primary')
      .filter(({ uses, createdAt }) => uses >= this.#limits.rotateAt || now - createdAt >= this.#limits.rotateAfterMs)
      .map(({ keyClass }) => keyClass)
  }

  /** Makes the records, or what they are about to become, durable. */
  save(versions: readonly Counted[] = this.#versions): void {
    this.#open()
    const encryption = versions.map(({ uses: _uses, ...record }) => record)
    const content: KeyRecordsContent = { provider: this.#options.provider, encryption, signing: [...this.#signing] }
    replaceFile(this.#options.folder, KEY_RECORDS_PATH, encodeKeyRecords(content))
  }

  /** The counts in the file become exact; when that fails they are too high, never too low. */
  close(): void {
    if (this.#closed) return
    try {
      if (this.#versions.some(({ reservedUses, uses }) => reservedUses !== uses))
        this.save(this.#versions.map((record) => ({ ...record, reservedUses: record.uses })))
    } catch {
      // Too high, then.
    }
    this.#closed = true
    this.#versions = []
  }

  #primary(keyClass: KeyClass): Counted {
    this.#open()
    return this.#versions.find((record) => record.keyClass === keyClass && record.state === 'primary')!
  }

  #open(): void {
    if (this.#closed) throw new RedoubtError('ERR_KEYS_UNKNOWN', 'the keyring is closed')
  }
}
