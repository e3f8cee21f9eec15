import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ErrorCode } from '#foundation/core'
import type { Principal, Refusal } from '../authenticator.ts'
import { ADMIN, encode, type Fixture, ISSUER } from '../identity.fixtures.ts'
import { thumbprintOf } from '#trust/client'
import {
  bearer,
  type BoundCaller,
  boundCaller,
  clientCertificate,
  codeOf,
  makeProof,
  mint,
  openSettled,
  PATH,
  personToken,
  proofKey,
  publicJwk,
  signIn,
} from './services.fixtures.ts'

let fixture: Fixture
let caller: BoundCaller
beforeEach(async () => {
  fixture = await openSettled()
  await fixture.account('scorer')
  caller = boundCaller(fixture, 'scorer')
})
afterEach(() => fixture.close())

const seconds = (): number => Math.floor(fixture.clock.now() / 1000)
const THUMBPRINT = 'A'.repeat(43)

interface Case {
  readonly id: string
  readonly what: string
  readonly code: ErrorCode
  readonly ask: () => Principal | Refusal
}
const row = (id: string, what: string, code: ErrorCode, ask: Case['ask']): Case => ({ id, what, code, ask })
const header = (change: Record<string, unknown>) => () => caller.ask({ header: change })
const claims = (change: Record<string, unknown>) => () => caller.ask({ claims: change })
const jwk = (change: Record<string, unknown>) => () => caller.ask({ header: { jwk: { ...publicJwk(caller.key), ...change } } })
const text = (change: (proof: string) => string) => () => {
  const proof = makeProof(caller.key, { method: 'GET', url: ISSUER + PATH, token: caller.token, now: fixture.clock.now() })
  return caller.ask({}, { proof: change(proof) })
}

