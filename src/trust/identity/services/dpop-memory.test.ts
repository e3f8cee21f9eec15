import { afterEach, describe, expect, it } from 'vitest'
import { ManualClock } from '#foundation/core'
import { ISSUER, openFixture } from '../identity.fixtures.ts'
import { DpopMemory, MAX_PROOFS_A_SPAN, MAX_PROOFS_OF_AN_ACCOUNT, MAX_PROOFS_WHEN_CROWDED } from './dpop-memory.ts'
import { DpopNonces } from './dpop-nonces.ts'
import { bearer, boundCaller, codeOf, makeProof, PATH, SETTLED_MS } from './services.fixtures.ts'

const NOW = 1_800_000_000_000

/** A memory that knows the present, and proofs of one half minute in it. */
function memoryOf() {
  const clock = new ManualClock(NOW - SETTLED_MS)
  const memory = new DpopMemory(clock, new DpopNonces(clock), 0)
  clock.advance(SETTLED_MS)
  let count = 0
  const take = (account: string, thumbprint = account, id = `jti-${count++}`): string | null =>
    memory.take({ thumbprint, id, issuedAt: NOW / 1000, nonce: null }, account, clock.now())
  return { memory, take }
}

describe('the memory of used proofs (RFC 9449 §11.1, B8)', () => {
  it('is not to be used up by one account, whatever keys it has', () => {
    const { memory, take } = memoryOf()
    expect(take('victim', 'victim', 'used')).toBeNull()
    for (let i = 0; i < MAX_PROOFS_OF_AN_ACCOUNT; i++) expect(take('busy', `key ${i % 7}`)).toBeNull()
    expect(take('busy', 'one more key')).toBe('ERR_DPOP_EXHAUSTED')
    expect(take('victim')).toBeNull()
    // Nothing was forgotten for it.
    expect(take('victim', 'victim', 'used')).toBe('ERR_DPOP_REPLAYED')
    expect(memory.size).toBe(MAX_PROOFS_OF_AN_ACCOUNT + 2)
  })

  it('keeps half for those who use few, and is full at last', () => {
    const { memory, take } = memoryOf()
    expect(take('victim', 'victim', 'used')).toBeNull()
    for (const busy of ['a', 'b', 'c']) while (take(busy) === null);
    expect(memory.size).toBeLessThanOrEqual(MAX_PROOFS_A_SPAN / 2 + MAX_PROOFS_WHEN_CROWDED)
    let few = 0
    while (take('few') === null) few++
    expect(few).toBe(MAX_PROOFS_WHEN_CROWDED)
    for (let i = 0; memory.size < MAX_PROOFS_A_SPAN; i++) take(`account ${i}`)
    expect(take('late')).toBe('ERR_DPOP_EXHAUSTED')
    expect(memory.size).toBe(MAX_PROOFS_A_SPAN)
    expect(take('victim', 'victim', 'used')).toBe('ERR_DPOP_REPLAYED')
  })
})

describe('a proof that an earlier process took', () => {
  const fixtures: { close(): Promise<void> }[] = []
  afterEach(async () => {
    for (const one of fixtures.splice(0)) await one.close()
  })

  it('is refused after a restart, when the clock was set back too, and the time of the proof comes again', async () => {
    const fixture = await openFixture()
    fixtures.push(fixture)
    fixture.clock.advance(SETTLED_MS)
    await fixture.account('scorer')
    const caller = boundCaller(fixture, 'scorer')
    const proof = makeProof(caller.key, { method: 'GET', url: ISSUER + PATH, token: caller.token, now: fixture.clock.now() })
    expect(codeOf(caller.ask({}, { proof }))).toBeNull()
    await fixture.identity.maintain()
    const then = fixture.clock.now()
    fixture.clock.setNow(then - 600_000)
    const again = await fixture.reopen()
    fixture.clock.advance(600_000)
    expect(fixture.clock.now()).toBe(then)
    const { possession } = bearer(caller.token)
    const ask = (dpop: string): string | null =>
      codeOf(
        again.authenticate({
          authorization: `DPoP ${caller.token}`,
          authorizationCount: 1,
          url: PATH,
          possession: { ...possession!, proof: dpop, proofCount: 1 },
        }),
      )
    expect(ask(proof)).toBe('ERR_DPOP_NONCE')
    // What the earlier process cannot have seen needs no nonce.
    fixture.clock.advance(SETTLED_MS)
    const fresh = makeProof(caller.key, { method: 'GET', url: ISSUER + PATH, token: caller.token, now: fixture.clock.now() })
    expect(ask(fresh)).toBeNull()
  })
})
