import { generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '#foundation/core'
import { openDatabase } from '#foundation/storage'
import type { PrivateJwk } from '#trust/client'
import { ADMIN, assertion, type Fixture, grantForm, openFixture } from '../identity.fixtures.ts'
import { SERVICE_MIGRATIONS } from './tables.ts'
import { MIGRATIONS } from '../tables.ts'
import { WriteQueue } from '../write-queue.ts'
import { ClientThrottle, FREE_FAILURES_OF_ACCOUNT, FREE_FAILURES_OF_SOURCE, MAX_ENTRIES } from './client-throttle.ts'
import { KnownSources } from './known-sources.ts'
import { RateOfSources } from './rate-of-sources.ts'

function throttleOf(requestsPerMinute = 1_000_000): {
  throttle: ClientThrottle
  clock: ManualClock
  again: () => ClientThrottle
  settle: () => Promise<unknown>
} {
  const clock = new ManualClock(1_800_000_000_000)
  const { raw } = openDatabase(':memory:')
  raw.exec([...MIGRATIONS, ...SERVICE_MIGRATIONS].join('\n'))
  const queue = new WriteQueue(raw)
  const again = (): ClientThrottle => new ClientThrottle(clock, new KnownSources(raw, queue, clock), requestsPerMinute)
  return { throttle: again(), clock, again, settle: () => queue.write(() => undefined) }
}

describe('failed client authentication', () => {
  it('slows a source down, twice as long each time, whatever accounts it names', () => {
    const { throttle, clock } = throttleOf()
    for (let i = 0; i < FREE_FAILURES_OF_SOURCE; i++) {
      expect(throttle.admit('10.0.0.1', `a${i}`)).toBeNull()
      throttle.failed('10.0.0.1', `a${i}`)
    }
    const waits: number[] = []
    for (let i = 0; i < 12; i++) {
      throttle.failed('10.0.0.1', 'x')
      const wait = throttle.admit('10.0.0.1', 'never-named')
      expect(wait?.code).toBe('ERR_CLIENT_THROTTLED')
      waits.push(wait?.seconds ?? 0)
      clock.advance((wait?.seconds ?? 0) * 1000)
      expect(throttle.admit('10.0.0.1', 'never-named')).toBeNull()
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900])
    expect(throttle.admit('10.0.0.2', 'never-named')).toBeNull()
  })

  it('slows strangers to an account down, from however many sources they come', () => {
    const { throttle } = throttleOf()
    for (let i = 0; i <= FREE_FAILURES_OF_ACCOUNT; i++) throttle.failed(`10.0.0.${i}`, 'victim')
    expect(throttle.admit('10.9.9.9', 'victim')).toEqual({ code: 'ERR_CLIENT_THROTTLED', seconds: 1 })
    expect(throttle.admit('10.9.9.9', 'other')).toBeNull()
  })

  it('never shuts an account out from a source that it is known to use, after a restart either', async () => {
    const { throttle, again, settle } = throttleOf()
    throttle.succeeded('10.0.0.7', 'victim')
    await settle()
    for (const one of [throttle, again()]) {
      for (let i = 0; i < 200; i++) one.failed(i % 2 === 0 ? '10.0.0.7' : `10.1.0.${i}`, 'victim')
      expect(one.admit('10.0.0.7', 'victim')).toBeNull()
      expect(one.admit('10.0.0.7', 'other')).toMatchObject({ code: 'ERR_CLIENT_THROTTLED' })
      expect(one.admit('10.0.0.8', 'victim')).toMatchObject({ code: 'ERR_CLIENT_THROTTLED' })
    }
  })

  it('is not bought back by a success with another account', () => {
    const { throttle } = throttleOf()
    for (let i = 0; i < FREE_FAILURES_OF_SOURCE + 3; i++) throttle.failed('10.0.0.1', 'victim')
    throttle.succeeded('10.0.0.1', 'mine')
    expect(throttle.admit('10.0.0.1', 'victim')).toMatchObject({ seconds: 4 })
    expect(throttle.admit('10.0.0.1', 'mine')).toBeNull()
  })

  it('is forgotten after half an hour of quiet', () => {
    const { throttle, clock } = throttleOf()
    for (let i = 0; i < FREE_FAILURES_OF_SOURCE + 1; i++) throttle.failed('10.0.0.1', null)
    clock.advance(31 * 60_000)
    throttle.failed('10.0.0.1', null)
    expect(throttle.admit('10.0.0.1', null)).toBeNull()
  })

  it('is remembered of ten thousand sources and as many names, the longest quiet of which goes first', () => {
    const { throttle } = throttleOf()
    const lock = (source: string): void => {
      for (let i = 0; i <= FREE_FAILURES_OF_SOURCE; i++) throttle.failed(source, null)
    }
    lock('quiet')
    lock('busy')
    for (let i = 0; i < MAX_ENTRIES - 2; i++) throttle.failed(`s${i}`, `a${i}`)
    expect(throttle.size).toEqual({ sources: MAX_ENTRIES, accounts: MAX_ENTRIES - 2 })
    expect(throttle.admit('quiet', null)).not.toBeNull()
    throttle.failed('busy', null)
    for (let i = 0; i < 3; i++) throttle.failed(`more-${i}`, `more-${i}`)
    expect(throttle.size).toEqual({ sources: MAX_ENTRIES, accounts: MAX_ENTRIES })
    expect(throttle.admit('quiet', null)).toBeNull()
    expect(throttle.admit('busy', null)).not.toBeNull()
  })

  it('leaves a known source its rate, however many strangers use up theirs', () => {
    const { throttle } = throttleOf(1)
    throttle.succeeded('10.0.0.7', 'victim')
    // A subscriber with a /48 has 65,536 of these.
    for (let i = 0; i < 20_000; i++) throttle.admit(`s${i}`, 'victim')
    expect(throttle.admit('10.0.0.8', 'victim')).toMatchObject({ code: 'ERR_TOKEN_RATE' })
    expect(throttle.admit('10.0.0.7', 'victim')).toBeNull()
    expect(throttle.pace('10.0.0.9', true)).toBeNull()
    expect(throttle.pace('10.0.0.9', false)).toMatchObject({ code: 'ERR_TOKEN_RATE' })
  })

  it('knows 64 sources of an account and forgets the oldest', async () => {
    const { throttle, clock, again, settle } = throttleOf()
    for (let i = 0; i <= 64; i++) {
      clock.advance(1000)
      throttle.succeeded(`10.0.0.${i}`, 'a')
    }
    await settle()
    for (const one of [throttle, again()]) {
      for (let i = 0; i <= FREE_FAILURES_OF_ACCOUNT; i++) one.failed(`10.1.0.${i}`, 'a')
      expect(one.admit('10.0.0.0', 'a')).not.toBeNull()
      expect(one.admit('10.0.0.1', 'a')).toBeNull()
      expect(one.admit('10.0.0.64', 'a')).toBeNull()
    }
  })
})

