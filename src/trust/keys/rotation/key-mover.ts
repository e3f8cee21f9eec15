import { asRedoubtError, type ErrorCode, type JsonObject, RedoubtError } from '#foundation/core'
import type { WrappedKey } from '#foundation/crypto'
import type { RecordedKeys } from '../audited-keys.ts'
import { factsOf, ITSELF, type Recorder, referenceOf } from '../key-events.ts'
import type { KeyProvider, KeyReference } from '../key-provider.ts'
import type { KeyClass, KeyOwner } from '../keys.ts'
import type { OwnerKeys } from '../owner-keys.ts'
import type { KeyWork, Tab } from '../reconciliation/key-accounts.ts'
import { TwoGenerations } from '../two-generations.ts'

/** The chain under which a key belongs. */
export type Chain = KeyOwner | KeyClass

export interface Move {
  readonly wrapped: WrappedKey
  readonly to: Chain
}

/** What was asked of the provider for a chain and no event has told yet. */
interface ChainTab {
  readonly to: Chain
  readonly tab: Tab
  failure: ErrorCode | null
}

/** Kinds of versions that an event names at most. */
const MOST_NAMED = 16
const REMEMBERED_CHAINS = 4_096

/** Wraps many keys under the primary versions of their chains: one event for each chain in a batch, durable before any of them is used. */
export class KeyMover {
  readonly #provider: KeyProvider
  readonly #owners: OwnerKeys
  readonly #keys: RecordedKeys
  /** A key id stays with its chain for ever. */
  readonly #chains = new TwoGenerations<string, Chain>(REMEMBERED_CHAINS)

  constructor(provider: KeyProvider, owners: OwnerKeys, keys: RecordedKeys) {
    this.#provider = provider
    this.#owners = owners
    this.#keys = keys
  }

  /** @returns null for an owner that has no chain, or none any more. */
  primaryOf(chain: Chain): KeyReference | null {
    if (typeof chain !== 'string') return this.#owners.primary(chain)
    return this.#provider.describe().find(({ keyClass, state }) => keyClass === chain && state === 'primary') ?? null
  }

  /** The class of the chain, and its owner where it has one; null for a key of someone else, which is left alone. */
  chainOf(keyId: string): Chain | null {
    const known = this.#chains.get(keyId)
    if (known !== undefined) return known
    const keyClass = this.#provider.describe().find((key) => key.keyId === keyId)?.keyClass
    const chain = this.#owners.ownerOf(keyId) ?? (keyClass === undefined || keyClass === 'signing' ? null : keyClass)
    if (chain !== null) this.#chains.set(keyId, chain)
    return chain
  }

  /** @returns in order the key, or why it could not be moved. @throws {RedoubtError} `ERR_AUDIT_UNAVAILABLE`, and then nothing was moved. */
  async move(moves: readonly Move[]): Promise<readonly (WrappedKey | RedoubtError)[]> {
    const recorder = this.#keys.recorder(ITSELF)
    const tabs = new Map<string, ChainTab>()
    try {
      return await this.#moveAll(moves, recorder, tabs)
    } finally {
      // What the provider did for keys that could not be moved after all is on record too.
      for (const { to, tab, failure } of tabs.values())
        if (tab.counts().length > 0)
          await recorder
            .record({ type: 'key.rewrap', action: 'rotateKey', details: { ...namedBy(to), keys: 0 } }, tab, failure ?? 'ERR_INTERNAL')
            .catch(() => undefined)
    }
  }

  async #moveAll(moves: readonly Move[], recorder: Recorder, tabs: Map<string, ChainTab>): Promise<readonly (WrappedKey | RedoubtError)[]> {
    const tabOf = (to: Chain): ChainTab => {
      const id = JSON.stringify(namedBy(to))
      let found = tabs.get(id)
      if (found === undefined) tabs.set(id, (found = { to, tab: recorder.tab(), failure: null }))
      return found
    }
    const moved: (WrappedKey | RedoubtError)[] = []
    for (const move of moves) {
      const of = tabOf(move.to)
      const after = await this.#moveOne(move, recorder, of.tab.work).catch((error: unknown) => {
        of.failure = asRedoubtError(error).code
        return passedOver(error)
      })
      moved.push(after)
    }
    const events = new Map<
      string,
      { readonly to: Chain; readonly after: WrappedKey; readonly from: Map<string, JsonObject>; keys: number }
    >()
    for (const [i, after] of moved.entries()) {
      const { wrapped, to } = moves[i]!
      if (after instanceof RedoubtError) continue
      const id = `${after.keyId}/${after.version}`
      const event = events.get(id) ?? { to, after, from: new Map(), keys: 0 }
      events.set(id, event)
      event.keys++
      if (event.from.size < MOST_NAMED) event.from.set(`${wrapped.keyId}/${wrapped.version}`, referenceOf(wrapped))
    }
    for (const { to, after, from, keys } of events.values()) {
      const details = { ...namedBy(to), keys, from: [...from.values()], newKeyId: after.keyId, newVersion: after.version }
      await recorder.record({ type: 'key.rewrap', action: 'rotateKey', details }, tabOf(to).tab)
    }
    return moved
  }

  async #moveOne({ wrapped, to }: Move, { recording }: Recorder, work: KeyWork): Promise<WrappedKey> {
    const owned = typeof this.chainOf(wrapped.keyId) !== 'string'
    const material = (owned ? await this.#owners.unwrap(wrapped, recording) : await work.unwrap(wrapped)).export()
    try {
      return typeof to === 'string'
        ? await work.wrap(to, material, wrapped.binding)
        : await this.#owners.wrap(to, material, wrapped.binding, recording)
    } finally {
      material.fill(0)
    }
  }
}

const namedBy = (to: Chain): JsonObject => (typeof to === 'string' ? { keyClass: to } : factsOf(to))

/** What concerns one key is told of that key; what concerns all of them, such as a log or an HSM that is down, ends the round. */
const OF_ONE_KEY: ReadonlySet<string> = new Set(['ERR_CRYPTO_AUTHENTICATION', 'ERR_KEYS_DESTROYED', 'ERR_KEYS_UNKNOWN'])

function passedOver(thrown: unknown): RedoubtError {
  const error = asRedoubtError(thrown)
  if (!OF_ONE_KEY.has(error.code)) throw thrown
  return error
}
