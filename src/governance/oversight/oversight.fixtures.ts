/** A queue whose log and disk fail on command, with subjects that are erased and accounts that were made by a word. */
import { createSecretKey } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Alert,
  type AuditEvent,
  type EntityUid,
  type JsonObject,
  ManualClock,
  RedoubtError,
  type ReviewAsk,
  type SubjectSealer,
} from '#foundation/core'
import { type DataKey, openBytes, sealBytes } from '#foundation/crypto'
import { openDatabase } from '#foundation/storage'
import { silentLogger } from '#foundation/telemetry'
import { oversightConfig } from './config.ts'
import { openOversight, type Oversight } from './oversight.ts'
import type { Reviewing } from './review.ts'

export const NOW = Date.UTC(2026, 10, 25, 12)
export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
const KEY = createSecretKey(Buffer.alloc(32, 7))
export const person = (id: string): EntityUid => ({ type: 'User', id })
export const app: EntityUid = { type: 'ServiceAccount', id: 'app' }
export const by = (id: string): Reviewing => ({ uid: person(id), requestId: `req_${id}` })
export const byApp: Reviewing = { uid: app, requestId: 'req_app' }
export const CANARY = 'canary-4711'

export interface World {
  readonly clock: ManualClock
  readonly room: Oversight
  readonly events: AuditEvent[]
  readonly alerts: Alert[]
  /** Who made whom. */
  readonly made: Map<string, string>
  /** Subjects whose key is gone. */
  readonly erased: Set<string>
  readonly down: { log: boolean }
  /** Called before each entry is recorded. */
  readonly hooks: { onRecord: ((event: AuditEvent) => Promise<void> | void) | null }
  readonly path: string
  /** As after a crash: opens the same files again without closing the room. */
  restart(): Promise<World>
  remove(): Promise<void>
}

type Kept = Omit<World, 'room' | 'restart' | 'remove' | 'path'> & { readonly folder: string }

function sealerOf(erased: ReadonlySet<string>): SubjectSealer {
  return {
    pseudonym: (subject) => `p-${subject}`,
    seal: async (subject, plaintext, context) => ({
      pseudonym: `p-${subject}`,
      ciphertext: sealBytes(KEY, Buffer.from(`${subject} ${context}`), plaintext),
    }),
    async open({ pseudonym, ciphertext }, context) {
      const subject = pseudonym.slice(2)
      if (erased.has(subject)) throw new RedoubtError('ERR_KEYS_DESTROYED')
      return openBytes(KEY, Buffer.from(`${subject} ${context}`), ciphertext)
    },
  }
}

export async function openWorld(change: object = {}, before?: Kept): Promise<World> {
  const kept: Kept = before ?? {
    clock: new ManualClock(NOW),
    events: [],
    alerts: [],
    made: new Map(),
    erased: new Set(),
    down: { log: false },
    hooks: { onRecord: null },
    folder: mkdtempSync(join(tmpdir(), 'redoubt-oversight-')),
  }
  const { clock, events, alerts, made, erased, down, hooks, folder } = kept
  const path = join(folder, 'oversight.db')
  const database = openDatabase(path)
  // These tests pull no plug, and an fdatasync for each step would make them slow.
  database.raw.exec('PRAGMA synchronous=OFF')
  const room = await openOversight({
    database,
    keys: {
      generateDataKey: async (): Promise<DataKey> => ({
        key: KEY,
        wrapped: { keyId: 'k', version: 1, wrapped: 'w', binding: { tenant: 'default', resource: 'oversight', purpose: 'configuration' } },
      }),
      unwrap: async () => KEY,
    },
    sealer: sealerOf(erased),
    audit: {
      async record(event) {
        await hooks.onRecord?.(event)
        if (down.log) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
        return { index: events.push(event) - 1, leafHash: '' }
      },
    },
    alerts: { raise: (alert) => void alerts.push(alert) },
    clock,
    logger: silentLogger,
    config: oversightConfig.parse(change),
    independence: { isSameHand: (one, other) => made.get(one.id) === other.id || made.get(other.id) === one.id },
    tickMs: 0,
  })
  return {
    ...kept,
    room,
    path,
    async restart() {
      await database.close()
      return openWorld(change, kept)
    },
    async remove() {
      await database.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export const PREDICTION =
  '{"model_name":"credit","outputs":[{"name":"label","datatype":"INT64","shape":[1],"data":[1]},{"name":"score","data":[0.9]}]}'

export function anAsk(change: Partial<ReviewAsk> = {}, content: JsonObject = {}): ReviewAsk {
  return {
    kind: 'output',
    requestId: 'req_1',
    surface: 'test',
    resource: { type: 'Model', id: 'credit' },
    caller: app,
    through: null,
    subject: null,
    findings: { EMAIL_ADDRESS: 2 },
    binding: 'b'.repeat(64),
    content: { answer: PREDICTION, contentType: 'application/json', filterOutput: {}, note: CANARY, ...content },
    ...change,
  }
}

/** The code of what is thrown, or `done`. */
export const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (thrown: unknown) => (thrown instanceof RedoubtError ? thrown.code : String(thrown)),
  )
