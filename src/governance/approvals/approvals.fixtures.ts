/** A room whose log, alerts and disk fail on command, with accounts that are made and disabled by a word. */
import { createSecretKey } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Alert,
  type AuditEvent,
  type AuditReceipt,
  type DecisionContext,
  type EntityFacts,
  type EntityUid,
  ManualClock,
  ORDINARY_REQUEST,
  RedoubtError,
} from '#foundation/core'
import type { DataKey } from '#foundation/crypto'
import { type Database, openDatabase } from '#foundation/storage'
import { silentLogger } from '#foundation/telemetry'
import { approvalsConfig } from './config.ts'
import { type Exceptions, openExceptions } from './exceptions.ts'
import type { Doer } from './four-eyes.ts'
import { payloadDigest } from './payload.ts'

export const NOW = Date.UTC(2026, 10, 25, 12)
export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
export const person = (id: string): EntityUid => ({ type: 'User', id })
export const by = (id: string): Doer => ({ uid: person(id), requestId: `req_${id}` })
export const MODEL: EntityFacts = { type: 'Model', id: 'credit', attributes: { signed: true }, parents: [] }
export const CONTEXT: DecisionContext = {
  now: NOW,
  hour: 12,
  weekday: 3,
  purpose: 'credit-scoring',
  legalBasis: 'contract',
  sourceAddress: '10.0.0.1',
  profile: 'production',
  mfaLevel: 3,
  risk: 0,
  ...ORDINARY_REQUEST,
}

export interface World {
  readonly clock: ManualClock
  readonly room: Exceptions
  readonly events: AuditEvent[]
  readonly alerts: Alert[]
  /** Who may approve. */
  readonly approvers: Set<string>
  /** Who made whom. */
  readonly made: Map<string, string>
  /** Roles by account, as `User::id` or `ServiceAccount::id`. */
  readonly accounts: Map<string, string[]>
  readonly down: { log: boolean; alerts: boolean }
  readonly database: Database
  /** Statements that begin so fail. */
  failing: string | null
  /** Another server on the same files. */
  second(): Promise<World>
  /** As after a crash: opens the same files again without closing the room. */
  restart(): Promise<World>
  remove(): Promise<void>
}

type Kept = Pick<World, 'clock' | 'events' | 'alerts' | 'approvers' | 'made' | 'accounts' | 'down'> & { readonly folder: string }

export const KEY = createSecretKey(Buffer.alloc(32, 7))

export async function openWorld(change: object = {}, before?: Kept): Promise<World> {
  const kept: Kept = before ?? {
    clock: new ManualClock(NOW),
    events: [],
    alerts: [],
    approvers: new Set(['alice', 'bob', 'carol', 'author', 'writer', 'requester']),
    made: new Map(),
    accounts: new Map([
      ['ServiceAccount::app', ['application', 'auditor']],
      ['User::alice', ['security-officer']],
    ]),
    down: { log: false, alerts: false },
    folder: mkdtempSync(join(tmpdir(), 'redoubt-approvals-')),
  }
  const { clock, events, alerts, approvers, accounts, down, folder } = kept
  const opened = openDatabase(join(folder, 'approvals.db'))
  // These tests pull no plug, and an fdatasync for each step would make them slow.
  opened.raw.exec('PRAGMA synchronous=OFF')
  const state: { failing: string | null } = { failing: null }
  const database = failingDatabase(opened, state)
  const room = await openExceptions({
    database,
    keys: {
      generateDataKey: async (): Promise<DataKey> => ({
        key: KEY,
        wrapped: { keyId: 'k', version: 1, wrapped: 'w', binding: { tenant: 'default', resource: 'approvals', purpose: 'configuration' } },
      }),
      unwrap: async () => KEY,
    },
    audit: {
      async record(event): Promise<AuditReceipt> {
        if (down.log) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
        return { index: events.push(event) - 1, leafHash: '' }
      },
    },
    alerts: {
      raise: (alert) => void alerts.push(alert),
      keep(alert) {
        if (down.alerts) throw new RedoubtError('ERR_STORAGE_IO')
        alerts.push(alert)
      },
    },
    clock,
    logger: silentLogger,
    config: approvalsConfig.parse(change),
    approvers: {
      mayApprove: ({ id }) => approvers.has(id),
      isSameHand: (one, other) => kept.made.get(one.id) === other.id || kept.made.get(other.id) === one.id,
    },
    accounts: {
      list: () => [...accounts].map(([name, roles]) => ({ uid: uidOf(name), roles })),
      async removeRole({ type, id }, role) {
        const name = `${type}::${id}`
        accounts.set(
          name,
          (accounts.get(name) ?? []).filter((other) => other !== role),
        )
        if (down.log) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
      },
    },
    tickMs: 0,
  })
  return {
    ...kept,
    room,
    database: opened,
    get failing() {
      return state.failing
    },
    set failing(failing) {
      state.failing = failing
    },
    second: () => openWorld(change, kept),
    async restart() {
      await opened.close()
      return openWorld(change, kept)
    },
    async remove() {
      await opened.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function uidOf(name: string): EntityUid {
  const [type = '', id = ''] = name.split('::')
  return { type, id }
}

/** Refuses statements as a disk does that fails or is full: nothing of them is done. */
function failingDatabase(database: Database, state: { readonly failing: string | null }): Database {
  const raw = new Proxy(database.raw, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (name === 'prepare')
        return (sql: string) => {
          if (state.failing !== null && sql.trimStart().startsWith(state.failing))
            throw Object.assign(new Error('disk I/O error'), { errcode: 10 })
          return target.prepare(sql)
        }
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  return { ...database, raw, close: () => database.close() }
}

/** A refused act of `requester` on a model that `author` made by a pipeline of `writer`'s. */
export function anOffer(change: { readonly payload?: string; readonly principal?: EntityUid; readonly action?: 'deploy' | 'view' } = {}) {
  const { payload = '{"act":1}', principal = person('requester'), action = 'deploy' } = change
  const made = { author: person('author'), contributors: [person('writer')] }
  return { principal, ...made, action, resource: MODEL, payload, digest: payloadDigest(payload), needed: 2 }
}

/** Asks for approval of it. @returns the id. */
export async function asked(world: World, change: Parameters<typeof anOffer>[0] = {}): Promise<string> {
  const offer = anOffer(change)
  const id = world.room.fourEyes.offer(offer)
  if (id === null) throw new Error('it was not offered')
  return (await world.room.fourEyes.request(id, 'it has to be', { uid: offer.principal, requestId: 'req_asked' })).id
}

export const askOf = (change: Parameters<typeof anOffer>[0] = {}) => {
  const { principal, action, resource, digest } = anOffer(change)
  return { principal, action, resource, payloadDigest: digest }
}

/** The code of what is thrown, or `done`. */
export const codeOf = (work: Promise<unknown> | (() => unknown)): Promise<string> =>
  (typeof work === 'function' ? (async () => work())() : work).then(
    () => 'done',
    (thrown: unknown) => (thrown instanceof RedoubtError ? thrown.code : String(thrown)),
  )
