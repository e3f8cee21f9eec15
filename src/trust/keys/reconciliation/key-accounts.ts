import type { KeyObject } from 'node:crypto'
import type { JsonObject } from '#foundation/core'
import type { DataKey, KeyBinding, WrappedKey } from '#foundation/crypto'
import type { KeyProvider, SigningKeyName } from '../key-provider.ts'
import type { KeyClass } from '../keys.ts'
import { type Operation, type OperationCount, OperationCounter, type OperationKey, type OperationsDone } from './operations.ts'

/**
 * What the log needs the provider for itself, and what comes before there is a log: recording each would recurse. `opening` is what the
 * provider did while it was opened and the key database with it; `personal` are the keys of people, under which fields of entries lie.
 */
export const OWN_PURPOSES = ['opening', 'checkpoint', 'personal'] as const
export type OwnPurpose = (typeof OWN_PURPOSES)[number]

/** The part of a provider that works with keys, and so goes through a door. */
export type KeyWork = Pick<KeyProvider, 'wrap' | 'unwrap' | 'generateDataKey' | 'sign'> & {
  release(name: SigningKeyName): Promise<KeyObject>
}

/** Counts at one moment. */
export interface AccountedFor {
  /** The entries that tell of these were taken by the log. */
  readonly recorded: OperationCounter
  /** Done, but the log did not take the entry: the result was given to nobody. */
  readonly withheld: OperationCounter
  readonly own: OperationCounter
  /** Under way, or done and not settled yet. */
  readonly open: OperationCounter
}

/**
 * Everything that is asked of the provider goes through a door here, which says for whom it is: an event of the log (`tab`), or the log
 * itself (`own`). What a provider did and no door knows of was done by someone who went past the record.
 */
export class KeyAccounts {
  readonly #provider: KeyProvider
  readonly #recorded = new OperationCounter()
  readonly #withheld = new OperationCounter()
  readonly #own = new Map<OwnPurpose, OperationCounter>()
  readonly #open = new OperationCounter()
  /** A key id stays with its class for ever. */
  readonly #classes = new Map<string, KeyClass>()

  /** @param opening what the provider did while it was opened, when nobody else had it yet. */
  constructor(provider: KeyProvider, opening: OperationsDone) {
    this.#provider = provider
    this.#ownOf('opening').addAll(opening.counts)
  }

  /** A door for what is not recorded one by one, but counted. */
  own(purpose: OwnPurpose): KeyWork {
    const counter = this.#ownOf(purpose)
    return this.#door((operation, key) => {
      this.#open.add(operation, key, -1)
      counter.add(operation, key)
    })
  }

  /** A door for one event of the log. */
  tab(): Tab {
    const done = new OperationCounter()
    const expected = new OperationCounter()
    const settle = (from: OperationCounter, into: OperationCounter | null): void => {
      for (const { operation, key, count } of from.counts()) {
        this.#open.add(operation, key, -count)
        from.add(operation, key, -count)
        into?.add(operation, key, count)
      }
    }
    return {
      work: this.#door((operation, key) => done.add(operation, key)),
      expect: (operation, key) => {
        this.#open.add(operation, key)
        expected.add(operation, key)
      },
      counts: () => [...done.counts(), ...expected.counts()],
      recorded: () => {
        settle(done, this.#recorded)
        settle(expected, this.#recorded)
      },
      withheld: () => {
        settle(done, this.#withheld)
        settle(expected, null)
      },
    }
  }

  /** A copy. */
  now(): AccountedFor {
    const own = new OperationCounter()
    for (const counter of this.#own.values()) own.addAll(counter.counts())
    return { recorded: copyOf(this.#recorded), withheld: copyOf(this.#withheld), own, open: copyOf(this.#open) }
  }

  ownUses(): Readonly<Record<OwnPurpose, readonly OperationCount[]>> {
    return {
      opening: this.#ownOf('opening').counts(),
      checkpoint: this.#ownOf('checkpoint').counts(),
      personal: this.#ownOf('personal').counts(),
    }
  }

  #ownOf(purpose: OwnPurpose): OperationCounter {
    let counter = this.#own.get(purpose)
    if (counter === undefined) this.#own.set(purpose, (counter = new OperationCounter()))
    return counter
  }

  #door(done: (operation: Operation, key: OperationKey) => void): KeyWork {
    const provider = this.#provider
    const through = async <T>(operation: Operation, key: OperationKey, work: () => Promise<T>): Promise<T> => {
      this.#open.add(operation, key)
      let result: T
      try {
        result = await work()
      } catch (error) {
        this.#open.add(operation, key, -1)
        throw error
      }
      done(operation, key)
      return result
    }
    return {
      wrap: (keyClass, material, binding) => through('wrap', keyClass, () => provider.wrap(keyClass, material, binding)),
      unwrap: (wrapped) => through('unwrap', this.#classOf(wrapped), () => provider.unwrap(wrapped)),
      generateDataKey: (keyClass: KeyClass, binding: KeyBinding): Promise<DataKey> =>
        through('wrap', keyClass, () => provider.generateDataKey(keyClass, binding)),
      sign: (name, message) => through('sign', name, () => provider.sign(name, message)),
      release: (name) => through('release', name, () => provider.release!(name)),
    }
  }

  #classOf({ keyId }: WrappedKey): OperationKey {
    const known = this.#classes.get(keyId)
    if (known !== undefined) return known
    const keyClass = this.#provider.describe().find((key) => key.keyId === keyId)?.keyClass
    if (keyClass === undefined || keyClass === 'signing') return 'unknown'
    this.#classes.set(keyId, keyClass)
    return keyClass
  }
}

/** What one event of the log tells of the provider. */
export interface Tab {
  readonly work: KeyWork
  /** Notes what is done only once it is on record: a rotation, a destruction. */
  expect(operation: 'make' | 'destroy', key: KeyClass): void
  counts(): readonly OperationCount[]
  /** The log took the event; the tab is empty again. */
  recorded(): void
  /** It did not. */
  withheld(): void
}

/** The member of an event that tells what was asked of the provider for it; none where that was nothing. */
export function providerFacts(counts: readonly OperationCount[]): JsonObject {
  return counts.length === 0 ? {} : { provider: counts.map(({ operation, key, count }) => ({ operation, key, count })) }
}

function copyOf(counter: OperationCounter): OperationCounter {
  const copy = new OperationCounter()
  copy.addAll(counter.counts())
  return copy
}