/** One thing wrong in each, everything else as it must be. */
const TABLE: readonly Case[] = [
  row('O01', 'a proof that was used before', 'ERR_DPOP_REPLAYED', () => {
    const once = { claims: { jti: 'the-same-twice' } }
    expect(codeOf(caller.ask(once))).toBeNull()
    return caller.ask(once)
  }),
  row('O02', 'no proof', 'ERR_DPOP_MISSING', () => caller.ask({}, { proof: undefined })),
  row('O02b', 'two proofs', 'ERR_DPOP_MISSING', () => caller.ask({}, { proofCount: 2 })),
  row('O02c', 'an empty proof', 'ERR_DPOP_MALFORMED', () => caller.ask({}, { proof: '' })),
  row(
    'O02d',
    'two proofs joined into one header',
    'ERR_DPOP_MALFORMED',
    text((proof) => `${proof}, ${proof}`),
  ),
  row('O03', 'a proof for another path', 'ERR_DPOP_URL', claims({ htu: `${ISSUER}/v1/chat/completions` })),
  row('O03b', 'a proof for another host', 'ERR_DPOP_URL', claims({ htu: `https://evil.example${PATH}` })),
  row('O03c', 'a proof for another port', 'ERR_DPOP_URL', claims({ htu: `https://gateway.example${PATH}` })),
  row('O03d', 'a proof for http', 'ERR_DPOP_URL', claims({ htu: `http://gateway.example:8443${PATH}` })),
  row(
    'O03e',
    'a proof with a user name in its address',
    'ERR_DPOP_URL',
    claims({ htu: `https://gateway.example@gateway.example:8443${PATH}` }),
  ),
  row('O03f', 'a proof without address', 'ERR_DPOP_URL', claims({ htu: undefined })),
  row('O03g', 'a proof whose path differs in case', 'ERR_DPOP_URL', claims({ htu: `${ISSUER}/V1/models` })),
  row('O04', 'a proof for another method', 'ERR_DPOP_METHOD', claims({ htm: 'POST' })),
  row('O04b', 'a proof for the method in lower case', 'ERR_DPOP_METHOD', claims({ htm: 'get' })),
  row('O04c', 'a proof without method', 'ERR_DPOP_METHOD', claims({ htm: undefined })),
  row('O05', 'a proof with the digest of another token', 'ERR_DPOP_TOKEN', claims({ ath: THUMBPRINT })),
  row('O05b', 'a proof without digest', 'ERR_DPOP_TOKEN', claims({ ath: undefined })),
  row('O06', 'a proof of 61 s ago', 'ERR_DPOP_TIME', () => caller.ask({ claims: { iat: seconds() - 61 } })),
  row('O06b', 'a proof of 62 s from now', 'ERR_DPOP_TIME', () => caller.ask({ claims: { iat: seconds() + 62 } })),
  row('O06c', 'a proof without time', 'ERR_DPOP_MALFORMED', claims({ iat: undefined })),
  row('O06d', 'a proof with a time in text', 'ERR_DPOP_MALFORMED', () => caller.ask({ claims: { iat: String(seconds()) } })),
  row('O07', 'a private key in the header', 'ERR_DPOP_KEY', () => jwk({ d: caller.key.export({ format: 'jwk' }).d })()),
  row('O07b', 'a symmetric key in the header', 'ERR_DPOP_KEY', header({ jwk: { kty: 'oct', k: 'AAAA' } })),
  row('O07c', 'HS256 under the public key', 'ERR_DPOP_ALGORITHM', () => {
    const input = `${encode({ typ: 'dpop+jwt', alg: 'HS256', jwk: publicJwk(caller.key) })}.${encode({ htm: 'GET' })}`
    const mac = createHmac('sha256', JSON.stringify(publicJwk(caller.key)))
      .update(input)
      .digest('base64url')
    return caller.ask({}, { proof: `${input}.${mac}` })
  }),
  row('O07d', 'the algorithm none', 'ERR_DPOP_ALGORITHM', header({ alg: 'none' })),
  row('O07e', 'RS256', 'ERR_DPOP_ALGORITHM', header({ alg: 'RS256' })),
  row('O07f', 'no key', 'ERR_DPOP_KEY', header({ jwk: undefined })),
  row('O07g', 'a key that is not an object', 'ERR_DPOP_KEY', header({ jwk: 'key' })),
  row('O07h', 'a point that is not on the curve', 'ERR_DPOP_BINDING', jwk({ y: THUMBPRINT })),
  row('O07i', 'the algorithm of another kind of key', 'ERR_DPOP_KEY', header({ alg: 'EdDSA' })),
  row('O07j', 'a certificate beside the key', 'ERR_DPOP_MALFORMED', header({ x5c: ['MIIB'] })),
  row('O07k', 'critical header members', 'ERR_DPOP_MALFORMED', header({ crit: ['exp'], exp: 1 })),
  row('O07l', 'an access token as proof', 'ERR_DPOP_TYPE', () => caller.ask({}, { proof: caller.token })),
  row('O07m', 'another type', 'ERR_DPOP_TYPE', header({ typ: 'jwt' })),
  row('O07n', 'no type', 'ERR_DPOP_TYPE', header({ typ: undefined })),
  row('O07o', 'a signature by another key', 'ERR_DPOP_SIGNATURE', () => caller.ask({ signer: proofKey() })),
  row(
    'O07p',
    'no signature',
    'ERR_DPOP_SIGNATURE',
    text((proof) => proof.slice(0, proof.lastIndexOf('.') + 1)),
  ),
  row(
    'O07q',
    'a signature of zeros',
    'ERR_DPOP_SIGNATURE',
    text((proof) => `${proof.slice(0, proof.lastIndexOf('.') + 1)}${'A'.repeat(86)}`),
  ),
  row(
    'O07r',
    'a proof with padding',
    'ERR_DPOP_MALFORMED',
    text((proof) => `${proof}==`),
  ),
  row('O07s', 'a proof of 9 KiB', 'ERR_DPOP_MALFORMED', claims({ padding: 'x'.repeat(9_000) })),
  row('O07t', 'no identifier', 'ERR_DPOP_MALFORMED', claims({ jti: undefined })),
  row('O07u', 'an identifier of 300 characters', 'ERR_DPOP_MALFORMED', claims({ jti: 'x'.repeat(300) })),
  row('O08', 'a bound token sent as Bearer', 'ERR_TOKEN_DOWNGRADE', () => caller.ask({}, { scheme: 'Bearer' })),
  row('O08b', 'a bound token sent as Bearer, without proof', 'ERR_TOKEN_DOWNGRADE', () =>
    caller.ask({}, { scheme: 'Bearer', proof: undefined }),
  ),
  row('O08c', 'two authorization headers, one of each kind', 'ERR_TOKEN_PLACEMENT', () =>
    fixture.identity.authenticate({ ...bearer(caller.token), authorizationCount: 2 }),
  ),
  row('O08d', 'both schemes in one header', 'ERR_TOKEN_MALFORMED', () =>
    fixture.identity.authenticate({ ...bearer(''), authorization: `Bearer ${caller.token}, DPoP ${caller.token}` }),
  ),
  row('O08e', 'an unbound token sent as DPoP', 'ERR_TOKEN_SCHEME', () => caller.ask({}, { token: mint(fixture, 'scorer') })),
  row('O08f', 'an unbound token with a proof', 'ERR_TOKEN_SCHEME', () =>
    caller.ask({}, { token: mint(fixture, 'scorer'), scheme: 'Bearer' }),
  ),
  row('O08g', 'a bound token where only bearer tokens are known', 'ERR_TOKEN_DOWNGRADE', () =>
    fixture.identity.authenticate({ authorization: `Bearer ${caller.token}`, authorizationCount: 1, url: PATH }),
  ),
  row('O09', 'a proof by another key', 'ERR_DPOP_BINDING', () => boundCaller(fixture, 'scorer').ask({}, { token: caller.token })),
  row('O09b', 'a nonce that we did not give', 'ERR_DPOP_NONCE', claims({ nonce: 'AAAAAAAAAAAAAAAAAAAAAA' })),
  row('O10', 'a token bound to another certificate', 'ERR_TOKEN_CERTIFICATE', () =>
    fixture.identity.authenticate(bearer(mint(fixture, 'scorer', { cnf: { 'x5t#S256': THUMBPRINT } }), `B${THUMBPRINT.slice(1)}`)),
  ),
  row('O10b', 'a token bound to a certificate, over a connection without one', 'ERR_TOKEN_CERTIFICATE', () =>
    fixture.identity.authenticate(bearer(mint(fixture, 'scorer', { cnf: { 'x5t#S256': THUMBPRINT } }))),
  ),
  row('O10c', 'a token bound to a key and a certificate', 'ERR_TOKEN_CLAIMS', () =>
    fixture.identity.authenticate(bearer(mint(fixture, 'scorer', { cnf: { jkt: THUMBPRINT, 'x5t#S256': THUMBPRINT } }), THUMBPRINT)),
  ),
  row('O10d', 'a token bound to nothing that we know', 'ERR_TOKEN_CLAIMS', () =>
    fixture.identity.authenticate(bearer(mint(fixture, 'scorer', { cnf: { kid: 'x' } }))),
  ),
  row('O10e', 'a token bound to an empty claim', 'ERR_TOKEN_CLAIMS', () =>
    fixture.identity.authenticate(bearer(mint(fixture, 'scorer', { cnf: {} }))),
  ),
  row('O18', 'a token in the address', 'ERR_TOKEN_PLACEMENT', () => caller.ask({}, { path: `${PATH}?access_token=${caller.token}` })),
  row('O18b', 'a token in the body alone', 'ERR_TOKEN_MISSING', () =>
    fixture.identity.authenticate({ authorization: undefined, authorizationCount: 0, url: PATH }),
  ),
]