describe('the rate of a source', () => {
  it('is a minute’s worth at once and then one after the other', () => {
    const clock = new ManualClock(0)
    const rate = new RateOfSources(clock, 60)
    for (let i = 0; i < 60; i++) expect(rate.take('a')).toBe(0)
    expect(rate.take('a')).toBe(1000)
    expect(rate.take('b')).toBe(0)
    clock.advance(1000)
    expect(rate.take('a')).toBe(0)
    expect(rate.take('a')).toBe(1000)
  })

  it('holds for ten thousand sources each, and for all others together', () => {
    const clock = new ManualClock(0)
    const rate = new RateOfSources(clock, 1)
    for (let i = 0; i < 10_000; i++) expect(rate.take(`s${i}`)).toBe(0)
    expect(rate.take('one more')).toBe(0)
    expect(rate.take('another')).toBeGreaterThan(0)
    clock.advance(60_000)
    expect(rate.take('another')).toBe(0)
  })
})

describe('the token endpoint under attack', () => {
  let fixture: Fixture
  let key: PrivateJwk
  beforeEach(async () => {
    fixture = await openFixture({ config: { tokenRequestsPerMinute: 600 } })
    key = (await fixture.account('victim')).privateKeyJwk
  })
  afterEach(() => fixture.close())
  const stranger = generateKeyPairSync('ed25519').privateKey
  const attack = (name: string): Promise<Response> =>
    fixture.post('/oauth/token', grantForm(name, assertion(name, stranger, fixture.clock.now())))

  it('answers 429 with `retry-after`, and lets a valid assertion from a known source through all the same', async () => {
    await fixture.token('victim', key)
    for (let i = 0; i < 40; i++) await attack(i % 2 === 0 ? 'victim' : 'nobody')
    const refused = await attack('nobody')
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await refused.json()).toMatchObject({ code: 'ERR_CLIENT_THROTTLED' })
    expect((await attack('victim')).status).toBe(401)
    await fixture.token('victim', key)
    expect(fixture.audit.of('authentication.refused').some(({ code }) => code === 'ERR_CLIENT_THROTTLED')).toBe(true)
  })

  it('covers revocation and introspection, which authenticate clients too', async () => {
    for (let i = 0; i <= FREE_FAILURES_OF_SOURCE; i++) await fixture.post('/oauth/revoke', 'client_id=nobody&token=x')
    for (const path of ['/oauth/revoke', '/oauth/introspect', '/oauth/token'])
      expect((await fixture.post(path, 'client_id=nobody&token=x')).status).toBe(429)
  })

  it('covers revocation and introspection in the name of the house’s own clients, which have nothing to show but the token', async () => {
    for (const path of ['/oauth/revoke', '/oauth/introspect']) {
      const slow = await openFixture({ config: { tokenRequestsPerMinute: 5 } })
      try {
        const statuses: number[] = []
        for (let i = 0; i < 7; i++) statuses.push((await slow.post(path, `client_id=redoubt-cli&token=guess-${i}`)).status)
        expect(statuses.slice(0, 5), path).not.toContain(429)
        expect(statuses.slice(5), path).toEqual([429, 429])
        const refused = await slow.post(path, 'client_id=redoubt-cli&token=x')
        expect(await refused.json()).toMatchObject({ error: 'slow_down', code: 'ERR_TOKEN_RATE' })
        expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
        // One pace for all of it: no endpoint is a way around another.
        for (const other of ['/oauth/token', '/oauth/revoke', '/oauth/introspect'])
          expect((await slow.post(other, 'client_id=redoubt-cli&token=x&grant_type=refresh_token&refresh_token=x')).status, other).toBe(429)
        slow.clock.advance(60_000)
        expect((await slow.post('/oauth/revoke', 'client_id=redoubt-cli&token=x')).status).toBe(200)
      } finally {
        await slow.close()
      }
    }
  })

  it('holds one source to its rate, whatever it asks for', async () => {
    const slow = await openFixture({ config: { tokenRequestsPerMinute: 5 } })
    try {
      const { privateKeyJwk } = await slow.account('busy')
      for (let i = 0; i < 6; i++) await slow.token('busy', privateKeyJwk)
      const refused = await slow.post('/oauth/token', grantForm('busy', assertion('busy', privateKeyJwk, slow.clock.now())))
      expect(refused.status).toBe(429)
      expect(refused.headers.get('retry-after')).toBe('12')
      expect(await refused.json()).toMatchObject({ code: 'ERR_TOKEN_RATE' })
    } finally {
      await slow.close()
    }
  })

  it('says the same of an account that exists, that does not, and that is disabled (no enumeration)', async () => {
    await fixture.account('gone')
    await fixture.identity.serviceAccounts.disable('gone', ADMIN)
    const answers = await Promise.all(
      ['victim', 'nobody', 'gone'].map(async (name) => {
        const response = await attack(name)
        const headers = [...response.headers].filter(([header]) => header !== 'date')
        return JSON.stringify([response.status, headers, await response.json()])
      }),
    )
    expect(new Set(answers).size).toBe(1)
  })
})
