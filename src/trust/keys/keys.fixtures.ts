import { type AuditEvent, type AuditReceipt, type AuditSink, ManualClock, RedoubtError } from '#foundation/core'
import { type Database, type Fault, MemoryFolder, openDatabase } from '#foundation/storage'
import type { KeyOwner, KeyUse } from './keys.ts'
import { openKeyring, type OpenKeyringOptions } from './open-keyring.ts'

/** The floor of argon2id: some 30 ms. */
export const QUICK_KDF = { memoryKiB: 19_456, passes: 2, parallelism: 1 }
export const PASSPHRASE = Buffer.from('correct horse battery staple')
export const NOW = Date.UTC(2026, 0, 1)
export const USE: KeyUse = {
  principal: { type: 'ServiceAccount', id: 'scorer' },
  purpose: 'credit-scoring',
  resource: { type: 'Dataset', id: 'adult' },
  requestId: 'req_1',
}

export const ADULT: KeyOwner = { keyClass: 'dataset', name: 'adult' }
export const CREDIT: KeyOwner = { keyClass: 'model', name: 'credit' }

/** An audit sink that keeps its events and fails when told to. */
export class MemoryAudit implements AuditSink {
  readonly events: AuditEvent[] = []
  down = false

  async record(event: AuditEvent): Promise<AuditReceipt> {
    if (this.down) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
    this.events.push(event)
    return { index: this.events.length - 1, leafHash: '' }
  }

  types(): string[] {
    return this.events.map(({ type }) => type)
  }

  last(): AuditEvent {
    return this.events.at(-1)!
  }
}

export interface World {
  readonly folder: MemoryFolder
  readonly database: Database
  readonly clock: ManualClock
  /** Opens the keyring over the same folder and database again. */
  open(options?: Partial<OpenKeyringOptions>): ReturnType<typeof openKeyring>
}

export function newWorld(fault?: (call: string, path: string) => Fault): World {
  const folder = new MemoryFolder(fault === undefined ? {} : { fault })
  const database = openDatabase(':memory:')
  const clock = new ManualClock(NOW)
  return {
    folder,
    database,
    clock,
    open: (options = {}) => openKeyring({ folder, database, clock, passphrase: PASSPHRASE, kdf: QUICK_KDF, ...options }),
  }
}

export function codeOf(error: unknown): string {
  return error instanceof RedoubtError ? error.code : String(error)
}

/** @returns the code of the error, or `done`. */
export async function failure(promise: Promise<unknown>): Promise<string> {
  return promise.then(() => 'done', codeOf)
}

export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
