/** People in memory whose factors are words: what the flows need of that room, without its cryptography. */
import { randomBytes } from 'node:crypto'
import { type EntityUid, type ManualClock, newId, RedoubtError } from '#foundation/core'
import type { ListedSession, OpenedSession, People, Person, Session, SignedIn, SignInRefusal, SignInSource } from '../people/people.ts'

interface Kept {
  session: Session
  secret: string
  readonly source: SignInSource
}

export interface FakePeople extends People {
  readonly ended: { readonly id: string; readonly by: EntityUid }[]
  add(loginName: string, change?: Partial<Person>): Person
  change(userId: string, change: object): Promise<Person>
}

const GOOD_CODE = '123456'
const ABSENT = async (): Promise<never> => {
  throw new RedoubtError('ERR_INTERNAL', 'not of the fake')
}
const SESSION_MS = 8 * 60 * 60 * 1000

/** A code of `GOOD_CODE` is one factor, `2…` two, `3…` a hardware key. */
export function fakePeople(clock: ManualClock): FakePeople {
  const persons = new Map<string, Person>()
  const names = new Map<string, string>()
  const sessions = new Map<string, Kept>()
  const ended: FakePeople['ended'] = []
  const live = (kept: Kept | undefined): Session | null =>
    kept !== undefined && kept.session.expiresAt > clock.now() ? kept.session : null
  const keep = (id: string, { person, amr, mfaLevel, authTime }: SignedIn, source: SignInSource, createdAt: number): OpenedSession => {
    const secret = randomBytes(32).toString('base64url')
    const session = {
      id,
      userId: person.id,
      mfaLevel,
      amr,
      authTime,
      createdAt,
      lastSeenAt: clock.now(),
      expiresAt: createdAt + SESSION_MS,
    }
    sessions.set(id, { session, secret, source })
    return { session, secret }
  }
  const verify = async (
    claimant: { loginName: string } | { userId: string },
    code: string,
    recovered = false,
  ): Promise<SignedIn | SignInRefusal> => {
    const id = 'userId' in claimant ? claimant.userId : names.get(claimant.loginName)
    const person = id === undefined ? undefined : persons.get(id)
    if (code === 'locked') return { code: 'ERR_SIGN_IN_LOCKED', retryAfterSeconds: 300 }
    const level = ({ [GOOD_CODE]: 1, '2': 2, '3': 3 } as const)[code]
    if (person === undefined || person.disabled || level === undefined) return { code: 'ERR_SIGN_IN', retryAfterSeconds: 0 }
    return { person, amr: level === 1 ? ['otp'] : ['hwk', 'mfa', 'user'], mfaLevel: level, authTime: clock.now(), recovered }
  }
  return {
    ended,
    add(loginName, change = {}) {
      const id = newId('user')
      const person: Person = {
        id,
        roles: ['data-scientist'],
        groups: [],
        purpose: 'credit-scoring',
        legalBasis: 'contract',
        disabled: false,
        epoch: 0,
        createdAt: clock.now(),
        factors: { passkeys: 1, totp: true, recoveryCodes: 8 },
        powerful: false,
        facts: { type: 'User', id, attributes: {}, parents: [] },
        ...change,
      }
      persons.set(id, person)
      names.set(loginName, id)
      return person
    },
    isMadeBy: () => false,
    find: (id) => persons.get(id) ?? null,
    byLoginName: (name) => persons.get(names.get(name) ?? '') ?? null,
    list: () => [...persons.values()],
    loginNameOf: async (id) => [...names].find(([, one]) => one === id)?.[0] ?? null,
    factorsOf: () => [],
    assertion: {
      begin: async () => ({ handle: newId('ceremony'), options: { challenge: 'AAAA' } }),
      complete: ABSENT,
    },
    totp: { verify: (claimant, code) => verify(claimant, code) },
    recovery: { use: (claimant, code) => verify(claimant, code, true) },
    sessions: {
      open: async (signedIn, source) => keep(newId('ses'), signedIn, source, clock.now()),
      openFrom: async (id, source) => {
        const parent = live(sessions.get(id))
        if (parent === null) throw new RedoubtError('ERR_SESSION_ENDED')
        return keep(newId('ses'), { ...parent, person: persons.get(parent.userId)!, recovered: false }, source, parent.createdAt)
      },
      get: (id) => live(sessions.get(id)),
      bySecret: (secret) => live([...sessions.values()].find((kept) => kept.secret === secret)),
      raise: async (id, signedIn) => {
        const kept = sessions.get(id)
        if (kept === undefined) throw new RedoubtError('ERR_SESSION_ENDED')
        const { mfaLevel, authTime } = signedIn.mfaLevel < kept.session.mfaLevel ? kept.session : signedIn
        return keep(id, { ...signedIn, mfaLevel, authTime }, kept.source, kept.session.createdAt)
      },
      list: async (userId) =>
        [...sessions.values()]
          .filter(({ session }) => session.userId === userId && live(sessions.get(session.id)) !== null)
          .map(({ session, source }): ListedSession => ({ ...session, ...source })),
      end: async (id, by) => {
        if (sessions.delete(id)) ended.push({ id, by })
      },
      endAll: ABSENT,
    },
    enrolment: {
      createLink: ABSENT,
      ownLink: async () => ({ url: `https://gateway.example:8443/enrol/${'e'.repeat(43)}`, expiresAt: 0 }),
    },
    create: ABSENT,
    disable: async (id) => {
      const person = { ...persons.get(id)!, disabled: true }
      persons.set(id, person)
      return person
    },
    enable: ABSENT,
    change: async (id, change) => {
      const before = persons.get(id)!
      const person = { ...before, ...change, epoch: before.epoch + 1 }
      persons.set(id, person)
      return person
    },
    removeFactor: ABSENT,
    lostKey: { request: ABSENT, list: () => [], approve: ABSENT, deny: ABSENT },
  }
}
