import { setTimeout as pause } from 'node:timers/promises'
import type { DatabaseSync } from 'node:sqlite'
import type { AlertSink, AuditSink, Clock, EntityUid, ErrorCode, SubjectSealer } from '#foundation/core'
import { type Database, migrate } from '#foundation/storage'
import { type AttestationRoots, readAttestationRoots } from '../attestation-roots.ts'
import type { IdentityConfig } from '../config.ts'
import type { WriteQueue } from '../write-queue.ts'
import { makerOf } from './acting.ts'
import { makersOf } from './approvers.ts'
import { Assertions } from './assertions.ts'
import { AttemptGuard } from './attempt-guard.ts'
import { Enrolment } from './enrolment.ts'
import { FactorStore } from './factor-store.ts'
import { canonicalLoginName, loginDigest } from './login-name.ts'
import { LostKey } from './lost-key.ts'
import type { People } from './people.ts'
import { PersonChanges } from './person-changes.ts'
import { describePerson, PersonStore } from './person-store.ts'
import { PersonTokens } from './person-tokens.ts'
import { RecoveryCheck } from './recovery-codes.ts'
import { Roster } from './roster.ts'
import { SessionStore } from './session-store.ts'
import { PEOPLE_MIGRATIONS } from './tables.ts'
import { TotpCheck } from './totp.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/**
 * No answer to a typed secret comes earlier than this after it was asked. What is done is the same for everyone; the first use of
 * someone's key after a restart is not, and must not show.
 */
export const ANSWER_FLOOR_MS = 50

export interface PeopleOptions {
  readonly database: Pick<Database, 'raw'>
  readonly queue: WriteQueue
  readonly audit: AuditSink
  readonly clock: Clock
  readonly sealer: SubjectSealer
  readonly issuer: string
  readonly config: IdentityConfig
  readonly alerts: AlertSink | null
  readonly announce: (id: string) => void
  /** The account of the command line, where it acts in place of people. */
  readonly isBootstrap: (account: string) => boolean
  readonly refused: (code: ErrorCode, known: EntityUid | null) => void
  readonly answerFloorMs: number
}

/** What the rest of the identity room needs of the people, beside what everyone may use. */
export interface OpenedPeople {
  readonly people: People
  readonly tokens: PersonTokens
  readonly enrolment: Enrolment
  /** Whether anyone signed in from there before. */
  readonly knows: (sourceAddress: string) => boolean
  maintain(): Promise<void>
}

/** Opens everyone: tables, people, factors, sessions. @throws {RedoubtError} `ERR_CONFIG_INVALID`; what the database throws. */
export function openPeople(options: PeopleOptions): OpenedPeople {
  const { database, queue, audit, clock, sealer, issuer, config, alerts, announce, isBootstrap, refused, answerFloorMs } = options
  migrate(database, 'trust/identity/people', PEOPLE_MIGRATIONS)
  const raw: DatabaseSync = database.raw
  const roots: AttestationRoots | null = config.attestationRoots === undefined ? null : readAttestationRoots(config.attestationRoots)
  const models = { aaguids: new Set(config.hardwareKeys), vouched: roots !== null }

  const factors = new FactorStore(raw)
  const people = new PersonStore(raw, factors, models)
  const sessions = new SessionStore({
    raw,
    queue,
    audit,
    clock,
    sealer,
    people,
    announce,
    idleMs: config.sessionIdleMinutes * MINUTE_MS,
    absoluteMs: config.sessionHours * HOUR_MS,
  })
  const guard = new AttemptGuard(raw, queue, clock, (text) => sealer.pseudonym(text))
  const changes = new PersonChanges(people, queue, announce)
  const roster = new Roster({ people, factors, sessions, queue, changes, audit, clock, sealer, announce, isBootstrap })
  const linkMinutes = config.enrolmentLinkMinutes
  const stores = { raw, queue, changes, audit, clock, sealer, people, factors, roster }
  const enrolment = new Enrolment({ ...stores, issuer, linkMinutes, models, roots, isBootstrap })
  const lostKey = new LostKey({
    ...stores,
    alerts,
    isBootstrap,
    createLink: (userId, by) => enrolment.createRecoveryLink(userId, by),
  })
  const checks = { people, factors, guard, queue, clock, sealer, refused }
  const assertions = new Assertions({ ...checks, issuer, models, alerts })
  const totp = new TotpCheck(checks)
  const recovery = new RecoveryCheck(checks)

  const evenly = async <Result>(work: Promise<Result>): Promise<Result> => {
    const [settled] = await Promise.allSettled([work, answerFloorMs === 0 ? undefined : pause(answerFloorMs)])
    if (settled.status === 'rejected') throw settled.reason
    return settled.value
  }

  return {
    tokens: new PersonTokens(people, sessions),
    enrolment,
    knows: (sourceAddress) => guard.knows(sourceAddress),
    people: {
      find(userId) {
        const record = people.get(userId)
        return record === null ? null : describePerson(record)
      },
      byLoginName(name) {
        const record = people.byLoginDigest(loginDigest(sealer, canonicalLoginName(name) ?? ''))
        return record === null ? null : describePerson(record)
      },
      list: () => people.list().map(describePerson),
      isMadeBy(userId, maker) {
        const record = people.get(userId)
        return record !== null && makersOf(record).includes(makerOf(maker))
      },
      loginNameOf: (userId) => roster.loginNameOf(userId),
      factorsOf: (userId) => factors.factorsOf(userId),
      assertion: {
        begin: (claimant, source) => assertions.begin(claimant, source),
        complete: (handle, response, source) => assertions.complete(handle, response, source),
      },
      totp: { verify: (claimant, code, source) => evenly(totp.verify(claimant, code, source)) },
      recovery: { use: (claimant, code, source) => evenly(recovery.use(claimant, code, source)) },
      sessions,
      enrolment: {
        createLink: (userId, by) => enrolment.createPersonLink(userId, by),
        ownLink: (shown, userId) => enrolment.createOwnLink(shown, userId),
      },
      async create(ask, by) {
        const person = await roster.create(ask, by)
        return { person: describePerson(person), link: await enrolment.createPersonLink(person.id, by) }
      },
      disable: async (userId, by) => describePerson(await roster.disable(userId, by)),
      enable: async (userId, by) => describePerson(await roster.enable(userId, by)),
      change: async (userId, change, by) => describePerson(await roster.change(userId, change, by)),
      removeFactor: async (userId, factorId, by) => describePerson(await roster.removeFactor(userId, factorId, by)),
      lostKey: {
        request: (userId, by) => lostKey.request(userId, by),
        list: () => lostKey.list(),
        approve: (recoveryId, by) => lostKey.approve(recoveryId, by),
        deny: (recoveryId, by) => lostKey.deny(recoveryId, by),
      },
    },
    async maintain() {
      assertions.purge()
      await Promise.all([sessions.maintain(), guard.purge(), lostKey.purge(), enrolment.purge()])
    },
  }
}
