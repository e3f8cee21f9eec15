import type { KeyObject } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { RedoubtError } from '#foundation/core'
import { type KeyBinding, keyIdOfRecipient, parseRecipient, type Recipient, type WrappedKey, wrapForRecipient } from '#foundation/crypto'
import { transaction } from '#foundation/storage'
import type { Recorder } from '../key-events.ts'
import { forgetOverwritten, guarded, parseStoredWrap, type SubjectCopy } from '../subject-store.ts'

/** People whose keys are opened for a new recipient in turns of so many. */
const BATCH = 32

/** A copy that is moved to another person or generation does not open. */
export function subjectEscrowBinding(pseudonym: string, generation: number): KeyBinding {
  return { tenant: 'default', resource: `subject/${pseudonym}/${generation}`, purpose: 'escrow' }
}

interface Living {
  readonly pseudonym: string
  readonly generation: number
  readonly wrapped: string
}

/**
 * Copies of people's keys for escrow, in the key database beside the keys themselves: `SubjectStore` ends them with the key that they are of, in one
 * transaction. Nobody has copies before it is on record that they are to.
 */
export class SubjectEscrow {
  readonly #configured: readonly Recipient[]
  readonly #raw: DatabaseSync
  readonly #known: StatementSync
  readonly #lacking: StatementSync
  readonly #lackingCount: StatementSync
  readonly #add: StatementSync
  /** Those on record, of the configured ones. */
  #recipients: readonly Recipient[] = []

  /** @param lines recipients as text. @throws {RedoubtError} `ERR_CRYPTO_RECIPIENT`. */
  constructor(lines: readonly string[], raw: DatabaseSync) {
    this.#configured = lines.map(parseRecipient)
    this.#raw = raw
    this.#known = raw.prepare('SELECT recipient FROM subject_escrow_recipients')
    const lacking = `FROM subject_keys s WHERE wrapped IS NOT NULL AND
      (SELECT count(*) FROM subject_key_escrow e WHERE e.pseudonym = s.pseudonym AND e.generation = s.generation) < ?`
    this.#lacking = raw.prepare(
      `SELECT pseudonym, generation, wrapped ${lacking} AND (pseudonym, generation) > (?, ?) ORDER BY pseudonym, generation LIMIT ${BATCH}`,
    )
    this.#lackingCount = raw.prepare(`SELECT count(*) AS count ${lacking}`)
    // Nothing is added to a key that was destroyed meanwhile.
    this.#add = raw.prepare(
      `INSERT OR IGNORE INTO subject_key_escrow (pseudonym, generation, recipient, wrapped)
       SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM subject_keys WHERE pseudonym = ? AND generation = ? AND wrapped IS NOT NULL)`,
    )
    this.#take()
  }

  /** Of a key that is made. */
  copiesOf(key: KeyObject, pseudonym: string, generation: number): readonly SubjectCopy[] {
    const binding = subjectEscrowBinding(pseudonym, generation)
    return this.#recipients.map((recipient) => ({
      recipient: keyIdOfRecipient(recipient),
      wrapped: wrapForRecipient(key, recipient, binding).wrapped,
    }))
  }

  /**
   * Brings the copies in line with the recipients that are configured: what is not for one of them any more ends, and each key that is not destroyed
   * has one for each. On record, as `key.escrow`, before anything is changed; nothing when nothing is to be done.
   */
  async settle({
    unwrap,
    recorder,
  }: {
    readonly unwrap: (wrapped: WrappedKey) => Promise<KeyObject>
    readonly recorder: Recorder
  }): Promise<void> {
    const names = this.#configured.map(keyIdOfRecipient)
    const known = this.#names()
    const added = names.filter((name) => !known.has(name))
    const removed = [...known].filter((name) => !names.includes(name))
    const people = this.#countLacking(names, removed)
    if (added.length === 0 && removed.length === 0 && people === 0) return
    await recorder.record({ type: 'key.escrow', action: 'rotateKey', details: { of: 'people', recipients: names, added, removed, people } })
    this.#change(added, removed)
    this.#take()
    await this.#fill(unwrap)
  }

  #names(): ReadonlySet<string> {
    return new Set(guarded(() => this.#known.all().map(({ recipient }) => String(recipient))))
  }

  #take(): void {
    const known = this.#names()
    this.#recipients = this.#configured.filter((one) => known.has(keyIdOfRecipient(one)))
  }

  #countLacking(names: readonly string[], removed: readonly string[]): number {
    // With copies for somebody who is to have none, how many lack one is known once those are gone.
    if (removed.length > 0) return 0
    return guarded(() => Number(this.#lackingCount.get(names.length)?.['count'] ?? 0))
  }

  #change(added: readonly string[], removed: readonly string[]): void {
    guarded(() => {
      transaction({ raw: this.#raw }, () => {
        for (const name of added) this.#raw.prepare('INSERT INTO subject_escrow_recipients VALUES (?)').run(name)
        for (const name of removed) {
          this.#raw.prepare('DELETE FROM subject_escrow_recipients WHERE recipient = ?').run(name)
          this.#raw.prepare('DELETE FROM subject_key_escrow WHERE recipient = ?').run(name)
        }
      })
      if (removed.length > 0) forgetOverwritten(this.#raw)
    })
  }

  async #fill(unwrap: (wrapped: WrappedKey) => Promise<KeyObject>): Promise<void> {
    let last: readonly [string, number] = ['', 0]
    for (;;) {
      const rows = guarded(() => this.#lacking.all(this.#recipients.length, ...last)) as unknown as Living[]
      if (rows.length === 0) return
      for (const { pseudonym, generation, wrapped } of rows) {
        const binding = { tenant: 'default', resource: `subject/${pseudonym}/${generation}`, purpose: 'personal-fields' } as const
        const key = await unwrap({ ...parseStoredWrap(wrapped), binding })
        const copies = this.copiesOf(key, pseudonym, generation)
        guarded(() =>
          transaction({ raw: this.#raw }, () => {
            for (const copy of copies) this.#add.run(pseudonym, generation, copy.recipient, copy.wrapped, pseudonym, generation)
          }),
        )
      }
      const { pseudonym, generation } = rows.at(-1)!
      last = [pseudonym, generation]
    }
  }
}

/** Copies of one key of a person. @throws {RedoubtError} `ERR_STORAGE_CORRUPT`. */
export function subjectCopies(raw: DatabaseSync): (pseudonym: string, generation: number) => readonly WrappedKey[] {
  const copies = raw.prepare('SELECT recipient, wrapped FROM subject_key_escrow WHERE pseudonym = ? AND generation = ?')
  return (pseudonym, generation) =>
    guarded(() =>
      copies.all(pseudonym, generation).map(({ recipient, wrapped }) => {
        if (typeof recipient !== 'string' || typeof wrapped !== 'string')
          throw new RedoubtError('ERR_STORAGE_CORRUPT', 'an escrow copy of the key database is not in its format')
        return { keyId: recipient, version: 1, wrapped, binding: subjectEscrowBinding(pseudonym, generation) }
      }),
    )
}
