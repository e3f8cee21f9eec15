import type { KeyObject } from 'node:crypto'
import { keyIdOfRecipient, type KeyBinding, parseRecipient, type Recipient, wrapForRecipient } from '#foundation/crypto'
import type { Recorder } from '../key-events.ts'
import type { KeyReference } from '../key-provider.ts'
import type { KeyOwner } from '../keys.ts'
import type { OwnerKeys } from '../owner-keys.ts'
import type { OwnerKeyStore } from '../owner-key-store.ts'
import type { EscrowCopy, EscrowStore } from './escrow-store.ts'

/** A version is opened for a new recipient in turns of so many. */
const BATCH = 32

/** A copy that is moved to another owner, key or version does not open. */
export function escrowBinding({ keyClass, name }: KeyOwner, { keyId, version }: KeyReference): KeyBinding {
  return { tenant: 'default', resource: `${keyClass}/${name}/${keyId}/${version}`, purpose: 'escrow' }
}

/** The recipients whose private keys, kept elsewhere, open what data sets and models have sealed when the provider is lost. */
export class Escrow {
  readonly recipients: readonly Recipient[]
  readonly #store: EscrowStore

  /** @param lines recipients as text. @throws {RedoubtError} `ERR_CRYPTO_RECIPIENT`. */
  constructor(lines: readonly string[], store: EscrowStore) {
    this.recipients = lines.map(parseRecipient)
    this.#store = store
  }

  /** What names the recipients in the log. */
  get names(): readonly string[] {
    return this.recipients.map(keyIdOfRecipient)
  }

  copiesOf(key: KeyObject, owner: KeyOwner, reference: KeyReference, recipients = this.recipients): readonly EscrowCopy[] {
    const { keyId, version } = reference
    return recipients.map((recipient) => ({
      keyId,
      version,
      recipient: keyIdOfRecipient(recipient),
      wrapped: wrapForRecipient(key, recipient, escrowBinding(owner, reference)).wrapped,
    }))
  }

  /**
   * Brings the copies there are in line with the recipients that are configured: what is not for one of them any more ends, and each version
   * that is not destroyed has one for each. On record, as `key.escrow`, before anything is changed; nothing when nothing is to be done.
   */
  async settle({
    owners,
    versions,
    recorder,
  }: {
    readonly owners: OwnerKeys
    readonly versions: OwnerKeyStore
    readonly recorder: Recorder
  }): Promise<void> {
    const names = new Set(this.names)
    const there = this.#store.list()
    const removed = [...new Set(there.map(({ recipient }) => recipient))].filter((recipient) => !names.has(recipient))
    const copied = new Set(there.map(({ keyId, version, recipient }) => `${keyId}/${version}/${recipient}`))
    const missing = versions
      .all()
      .filter(({ wrapped }) => wrapped !== null)
      .map(({ keyId, version, owner }) => ({
        owner,
        reference: { keyId, version },
        recipients: this.recipients.filter((one) => !copied.has(`${keyId}/${version}/${keyIdOfRecipient(one)}`)),
      }))
      .filter(({ recipients }) => recipients.length > 0)
    if (removed.length === 0 && missing.length === 0) return
    const added = [...new Set(missing.flatMap(({ recipients }) => recipients.map(keyIdOfRecipient)))]
    await recorder.record({
      type: 'key.escrow',
      action: 'rotateKey',
      details: { recipients: [...names], added, removed, versions: missing.length },
    })
    for (const recipient of removed) this.#store.remove(recipient)
    for (let at = 0; at < missing.length; at += BATCH) {
      const copies: EscrowCopy[] = []
      for (const { owner, reference, recipients } of missing.slice(at, at + BATCH)) {
        const key = await owners.open(reference, recorder.recording).catch(() => null)
        // Destroyed meanwhile, or not to be opened: the next round tries again.
        if (key !== null) copies.push(...this.copiesOf(key, owner, reference, recipients))
      }
      this.#store.add(copies)
    }
  }
}
