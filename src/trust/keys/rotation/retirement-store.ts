import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { KeyReference } from '../key-provider.ts'
import { guarded } from '../subject-store.ts'

/**
 * What becomes of a version that is primary no more: `move` while what it wrapped is moved to newer versions, `grace` from the proof
 * that nothing refers to it, `destroyed` at last.
 */
export interface Retirement extends KeyReference {
  readonly phase: 'move' | 'grace' | 'destroyed'
  /** What it protected is sealed anew under fresh data keys, and it gets no grace. */
  readonly compromised: boolean
  readonly since: number
  /** Of the grace, counted while the server runs: a clock that is set, forwards or back, destroys nothing early. */
  readonly waitedMs: number
}

/** One row a version, in the key database: after a crash a rotation goes on from here. Every method is durable when it returns. */
export class RetirementStore {
  readonly #all: StatementSync
  readonly #begin: StatementSync
  readonly #compromise: StatementSync
  readonly #enter: StatementSync
  readonly #wait: StatementSync

  constructor(raw: DatabaseSync) {
    this.#all = raw.prepare(
      'SELECT key_id, version, phase, compromised, since, waited_ms FROM key_retirements ORDER BY since, key_id, version',
    )
    this.#begin = raw.prepare(
      `INSERT INTO key_retirements (key_id, version, phase, compromised, since, waited_ms) VALUES (?, ?, 'move', 0, ?, 0) ON CONFLICT DO NOTHING`,
    )
    this.#compromise = raw.prepare(
      `INSERT INTO key_retirements (key_id, version, phase, compromised, since, waited_ms) VALUES (?, ?, 'move', 1, ?, 0)
       ON CONFLICT (key_id, version) DO UPDATE SET compromised = 1 WHERE phase != 'destroyed'`,
    )
    this.#enter = raw.prepare('UPDATE key_retirements SET phase = ?, since = ?, waited_ms = 0 WHERE key_id = ? AND version = ?')
    this.#wait = raw.prepare('UPDATE key_retirements SET waited_ms = waited_ms + ? WHERE key_id = ? AND version = ?')
  }

  all(): readonly Retirement[] {
    return guarded(() => this.#all.all()).map((row) => ({
      keyId: String(row['key_id']),
      version: Number(row['version']),
      phase: row['phase'] as Retirement['phase'],
      compromised: row['compromised'] === 1,
      since: Number(row['since']),
      waitedMs: Number(row['waited_ms']),
    }))
  }

  /** Leaves what is there already. */
  begin({ keyId, version }: KeyReference, now: number): void {
    guarded(() => this.#begin.run(keyId, version, now))
  }

  compromise({ keyId, version }: KeyReference, now: number): void {
    guarded(() => this.#compromise.run(keyId, version, now))
  }

  enter({ keyId, version }: KeyReference, phase: Retirement['phase'], now: number): void {
    guarded(() => this.#enter.run(phase, now, keyId, version))
  }

  wait({ keyId, version }: KeyReference, ms: number): void {
    guarded(() => this.#wait.run(Math.round(ms), keyId, version))
  }
}
