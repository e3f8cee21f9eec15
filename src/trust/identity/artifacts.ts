import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type Clock, RedoubtError } from '#foundation/core'
import type { Adapter, AdapterPayload } from 'oidc-provider'
import type { WriteQueue } from './write-queue.ts'

/** An artifact outlives its expiry by this much, so that a clock set back a little does not make a used assertion new again. */
const KEEP_AFTER_EXPIRY_MS = 60 * 60 * 1000

/**
 * Where the authorization server keeps its state: used assertions; codes, grants and refresh tokens of people who signed in.
 * Every write is durable before its promise resolves.
 */
export class Artifacts {
  readonly #raw: DatabaseSync
  readonly #queue: WriteQueue
  readonly #clock: Clock
  readonly #claim: StatementSync

  constructor(raw: DatabaseSync, queue: WriteQueue, clock: Clock) {
    this.#raw = raw
    this.#queue = queue
    this.#clock = clock
    this.#claim = raw.prepare('INSERT INTO identity_artifacts (model, id, payload, expires_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING')
  }

  /**
   * Takes an identifier for its one use. Atomic: of any number of concurrent calls one gets true.
   * @param expiresAt Epoch milliseconds until which the identifier must be remembered.
   */
  claim(model: string, id: string, expiresAt: number): Promise<boolean> {
    return this.#queue.write(() => this.#claim.run(model, id, '{}', expiresAt).changes === 1)
  }

  /** Marks an artifact as used. Atomic: of any number of concurrent calls one gets true; so does none for what does not exist. */
  consume(model: string, id: string): Promise<boolean> {
    return this.#mark(model, id, 'consumed', { consumed: Math.floor(this.#clock.now() / 1000) })
  }

  /** Decides an artifact that waits for a decision, once: the first call merges `outcome` into it and gets true. */
  settle(model: string, id: string, outcome: Readonly<Record<string, unknown>>): Promise<boolean> {
    return this.#mark(model, id, 'settled', { ...outcome, settled: true })
  }

  /** @param member what the artifact must not have yet. */
  #mark(model: string, id: string, member: 'consumed' | 'settled', patch: Readonly<Record<string, unknown>>): Promise<boolean> {
    const update = this.#raw.prepare(
      `UPDATE identity_artifacts SET payload = json_patch(payload, ?)
       WHERE model = ? AND id = ? AND json_extract(payload, '$.' || ?) IS NULL`,
    )
    return this.#queue.write(() => update.run(JSON.stringify(patch), model, id, member).changes === 1)
  }

  /** What a user code belongs to, expired or not. */
  byUserCode(model: string, code: string): { readonly id: string; readonly payload: AdapterPayload } | undefined {
    const row = this.#raw.prepare('SELECT id, payload FROM identity_artifacts WHERE model = ? AND user_code = ?').get(model, code) as
      | { id: string; payload: string }
      | undefined
    return row === undefined ? undefined : { id: row.id, payload: JSON.parse(row.payload) as AdapterPayload }
  }

  /** Artifacts of one grant that have not expired. */
  ofGrant(model: string, grantId: string): readonly { readonly id: string; readonly expiresAt: number }[] {
    return this.#raw
      .prepare('SELECT id, expires_at AS expiresAt FROM identity_artifacts WHERE model = ? AND grant_id = ? AND expires_at > ?')
      .all(model, grantId, this.#clock.now()) as { id: string; expiresAt: number }[]
  }

  purge(): Promise<unknown> {
    const before = this.#clock.now() - KEEP_AFTER_EXPIRY_MS
    return this.#queue.write(() => this.#raw.prepare('DELETE FROM identity_artifacts WHERE expires_at < ?').run(before))
  }

  /** The adapter of one model of oidc-provider, by its contract. */
  adapter(model: string): Adapter {
    const raw = this.#raw
    const live = (sql: string, ...keys: string[]): AdapterPayload | undefined => {
      const row = raw
        .prepare(`SELECT payload FROM identity_artifacts WHERE model = ? AND (expires_at IS NULL OR expires_at > ?) AND ${sql}`)
        .get(model, this.#clock.now(), ...keys) as { payload: string } | undefined
      return row === undefined ? undefined : (JSON.parse(row.payload) as AdapterPayload)
    }
    return {
      upsert: async (id, payload, expiresIn) => {
        const expiresAt = expiresIn === undefined ? null : this.#clock.now() + expiresIn * 1000
        await this.#queue.write(() =>
          raw
            .prepare(
              `INSERT INTO identity_artifacts (model, id, payload, grant_id, user_code, uid, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT (model, id) DO UPDATE SET payload = excluded.payload, grant_id = excluded.grant_id,
                 user_code = excluded.user_code, uid = excluded.uid, expires_at = excluded.expires_at`,
            )
            .run(model, id, JSON.stringify(payload), payload.grantId ?? null, payload.userCode ?? null, payload.uid ?? null, expiresAt),
        )
      },
      find: async (id) => live('id = ?', id),
      findByUid: async (uid) => live('uid = ?', uid),
      findByUserCode: async (code) => live('user_code = ?', code),
      consume: async (id) => {
        const consumed = Math.floor(this.#clock.now() / 1000)
        await this.#queue.write(() =>
          raw
            .prepare(`UPDATE identity_artifacts SET payload = json_set(payload, '$.consumed', ?) WHERE model = ? AND id = ?`)
            .run(consumed, model, id),
        )
      },
      destroy: async (id) => {
        await this.#queue.write(() => raw.prepare('DELETE FROM identity_artifacts WHERE model = ? AND id = ?').run(model, id))
      },
      revokeByGrantId: async (grantId) => {
        await this.#queue.write(() => raw.prepare('DELETE FROM identity_artifacts WHERE grant_id = ?').run(grantId))
      },
    }
  }

  /** Clients are the service accounts themselves: the authorization server may read them and nothing else. */
  static readOnly(find: (id: string) => AdapterPayload | undefined): Adapter {
    const refuse = async (): Promise<never> => {
      throw new RedoubtError('ERR_INTERNAL', 'clients are not written by the authorization server')
    }
    return {
      find: async (id) => find(id),
      upsert: refuse,
      findByUid: refuse,
      findByUserCode: refuse,
      consume: refuse,
      destroy: refuse,
      revokeByGrantId: refuse,
    }
  }
}
