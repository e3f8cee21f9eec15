/** People over the whole server: made by the command line, enrolled over TLS, cut off from what runs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RedoubtError } from '#foundation/core'
import { RunningStreams } from '#gateway/pipeline'
import { runProgram } from '#interfaces/commands'
import { createProgram } from '../../src/composition/program.ts'
import { ADMIN, openFixture } from '../../src/trust/identity/identity.fixtures.ts'
import { bearer, HOME, personToken, personWithKey, signIn, succeeded } from '../../src/trust/identity/people/people.fixtures.ts'
import { SoftwareKey } from '../../src/trust/identity/software-authenticator.fixtures.ts'
import { type House, openHouse } from './house.fixture.ts'

let house: House
let folder: string
beforeAll(async () => {
  house = await openHouse()
  folder = mkdtempSync(join(tmpdir(), 'redoubt-people-'))
})
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

async function redoubt(...args: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  let out = ''
  let err = ''
  const terminal = { writeOut: (text: string) => void (out += text), writeErr: (text: string) => void (err += text) }
  const code = await runProgram(createProgram(['redoubt']), ['node', 'redoubt', ...args, '--data-dir', house.dataDir], terminal)
  return { code, out, err }
}

async function json(...args: string[]): Promise<any> {
  const { code, out, err } = await redoubt(...args, '--json')
  expect(`${args.join(' ')}: ${code} ${code === 0 ? '' : out}${err}`).toBe(`${args.join(' ')}: 0 `)
  return JSON.parse(out)
}

const CREATE = ['access', 'users', 'create', 'Ada@example.org', '--purpose', 'credit-scoring', '--legal-basis', 'contract']

describe('redoubt access users (B2, B3)', () => {
  it('makes a person, who enrols over the link; shows, changes and disables them', async () => {
    const { user, link } = await json(...CREATE, '--role', 'data-scientist', '--role', 'auditor', '--group', 'analytics')
    expect(user).toMatchObject({ loginName: 'ada@example.org', roles: ['data-scientist', 'auditor'], groups: ['analytics'] })
    const path = new URL(link.url).pathname
    const { json: options } = await house.call('POST', `${path}/begin`, { json: {} })
    const credential = new SoftwareKey().register({ challenge: options.challenge, origin: new URL(link.url).origin })
    const enrolled = await house.call('POST', `${path}/complete`, { json: { credential } })
    expect(enrolled.json).toMatchObject({ enrolled: true, recoveryCodes: expect.any(Array) })

    expect(await json('access', 'users', 'list')).toMatchObject([{ id: user.id, factors: { passkeys: 1, recoveryCodes: 10 } }])
    const shown = await json('access', 'users', 'show', user.id)
    expect(shown).toMatchObject({ user: { loginName: 'ada@example.org' }, factors: [{ kind: 'passkey', synced: false, lastUsedAt: null }] })
    expect((await redoubt('access', 'users', 'show', user.id)).out).toContain('ada@example.org')
    expect(await json('access', 'users', 'roles', user.id, '--role', 'auditor')).toMatchObject({ roles: ['auditor'], epoch: 1 })
    expect(await json('access', 'users', 'groups', user.id, '--group', 'audit')).toMatchObject({ groups: ['audit'] })
    expect(await json('access', 'users', 'groups', user.id)).toMatchObject({ groups: [] })
    const why = ['policy', 'why', '--action', 'readAudit', '--resource', 'Log::audit', '--account']
    const level = '@id("key-for-the-log") forbid (principal, action == Action::"readAudit", resource) when { context.mfaLevel < 3 };'
    expect((await house.call('PUT', '/api/v1/policies/level', { token: house.token, json: { text: level } })).status).toBe(200)
    expect(await json(...why, 'ada@example.org')).toMatchObject({ decision: { effect: 'allow' } })
    expect(await json(...why, user.id, '--mfa-level', '2')).toMatchObject({ decision: { effect: 'deny', policies: ['key-for-the-log'] } })
    expect((await redoubt(...why, 'nobody')).err).toContain('neither an account nor a person')
    expect((await house.call('DELETE', '/api/v1/policies/level', { token: house.token })).status).toBe(200)
    expect((await redoubt('access', 'users', 'link', user.id)).err).toContain('ERR_CONFLICT')
    expect(await json('access', 'users', 'recover', user.id)).toMatchObject({ userId: user.id, approvals: [] })
    const [recovery] = await json('access', 'users', 'recoveries')
    // The account of this host is a program.
    expect((await redoubt('access', 'users', 'approve', recovery.id)).err).toContain('ERR_MFA_REQUIRED')
    expect((await redoubt('access', 'users', 'recoveries', '--mine')).err).toContain('ERR_MFA_REQUIRED')
    expect(await json('access', 'users', 'deny', recovery.id)).toMatchObject({ id: recovery.id, userId: user.id })
    expect((await redoubt('access', 'users', 'deny', recovery.id)).err).toContain('ERR_NOT_FOUND')
    expect(await json('access', 'users', 'recoveries')).toEqual([])
    expect(await json('access', 'sessions', 'list', '--user', user.id)).toMatchObject({ sessions: [] })
    expect((await redoubt('access', 'sessions', 'end', `ses_${'A'.repeat(22)}`)).err).toContain('ERR_NOT_FOUND')
    expect(await json('access', 'users', 'remove-factor', user.id, shown.factors[0].id)).toMatchObject({ factors: { passkeys: 0 } })
    expect(await json('access', 'users', 'disable', user.id)).toMatchObject({ disabled: true })
    expect(await json('access', 'users', 'enable', user.id)).toMatchObject({ disabled: false })
    expect((await redoubt(...CREATE, '--role', 'auditor')).err).toContain('ERR_CONFLICT')

    const types = (await house.entries({ limit: '100' })).map(({ event }) => event['type'])
    for (const type of ['create', 'change', 'disable', 'enable'].map((what) => `access.person.${what}`)) expect(types).toContain(type)
  })

  it('is for who manages access', async () => {
    const scorer = await house.account('scorer')
    for (const [method, path] of [
      ['GET', '/api/v1/users'],
      ['GET', `/api/v1/sessions?user=user_${'A'.repeat(22)}`],
      ['DELETE', `/api/v1/sessions/ses_${'A'.repeat(22)}`],
      ['GET', '/api/v1/recoveries'],
    ] as const)
      expect(await house.call(method, path, { token: scorer.token })).toMatchObject({ status: 403 })
    expect((await house.call('POST', '/api/v1/me/links', { token: scorer.token })).json).toMatchObject({ code: 'ERR_MFA_REQUIRED' })
  })
})

describe('what runs for a person (B5, B8)', () => {
  it.each([
    ['their session ends', 'ERR_SESSION_ENDED', 'end'],
    ['they are disabled', 'ERR_ACCOUNT_DISABLED', 'disable'],
    ['their rights change', 'ERR_ACCOUNT_CHANGED', 'change'],
  ] as const)('is cut in the same turn when %s', async (_what, code, how) => {
    const fixture = await openFixture()
    try {
      const { people } = fixture.identity
      const ada = await personWithKey(fixture, 'ada')
      const { session } = await people.sessions.open(succeeded(await signIn(fixture, ada)), HOME)
      const principal = fixture.identity.authenticate(bearer(personToken(fixture, session)))
      if ('code' in principal) throw new Error(principal.code)
      const streams = new RunningStreams(fixture.identity)
      fixture.identity.onRevocation(() => streams.sweep())
      const cut: RedoubtError[] = []
      const cancellation = { cancel: (reason: RedoubtError) => cut.push(reason) }
      streams.add({ principal, call: { stillServable: () => null }, cancellation, decideAgain: () => null } as never)
      streams.sweep()
      expect(cut).toEqual([])
      const narrowing =
        how === 'end'
          ? people.sessions.end(session.id, ADMIN)
          : how === 'disable'
            ? people.disable(ada.person.id, ADMIN)
            : people.change(ada.person.id, { roles: ['auditor'] }, ADMIN)
      expect(cut.map((reason) => reason.code)).toEqual([code])
      await narrowing
    } finally {
      await fixture.close()
    }
  })
})
