import { type EntityFacts, SENSITIVITIES } from '#foundation/core'
import type { VersionName } from './ancestry.ts'
import type { Catalogue } from './catalogue.ts'
import type { DatasetVersion } from './dataset-version.ts'

/** What policies may know of versions: the same object while a version is unchanged. */
export class DatasetFacts {
  readonly #catalogue: Pick<Catalogue, 'get' | 'ancestry'>
  readonly #environment: string
  readonly #known = new Map<string, EntityFacts>()

  constructor(catalogue: Pick<Catalogue, 'get' | 'ancestry'>, environment: string) {
    this.#catalogue = catalogue
    this.#environment = environment
  }

  of(version: DatasetVersion): EntityFacts {
    return this.#of(version, version)
  }

  /** When all versions of it are gone. */
  forget(name: string): void {
    for (const [key, { id }] of this.#known) if (id === name) this.#known.delete(key)
  }

  /** @param said what is said of it. Of a source that is gone that is what is said of what was made of it, which is guarded at least as well. */
  #of({ name, version }: VersionName, said: Pick<DatasetVersion, 'sensitivity' | 'purposes' | 'legalBasis'>): EntityFacts {
    const key = `${name}/${version}`
    const known = this.#known.get(key)
    if (known) return known
    const sources = this.#catalogue.ancestry.sourcesOf({ name, version })
    const facts: EntityFacts = {
      type: 'Dataset',
      id: name,
      attributes: { sensitivity: SENSITIVITIES.indexOf(said.sensitivity), purposes: said.purposes, legalBases: [said.legalBasis] },
      parents: [
        { type: 'DatasetVersion', id: key },
        { type: 'Environment', id: this.#environment },
      ],
      ...(sources.length === 0 ? {} : { madeOf: sources.map((one) => this.#of(one, this.#catalogue.get(one.name, one.version) ?? said)) }),
    }
    this.#known.set(key, facts)
    return facts
  }
}
