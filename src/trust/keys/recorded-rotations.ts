import { type Clock, RedoubtError } from '#foundation/core'
import { type Fact, factsOf, ITSELF, type KeyEvents } from './key-events.ts'
import type { KeyProvider, KeyReference } from './key-provider.ts'
import type { KeyClass, KeyDescription, KeyOwner, KeyUse } from './keys.ts'
import type { OwnerKeys } from './owner-keys.ts'
import type { RetirementStore } from './rotation/retirement-store.ts'

export interface RecordedRotationsParts {
  readonly provider: KeyProvider
  readonly owners: OwnerKeys
  readonly retirements: RetirementStore
  readonly clock: Clock
}

/** Rotations of chains, of the tenant and of owners: each is on record before it is done. */
export class RecordedRotations {
  readonly #provider: KeyProvider
  readonly #owners: OwnerKeys
  readonly #retirements: RetirementStore
  readonly #clock: Clock
  readonly #events: KeyEvents

  constructor({ provider, owners, retirements, clock }: RecordedRotationsParts, events: KeyEvents) {
    this.#provider = provider
    this.#owners = owners
    this.#retirements = retirements
    this.#clock = clock
    this.#events = events
  }

  /** Rotates the chains of the tenant that are due. */
  async dueClasses(): Promise<void> {
    for (const keyClass of this.#provider.rotationDue()) await this.ofClass(keyClass, ITSELF, true)
  }

  /** @throws {RedoubtError} what the record and the provider throw. */
  async ofClass(keyClass: KeyClass, use: KeyUse, automatic: boolean, compromised = false): Promise<KeyReference> {
    const primary = this.#provider.describe().find((key) => key.keyClass === keyClass && key.state === 'primary')
    const from = primary === undefined ? {} : { keyId: primary.keyId, oldVersion: primary.version, version: primary.version + 1 }
    const fact: Fact = {
      type: 'key.rotate',
      action: 'rotateKey',
      details: { keyClass, ...from, automatic, ...(compromised ? { compromised } : {}) },
    }
    const tab = this.#events.tab()
    tab.expect('make', keyClass)
    await this.#events.record(fact, use, tab)
    return this.#events.tried(() => this.#provider.rotate(keyClass), fact, use)
  }

  /** @throws {RedoubtError} `ERR_KEYS_UNKNOWN` for an owner without keys. */
  async ofOwner(owner: KeyOwner, use: KeyUse, automatic: boolean, compromised = false): Promise<KeyReference> {
    const primary = this.#owners.primary(owner)
    const from = primary === null ? {} : { keyId: primary.keyId, oldVersion: primary.version, version: primary.version + 1 }
    const fact: Fact = {
      type: 'key.rotate',
      action: 'rotateKey',
      details: { ...factsOf(owner), ...from, automatic, ...(compromised ? { compromised } : {}) },
    }
    await this.#events.record(fact, use)
    return this.#events.tried(() => this.#owners.rotate(owner, this.#events.recording(use)), fact, use)
  }

  /** INVARIANT: what is exposed is marked before the rotation: a crash between the two leaves too much marked, never too little. */
  async compromised(of: KeyClass | KeyOwner, use: KeyUse): Promise<KeyReference> {
    if (of === 'subject' || of === 'configuration')
      throw new RedoubtError(
        'ERR_INPUT_INVALID',
        'only what data sets and models seal can be sealed anew: rotate this class without `compromised`',
      )
    const primaries = [...this.#provider.describe(), ...this.#owners.describe()].filter(({ state }) => state === 'primary')
    const mark = (exposed: readonly KeyDescription[]): void => {
      for (const key of exposed) this.#retirements.compromise(key, this.#clock.now())
    }
    if (typeof of !== 'string') {
      mark(primaries.filter(({ keyClass, owner }) => keyClass === of.keyClass && owner === of.name))
      return this.ofOwner(of, use, false, true)
    }
    const exposed = primaries.filter(({ keyClass }) => keyClass === of)
    mark(exposed)
    const rotated = await this.ofClass(of, use, false, true)
    for (const { owner } of exposed) if (owner !== undefined) await this.ofOwner({ keyClass: of, name: owner }, use, false, true)
    return rotated
  }
}
