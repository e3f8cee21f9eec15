/** The room over data that obey a test: what is erased is noted, and fails on command. */
import { createHmac, createSecretKey, generateKeyPairSync, sign } from 'node:crypto'
import { type AuditEvent, ManualClock, RedoubtError } from '#foundation/core'
import { type Database, openDatabase } from '#foundation/storage'
import type { KeyUse } from '#trust/keys'
import type { ErasedRows } from './erasure.ts'
import { openErasureRoom } from './room.ts'

export const NOW = Date.UTC(2026, 0, 1)
export const OFFICER: KeyUse = {
  principal: { type: 'User', id: 'officer' },
  purpose: 'privacy',
  resource: { type: 'System', id: 'subjects' },
  requestId: 'req_1',
}
const PAIR = generateKeyPairSync('ec', { namedCurve: 'P-256' })
export const PUBLIC_KEY = String(PAIR.publicKey.export({ type: 'spki', format: 'pem' }))
export const pseudonymOf = (subject: string): string => createHmac('sha256', 'test').update(subject).digest('base64url')

export interface World {
  readonly clock: ManualClock
  readonly events: AuditEvent[]
  /** What was done, in order. */
  readonly done: string[]
  /** Rows of people by data set; gone when erased. */
  readonly rows: Map<string, string[]>
  /** Data sets that others were made of, by what was made. */
  readonly madeOf: Map<string, string[]>
  /** Called before each step; throws to make it fail. */
  step: (what: string) => void
  /** The key store, and what lies beside the data. */
  readonly keyStore: Database
  known: Database
  open(): ReturnType<typeof openRoom>
}

export function newWorld(): World {
  const world: World = {
    clock: new ManualClock(NOW),
    events: [],
    done: [],
    rows: new Map([
      ['loans', ['ada', 'bob']],
      ['cards', ['ada']],
      ['other', ['bob']],
    ]),
    madeOf: new Map(),
    step: () => undefined,
    keyStore: openDatabase(':memory:'),
    known: openDatabase(':memory:'),
    open: () => openRoom(world),
  }
  return world
}

async function openRoom(world: World) {
  const act = (what: string): void => {
    world.step(what)
    world.done.push(what)
  }
  const audit = {
    async record(event: AuditEvent) {
      world.step(`record ${event.type}`)
      world.events.push(event)
      return { index: world.events.length - 1, leafHash: `leaf${world.events.length}` }
    },
  }
  const secret = createSecretKey(Buffer.alloc(32, 7))
  const wrapped = {
    keyId: 'kek',
    version: 1,
    wrapped: 'AA',
    binding: { tenant: 'default', resource: 'erasure', purpose: 'configuration' },
  } as const
  const room = await openErasureRoom({
    database: world.keyStore,
    audit,
    clock: world.clock,
    keys: {
      generateDataKey: async () => ({ key: secret, wrapped }),
      unwrap: async () => secret,
      async destroySubject(subject) {
        const pseudonym = typeof subject === 'string' ? pseudonymOf(subject) : subject.pseudonym
        const before = world.done.includes(`destroy key ${pseudonym}`)
        act(`destroy key ${pseudonym}`)
        return { pseudonym, destroyed: !before, fingerprints: before ? [] : ['f'.repeat(64)] }
      },
      async signer() {
        return {
          algorithm: 'ES256',
          keyId: 'sig',
          publicKey: PAIR.publicKey,
          sign: async (message) => (world.step('sign'), sign('sha256', message, PAIR.privateKey)),
        }
      },
    },
  })
  const erased = new Map<string, ErasedRows[]>()
  const erasures = room.erasures({
    known: world.known,
    sealer: { pseudonym: pseudonymOf },
    data: {
      names: () => [...world.rows.keys()],
      madeOf: (name) => world.madeOf.get(name) ?? [],
      withRowsOf: async (pseudonym) =>
        [...world.rows].filter(([, people]) => people.some((who) => pseudonymOf(who) === pseudonym)).map(([name]) => name),
      async eraseSubject(name, { pseudonym, erasure }) {
        room.holds.demandNone({ pseudonym, dataset: name, madeOf: world.madeOf.get(name) ?? [] })
        act(`erase from ${name}`)
        const left = (world.rows.get(name) ?? []).filter((who) => pseudonymOf(who) !== pseudonym)
        const rows = (world.rows.get(name)?.length ?? 0) - left.length
        world.rows.set(name, left)
        const id = `${erasure} ${name}`
        if (rows > 0) erased.set(id, [{ name, version: 1, rows, groups: 1, before: 'b', after: 'a' }])
        return erased.get(id) ?? []
      },
      async demandNotHeld(name) {
        room.holds.demandNone({ dataset: name, madeOf: world.madeOf.get(name) ?? [] })
        for (const who of world.rows.get(name) ?? []) room.holds.demandNone({ pseudonym: pseudonymOf(who) })
      },
      async shred(name) {
        act(`shred ${name}`)
        const there = world.rows.delete(name)
        return there ? { objects: 3, keys: ['kek_1/1'] } : { objects: 0, keys: [] }
      },
      async relearn(name) {
        act(`relearn ${name}`)
      },
    },
  })
  return { holds: room.holds, erasures }
}

export const codeOf = (error: unknown): string => (error instanceof RedoubtError ? error.code : String(error))
export const outcome = (promise: Promise<unknown>): Promise<string> => promise.then(() => 'done', codeOf)
