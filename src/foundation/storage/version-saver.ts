import { createHash } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import type { NamedVersions, VersionRow } from './named-versions.ts'

const MAX_NAMES = 1_000
/** Of one name. */
export const MAX_VERSIONS = 1_000

/** SHA-256, hex: what commits to a version. */
export const manifestDigest = (manifest: string): string => createHash('sha256').update(manifest).digest('hex')

export interface NextVersion<Version> {
  readonly name: string
  /** Digest of the version that whoever allowed this looked at; null for what is new. */
  readonly replaces: string | null
  /** Whether a version says already what is to be saved. */
  says(latest: Version): boolean
  /** The text that is kept, and that the digest is of. */
  manifest(version: number): string
  /** Puts it on record. */
  record(version: Version): Promise<void>
}

/** Saves immutable versions of named things, one at a time, each on record before it counts. */
export class VersionSaver<Version extends { readonly version: number; readonly digest: string }> {
  readonly #tables: NamedVersions
  readonly #kind: string
  readonly #stored: (row: VersionRow) => Version
  #queue: Promise<unknown> = Promise.resolve()

  /** @param kind what messages call such a thing, like `pipeline`. @param stored reads a row back, and throws for one that is not what was saved. */
  constructor(tables: NamedVersions, kind: string, stored: (row: VersionRow) => Version) {
    this.#tables = tables
    this.#kind = kind
    this.#stored = stored
  }

  /**
   * @throws {RedoubtError} `ERR_CONFLICT` when the latest version is another than `replaces`, or says the same, or there are too many;
   *   what `record` throws, and `ERR_STORAGE_…`: then nothing was saved.
   */
  save(wanted: NextVersion<Version>): Promise<Version> {
    const saved = this.#queue.then(() => this.#save(wanted))
    this.#queue = saved.catch(() => undefined)
    return saved
  }

  async #save(wanted: NextVersion<Version>): Promise<Version> {
    const { name } = wanted
    const called = `${this.#kind} \`${name}\``
    const row = this.#tables.version(name)
    const latest = row === null ? null : this.#stored(row)
    if ((latest?.digest ?? null) !== wanted.replaces)
      throw new RedoubtError('ERR_CONFLICT', `the ${called} was changed by somebody else meanwhile; look at it and try again`)
    if (latest !== null && wanted.says(latest))
      throw new RedoubtError('ERR_CONFLICT', `version ${latest.version} of ${called} says the same already`)
    const count = this.#tables.count()
    if (latest === null && count.names >= MAX_NAMES) throw new RedoubtError('ERR_CONFLICT', `there are ${MAX_NAMES} ${this.#kind}s already`)
    if (count.of(name) >= MAX_VERSIONS)
      throw new RedoubtError('ERR_CONFLICT', `the ${called} has ${MAX_VERSIONS} versions; save it under another name`)
    const number = (latest?.version ?? 0) + 1
    const manifest = wanted.manifest(number)
    const made: VersionRow = { name, version: number, digest: manifestDigest(manifest), manifest }
    // What could not be read again is not kept.
    const version = this.#stored(made)
    try {
      this.#tables.insert(made)
      await wanted.record(version)
      this.#tables.confirm(name, number)
    } catch (cause) {
      this.#tables.withdraw(name, number)
      throw cause
    }
    return version
  }
}
