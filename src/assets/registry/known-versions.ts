import { type EntityFacts, RedoubtError } from '#foundation/core'
import { factsOf } from './model-facts.ts'
import { type ModelVersion, writeManifest } from './model-version.ts'

interface Entry {
  readonly version: ModelVersion
  readonly facts: EntityFacts
}

/** The versions as they are now, in memory, and who is told of their changes. */
export class KnownVersions {
  readonly #environment: string
  readonly #entries = new Map<string, Map<number, Entry>>()
  readonly #listeners = new Set<(version: ModelVersion) => void>()

  constructor(environment: string) {
    this.#environment = environment
  }

  keep(version: ModelVersion): ModelVersion {
    const versions = this.#entries.get(version.name) ?? new Map<number, Entry>()
    this.#entries.set(version.name, versions)
    versions.set(version.version, { version, facts: factsOf(version, this.#environment) })
    return version
  }

  /** Keeps it and tells of it. */
  change(version: ModelVersion): ModelVersion {
    this.keep(version)
    for (const listener of this.#listeners) listener(version)
    return version
  }

  /** @returns the object that is already known when nothing changed, so that facts stay the same object. */
  current(version: ModelVersion): ModelVersion {
    const known = this.get(version.name, version.version)
    return known && known.signed && writeManifest(known) === writeManifest(version) ? known : this.keep(version)
  }

  /** @param version the latest one without. */
  get(name: string, version?: number): ModelVersion | null {
    return this.#entry(name, version)?.version ?? null
  }

  /** @throws {RedoubtError} `ERR_MODEL_UNKNOWN`. */
  require(name: string, version?: number): ModelVersion {
    return this.#required(name, version).version
  }

  /** The same object while nothing changes. @throws {RedoubtError} `ERR_MODEL_UNKNOWN`. */
  facts(name: string, version: number): EntityFacts {
    return this.#required(name, version).facts
  }

  list(): readonly ModelVersion[] {
    return [...this.#entries.keys()].flatMap((name) => this.listOf(name))
  }

  listOf(name: string): readonly ModelVersion[] {
    return [...(this.#entries.get(name)?.values() ?? [])].map(({ version }) => version)
  }

  forget(name: string): void {
    this.#entries.delete(name)
  }

  onChange(listener: (version: ModelVersion) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #entry(name: string, version?: number): Entry | null {
    const versions = this.#entries.get(name)
    if (!versions) return null
    return versions.get(version ?? Math.max(...versions.keys())) ?? null
  }

  #required(name: string, version?: number): Entry {
    const found = this.#entry(name, version)
    if (!found) throw new RedoubtError('ERR_MODEL_UNKNOWN')
    return found
  }
}