describe('the table of stolen, copied and downgraded tokens', () => {
  it.each(TABLE)('$id refuses $what as $code, and records it (B5, B8)', ({ code, ask }) => {
    expect(codeOf(ask())).toBe(code)
    expect(fixture.audit.of('authentication.refused').at(-1)).toMatchObject({ code, outcome: 'refused', action: 'authenticate' })
  })

  it('has a row of each kind', () => {
    const ids = new Set(TABLE.map(({ id }) => id.slice(0, 3)))
    expect([...ids]).toEqual(['O01', 'O02', 'O03', 'O04', 'O05', 'O06', 'O07', 'O08', 'O09', 'O10', 'O18'])
  })

  it('O22 refuses a bound token once it is revoked, its account has a new key or is disabled', async () => {
    expect(codeOf(caller.ask())).toBeNull()
    await fixture.identity.serviceAccounts.replaceKey('scorer', ADMIN)
    expect(codeOf(caller.ask())).toBe('ERR_TOKEN_REVOKED')
    await fixture.identity.serviceAccounts.disable('scorer', ADMIN)
    expect(codeOf(caller.ask())).toBe('ERR_ACCOUNT_DISABLED')
  })
})

describe('a token that is bound to a key (RFC 9449)', () => {
  it.each([
    ['P-256', proofKey()],
    ['Ed25519', generateKeyPairSync('ed25519').privateKey],
  ] as const)('is taken with a proof by its %s key', (_curve, key: KeyObject) => {
    expect(boundCaller(fixture, 'scorer', key).ask()).toMatchObject({ name: 'scorer', tokenBinding: 'dpop' })
  })

  it('of a person at a command line is taken with a proof by their key alone (B4, B5)', async () => {
    const token = personToken(fixture, await signIn(fixture), { cnf: { jkt: thumbprintOf(caller.key) } })
    expect(caller.ask({}, { token })).toMatchObject({ tokenBinding: 'dpop', keyThumbprint: thumbprintOf(caller.key) })
    expect(codeOf(caller.ask({}, { token, proof: undefined }))).toBe('ERR_DPOP_MISSING')
    expect(codeOf(caller.ask({}, { token, proof: undefined, scheme: 'Bearer' }))).toBe('ERR_TOKEN_DOWNGRADE')
    expect(codeOf(boundCaller(fixture, 'scorer').ask({}, { token }))).toBe('ERR_DPOP_BINDING')
  })

  it('is taken a minute early and late, with a query, and under other spellings of the same address', () => {
    for (const iat of [seconds() - 59, seconds() + 60]) expect(codeOf(caller.ask({ claims: { iat } }))).toBeNull()
    expect(codeOf(caller.ask({}, { path: `${PATH}?limit=1`, url: ISSUER + PATH }))).toBeNull()
    for (const htu of [`${ISSUER}${PATH}?limit=1#x`, `HTTPS://Gateway.Example:8443${PATH}`, `${ISSUER}/v1/x/../models`])
      expect([htu, codeOf(caller.ask({ claims: { htu } }))]).toEqual([htu, null])
  })

  it('takes a proof once for all of its encodings and for all tokens of the key', () => {
    const same = boundCaller(fixture, 'scorer', caller.key)
    expect(codeOf(caller.ask({ claims: { jti: 'one' } }))).toBeNull()
    expect(codeOf(same.ask({ claims: { jti: 'one' } }))).toBe('ERR_DPOP_REPLAYED')
    expect(codeOf(boundCaller(fixture, 'scorer').ask({ claims: { jti: 'one' } }))).toBeNull()
  })

  it('does not use up a proof that is refused', () => {
    expect(codeOf(caller.ask({ claims: { jti: 'one' } }, { scheme: 'Bearer' }))).toBe('ERR_TOKEN_DOWNGRADE')
    expect(codeOf(caller.ask({ claims: { jti: 'one' } }))).toBeNull()
  })

  it('refuses, after a restart, what could have been used before it, and takes it with a nonce', async () => {
    const proof = makeProof(caller.key, { method: 'GET', url: ISSUER + PATH, token: caller.token, now: fixture.clock.now() })
    expect(codeOf(caller.ask({}, { proof }))).toBeNull()
    const again = await fixture.reopen()
    const headers = new Map<string, string>()
    const ask = (text: string): string | null =>
      codeOf(
        again.authenticate({
          authorization: `DPoP ${caller.token}`,
          authorizationCount: 1,
          url: PATH,
          possession: {
            method: 'GET',
            proof: text,
            proofCount: 1,
            certificate: () => null,
            setHeader: (name, value) => headers.set(name, value),
          },
        }),
      )
    const make = (claims: Record<string, unknown>): string =>
      makeProof(caller.key, { method: 'GET', url: ISSUER + PATH, token: caller.token, now: fixture.clock.now() }, { claims })
    expect(ask(proof)).toBe('ERR_DPOP_NONCE')
    // A client whose clock is fast: the first process may have taken this one.
    expect(ask(make({ iat: seconds() + 60 }))).toBe('ERR_DPOP_NONCE')
    expect(ask(make({ nonce: headers.get('dpop-nonce') }))).toBeNull()
    fixture.clock.advance(62_000)
    expect(ask(make({}))).toBeNull()
  })

  it('takes a nonce of the last period, sends the new one along, and refuses an older one (O09)', () => {
    const headers = new Map<string, string>()
    expect(codeOf(caller.ask({ claims: { nonce: 'x' } }, { headers }))).toBe('ERR_DPOP_NONCE')
    const nonce = headers.get('dpop-nonce')
    expect(codeOf(caller.ask({ claims: { nonce } }))).toBeNull()
    fixture.clock.advance(5 * 60_000)
    headers.clear()
    expect(codeOf(caller.ask({ claims: { nonce } }, { headers }))).toBeNull()
    expect(headers.get('dpop-nonce')).not.toBe(nonce)
    fixture.clock.advance(4.9 * 60_000)
    expect(codeOf(caller.ask({ claims: { nonce } }))).toBe('ERR_DPOP_NONCE')
  })

  it('demands a nonce of every proof when it is configured so', async () => {
    const strict = await openSettled({ config: { dpopNonce: 'required' } })
    try {
      await strict.account('scorer')
      const one = boundCaller(strict, 'scorer')
      const headers = new Map<string, string>()
      expect(codeOf(one.ask({}, { headers }))).toBe('ERR_DPOP_NONCE')
      expect(codeOf(one.ask({ claims: { nonce: headers.get('dpop-nonce') } }))).toBeNull()
    } finally {
      await strict.close()
    }
  })

  it('does not take a proof twice when the clock is set back', () => {
    const jti = 'before'
    const headers = new Map<string, string>()
    caller.ask({ claims: { nonce: 'x' } }, { headers })
    const nonce = headers.get('dpop-nonce')
    const proof = (claims: Record<string, unknown>): string =>
      makeProof(caller.key, { method: 'GET', url: ISSUER + PATH, token: caller.token, now: start }, { claims: { jti, ...claims } })
    const start = fixture.clock.now()
    const [plain, fresh] = [proof({}), proof({ nonce, jti: 'fresh' })]
    expect(codeOf(caller.ask({}, { proof: plain }))).toBeNull()
    expect(codeOf(caller.ask({}, { proof: fresh }))).toBeNull()
    // Memory of that minute is dropped, then the minute comes again.
    fixture.clock.advance(200_000)
    expect(codeOf(caller.ask())).toBeNull()
    fixture.clock.setNow(start)
    expect(codeOf(caller.ask({}, { proof: plain }))).toBe('ERR_DPOP_NONCE')
    expect(codeOf(caller.ask({}, { proof: fresh }))).toBe('ERR_DPOP_NONCE')
    caller.ask({ claims: { nonce: 'x' } }, { headers })
    expect(codeOf(caller.ask({}, { proof: fresh }))).toBe('ERR_DPOP_NONCE')
    expect(codeOf(caller.ask({ claims: { nonce: headers.get('dpop-nonce') } }))).toBeNull()
  })
})

describe('an account that takes bound tokens only', () => {
  it.each(['dpop', 'mtls'] as const)('refuses an unbound token that we signed (%s)', async (binding) => {
    const made = binding === 'mtls' ? await clientCertificate() : null
    await fixture.account('strict', { binding, ...(made === null ? {} : { certificate: made.cert }) })
    expect(codeOf(fixture.identity.authenticate(bearer(mint(fixture, 'strict'))))).toBe('ERR_TOKEN_BINDING')
    if (made === null) {
      expect(boundCaller(fixture, 'strict').ask()).toMatchObject({ tokenBinding: 'dpop' })
    } else {
      const token = mint(fixture, 'strict', { cnf: { 'x5t#S256': made.thumbprint } })
      expect(fixture.identity.authenticate(bearer(token, made.thumbprint))).toMatchObject({ tokenBinding: 'mtls' })
      expect(codeOf(boundCaller(fixture, 'strict').ask())).toBe('ERR_TOKEN_BINDING')
    }
  })
})
