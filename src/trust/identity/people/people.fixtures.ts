/** People for tests: created, enrolled and signed in by the ways that there are. */
import { createHash, createPublicKey } from 'node:crypto'
import type { Role } from '#foundation/core'
import { ADMIN, type Fixture, goodClaims, ISSUER, signCompact } from '../identity.fixtures.ts'
import { type Asserting, type Maker, type Making, SoftwareKey } from '../software-authenticator.fixtures.ts'
import type { Person, Session, SignedIn, SignInRefusal, SignInSource } from './people.ts'
import type { AssertionResponse } from './verify-assertion.ts'

export const HOME: SignInSource = { sourceAddress: '192.0.2.7', userAgent: 'Firefox on the desk' }
export const ELSEWHERE: SignInSource = { sourceAddress: '203.0.113.9', userAgent: 'curl' }

export interface Enrolment {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

const json = { 'content-type': 'application/json' }

export async function post(fixture: Fixture, path: string, body: unknown): Promise<Enrolment> {
  const response = await fixture.post(path, JSON.stringify(body), json)
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

/** Registers a key by a link, over HTTP. */
export async function enrolKey(
  fixture: Fixture,
  link: string,
  key: SoftwareKey,
  making: Partial<Making> = {},
  maker: Maker | null = null,
): Promise<Enrolment & { readonly options: Readonly<Record<string, unknown>> }> {
  const path = new URL(link).pathname
  const { body: options } = await post(fixture, `${path}/begin`, {})
  const credential = key.register({ challenge: String(options['challenge']), origin: ISSUER, ...making }, maker)
  return { ...(await post(fixture, `${path}/complete`, { credential })), options }
}

export const newPerson = (fixture: Fixture, loginName: string, roles: readonly Role[] = ['data-scientist']) =>
  fixture.identity.people.create({ loginName, roles, groups: ['analytics'], purpose: 'credit-scoring', legalBasis: 'contract' }, ADMIN)

export interface WithKey {
  readonly person: Person
  readonly key: SoftwareKey
  readonly recoveryCodes: readonly string[]
}

export async function personWithKey(
  fixture: Fixture,
  loginName: string,
  roles?: readonly Role[],
  making?: Partial<Making>,
): Promise<WithKey> {
  const { person, link } = await newPerson(fixture, loginName, roles)
  const key = new SoftwareKey()
  const { status, body } = await enrolKey(fixture, link.url, key, making)
  if (status !== 200) throw new Error(`not enrolled: ${JSON.stringify(body)}`)
  return { person: fixture.identity.people.find(person.id)!, key, recoveryCodes: body['recoveryCodes'] as string[] }
}

/** One attempt with a key whose every part can be wrong. */
export async function signIn(
  fixture: Fixture,
  { person, key }: Pick<WithKey, 'person' | 'key'>,
  wrong: Partial<Asserting> = {},
  source: SignInSource = HOME,
): Promise<SignedIn | SignInRefusal> {
  const { handle, options } = await fixture.identity.people.assertion.begin({ userId: person.id }, HOME)
  const response = key.assert({ challenge: options.challenge, origin: ISSUER, userHandle: person.id, ...wrong })
  return fixture.identity.people.assertion.complete(handle, response as unknown as AssertionResponse, source)
}

export function succeeded(answer: SignedIn | SignInRefusal): SignedIn {
  if ('code' in answer) throw new Error(`refused: ${answer.code}`)
  return answer
}

/** What the authorization server signs for a person. */
export function personToken(
  fixture: Fixture,
  session: Pick<Session, 'id' | 'userId' | 'mfaLevel' | 'authTime' | 'amr'>,
  change: Readonly<Record<string, unknown>> = {},
): string {
  const { crv, kty, x } = createPublicKey(fixture.signingKey).export({ format: 'jwk' })
  const kid = createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url')
  const claims = {
    ...goodClaims(session.userId, fixture.clock.now()),
    client_id: 'redoubt-cli',
    sid: session.id,
    auth_time: Math.floor(session.authTime / 1000),
    acr: String(session.mfaLevel),
    amr: session.amr,
    account_epoch: fixture.identity.people.find(session.userId)?.epoch ?? 0,
    ...change,
  }
  return signCompact({ alg: 'EdDSA', typ: 'at+jwt', kid }, claims, fixture.signingKey)
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}`, authorizationCount: 1, url: '/' })

/** Codes of refused authentications, in the order of the log. */
export const refusedCodes = (fixture: Fixture): readonly (string | undefined)[] =>
  fixture.audit.of('authentication.refused').map(({ code }) => code)
