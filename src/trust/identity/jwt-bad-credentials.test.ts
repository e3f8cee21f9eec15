import { createHmac, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import * as fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ErrorCode } from '#foundation/core'
import { encode, fakeKeys, type Fixture, goodClaims, ISSUER, openFixture, signCompact } from './identity.fixtures.ts'
import { WINDOW_MS } from './refusal-log.ts'
import { thumbprintOf } from '#trust/client'
import { type TokenRules, verifyAccessToken } from './verify-access-token.ts'

/**
 * The table of bad JSON Web Tokens, one case a row. Each case changes one thing in a token that is otherwise good, and signs it anew
 * wherever the signature is not the point, so that the code names the check that refused it.
 */
const NOW = 1_800_000_000_000
const NOW_SECONDS = NOW / 1000
const ed = generateKeyPairSync('ed25519')
const secondEd = generateKeyPairSync('ed25519')
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const attacker = generateKeyPairSync('ed25519')
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })

/** As the server names its key. */
const MAIN = thumbprintOf(ed.privateKey)
const rules: TokenRules = {
  issuer: ISSUER,
  audience: ISSUER,
  keys: new Map([
    [MAIN, { algorithm: 'EdDSA', publicKey: ed.publicKey }],
    ['second', { algorithm: 'EdDSA', publicKey: secondEd.publicKey }],
    ['es256', { algorithm: 'ES256', publicKey: ec.publicKey }],
  ]),
}
const HEADER = { alg: 'EdDSA', typ: 'at+jwt', kid: MAIN }
const claims = goodClaims('scorer', NOW)
const good = signCompact(HEADER, claims, ed.privateKey)
const [goodHeader = '', goodPayload = '', goodSignature = ''] = good.split('.')

const withClaims = (change: Record<string, unknown>): string => signCompact(HEADER, { ...claims, ...change }, ed.privateKey)
const withHeader = (change: Record<string, unknown>, key: KeyObject = ed.privateKey): string =>
  signCompact({ ...HEADER, ...change }, claims, key)
const without = (claim: string): string =>
  signCompact(HEADER, Object.fromEntries(Object.entries(claims).filter(([name]) => name !== claim)), ed.privateKey)
const hmac = (alg: string, secret: string | Buffer): string => {
  const input = `${encode({ ...HEADER, alg })}.${goodPayload}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}
const ecdsa = (header: Record<string, unknown>): { input: string; signature: Buffer } => {
  const input = `${encode({ ...HEADER, ...header })}.${goodPayload}`
  return { input, signature: sign('sha256', Buffer.from(input), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }) }
}
const code = (token: string): string => {
  const result = verifyAccessToken(token, rules, NOW)
  return typeof result === 'string' ? result : 'accepted'
}

const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
/** (r, s) → (r, n − s): as good a signature as the first, in other bytes. */
const malleate = (signature: Buffer): Buffer => {
  const s = BigInt(`0x${signature.subarray(32).toString('hex')}`)
  return Buffer.concat([signature.subarray(0, 32), Buffer.from((P256_ORDER - s).toString(16).padStart(64, '0'), 'hex')])
}
/** Sets an unused bit of the last character: decodes to the same bytes. */
const lastCharacter = (text: string): string => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet[alphabet.indexOf(text.at(-1) ?? '') | 1] ?? ''
  return text.slice(0, -1) + last
}
const spliced = (text: string): string => `${good.slice(0, good.length - 20)}${text}${good.slice(good.length - 20)}`

interface Case {
  readonly id: string
  readonly what: string
  readonly code: ErrorCode
  readonly token: () => string
}
const row = (id: string, what: string, expected: ErrorCode, token: () => string): Case => ({ id, what, code: expected, token })
const jwkOf = (key: KeyObject): object => key.export({ format: 'jwk' })
const pem = (key: KeyObject): string => key.export({ format: 'pem', type: 'spki' }).toString()

const TABLE: readonly Case[] = [
  row('J01', 'algorithm none', 'ERR_TOKEN_ALGORITHM', () => `${encode({ ...HEADER, alg: 'none' })}.${goodPayload}.`),
  row('J02', 'algorithm nOnE', 'ERR_TOKEN_ALGORITHM', () => `${encode({ ...HEADER, alg: 'nOnE' })}.${goodPayload}.`),
  row('J02b', 'algorithm NONE', 'ERR_TOKEN_ALGORITHM', () => `${encode({ ...HEADER, alg: 'NONE' })}.${goodPayload}.`),
  row('J03', 'empty signature, algorithm kept', 'ERR_TOKEN_SIGNATURE', () => `${goodHeader}.${goodPayload}.`),
  row('J04', 'HS256 under the public PEM', 'ERR_TOKEN_ALGORITHM', () => hmac('HS256', pem(ed.publicKey))),
  row('J05', 'HS256 under the public JWK', 'ERR_TOKEN_ALGORITHM', () => hmac('HS256', JSON.stringify(jwkOf(ec.publicKey)))),
  row('J06', 'HS256 under a blank password', 'ERR_TOKEN_ALGORITHM', () => hmac('HS256', '')),
  row('J07', 'embedded jwk, its own key', 'ERR_TOKEN_HEADER', () => {
    const { kid: _kid, ...rest } = HEADER
    return signCompact({ ...rest, jwk: jwkOf(attacker.publicKey) }, claims, attacker.privateKey)
  }),
  row('J08', 'embedded jwk with a trusted kid', 'ERR_TOKEN_HEADER', () =>
    withHeader({ jwk: jwkOf(attacker.publicKey) }, attacker.privateKey),
  ),
  row('J09', 'jku of the attacker', 'ERR_TOKEN_HEADER', () => withHeader({ jku: 'https://attacker.example/jwks.json' })),
  row('J10', 'x5u of the attacker', 'ERR_TOKEN_HEADER', () => withHeader({ x5u: 'https://attacker.example/cert.pem' })),
  row('J11', 'x5c of the attacker', 'ERR_TOKEN_HEADER', () => withHeader({ x5c: ['MIIB'] })),
  row('J12', 'kid with a path', 'ERR_TOKEN_KEY_UNKNOWN', () => withHeader({ kid: '../../../../dev/null' })),
  row('J13', 'kid with SQL', 'ERR_TOKEN_KEY_UNKNOWN', () => withHeader({ kid: `${MAIN}' UNION SELECT 'x` })),
  row('J13b', 'kid of the prototype', 'ERR_TOKEN_KEY_UNKNOWN', () => withHeader({ kid: '__proto__' })),
  row('J14', 'kid unknown', 'ERR_TOKEN_KEY_UNKNOWN', () => withHeader({ kid: 'other' })),
  row('J15', 'kid missing, three keys', 'ERR_TOKEN_KEY_UNKNOWN', () => withHeader({ kid: undefined })),
  row('J16', 'kid that is not a string', 'ERR_TOKEN_KEY_UNKNOWN', () => withHeader({ kid: [MAIN] })),
  row('J17', 'kid of a key of another algorithm', 'ERR_TOKEN_ALGORITHM', () => withHeader({ kid: 'es256' })),
  row('J17b', 'kid of another key of ours', 'ERR_TOKEN_SIGNATURE', () => withHeader({ kid: 'second' })),
  row(
    'J18',
    'signature of zeros, our algorithm',
    'ERR_TOKEN_SIGNATURE',
    () => `${goodHeader}.${goodPayload}.${Buffer.alloc(64).toString('base64url')}`,
  ),
  row(
    'J18b',
    'signature of zeros, ES256',
    'ERR_TOKEN_ALGORITHM',
    () => `${ecdsa({ alg: 'ES256', kid: 'es256' }).input}.${Buffer.alloc(64).toString('base64url')}`,
  ),
  row('J19', 'DER encoded signature', 'ERR_TOKEN_SIGNATURE', () => {
    const der = sign('sha256', Buffer.from(`${goodHeader}.${goodPayload}`), ec.privateKey)
    return `${goodHeader}.${goodPayload}.${der.toString('base64url')}`
  }),
  row('J20', 'one bit of the signature flipped', 'ERR_TOKEN_SIGNATURE', () => {
    const bytes = Buffer.from(goodSignature, 'base64url')
    bytes.writeUInt8(bytes.readUInt8(10) ^ 1, 10)
    return `${goodHeader}.${goodPayload}.${bytes.toString('base64url')}`
  }),
  row(
    'J21',
    'payload of another token',
    'ERR_TOKEN_SIGNATURE',
    () => `${goodHeader}.${encode({ ...claims, sub: 'admin', client_id: 'admin' })}.${goodSignature}`,
  ),
  row('J22', 'expired', 'ERR_TOKEN_EXPIRED', () => withClaims({ iat: NOW_SECONDS - 601, exp: NOW_SECONDS - 1 })),
  row('J22b', 'expires now', 'ERR_TOKEN_EXPIRED', () => withClaims({ iat: NOW_SECONDS - 600, exp: NOW_SECONDS })),
  row('J23', 'exp missing', 'ERR_TOKEN_CLAIMS', () => without('exp')),
  row('J24', 'exp a string', 'ERR_TOKEN_CLAIMS', () => withClaims({ exp: String(NOW_SECONDS + 600) })),
  row('J24b', 'exp a fraction', 'ERR_TOKEN_CLAIMS', () => withClaims({ exp: NOW_SECONDS + 600.5 })),
  row('J25', 'nbf in the future', 'ERR_TOKEN_NOT_YET_VALID', () => withClaims({ nbf: NOW_SECONDS + 60 })),
  row('J26', 'iat in the future', 'ERR_TOKEN_NOT_YET_VALID', () => withClaims({ iat: NOW_SECONDS + 60 })),
  row('J27', 'iat too old', 'ERR_TOKEN_LIFETIME', () => withClaims({ iat: NOW_SECONDS - 86_400 })),
  row('J28', 'lifetime of ten years', 'ERR_TOKEN_LIFETIME', () => withClaims({ exp: NOW_SECONDS + 315_360_000 })),
  row('J28b', 'lifetime a second over the bound', 'ERR_TOKEN_LIFETIME', () => withClaims({ exp: NOW_SECONDS + 901 })),
  row('J29', 'issuer wrong', 'ERR_TOKEN_ISSUER', () => withClaims({ iss: 'https://attacker.example' })),
  row('J30', 'issuer with a trailing slash', 'ERR_TOKEN_ISSUER', () => withClaims({ iss: `${ISSUER}/` })),
  row('J31', 'issuer missing', 'ERR_TOKEN_CLAIMS', () => without('iss')),
  row('J32', 'audience wrong', 'ERR_TOKEN_AUDIENCE', () => withClaims({ aud: 'https://elsewhere.example' })),
  row('J33', 'audience missing', 'ERR_TOKEN_CLAIMS', () => without('aud')),
  row('J34', 'audience with a second server', 'ERR_TOKEN_AUDIENCE', () => withClaims({ aud: [ISSUER, 'https://elsewhere.example'] })),
  row('J34b', 'audience a list of one', 'ERR_TOKEN_AUDIENCE', () => withClaims({ aud: [ISSUER] })),
  row('J35', 'id token', 'ERR_TOKEN_TYPE', () => withHeader({ typ: 'JWT' })),
  row('J36', 'no typ', 'ERR_TOKEN_TYPE', () => withHeader({ typ: undefined })),
  row('J37', 'logout token', 'ERR_TOKEN_TYPE', () => withHeader({ typ: 'logout+jwt' })),
  row('J37b', 'DPoP proof', 'ERR_TOKEN_TYPE', () => withHeader({ typ: 'dpop+jwt' })),
  row('J38', 'unknown crit', 'ERR_TOKEN_HEADER', () => withHeader({ crit: ['exp'], exp: 1 })),
  row('J39', 'b64 false', 'ERR_TOKEN_HEADER', () => withHeader({ b64: false, crit: ['b64'] })),
  row('J40', 'JSON serialisation', 'ERR_TOKEN_MALFORMED', () =>
    JSON.stringify({ protected: goodHeader, payload: goodPayload, signature: goodSignature }),
  ),
  row('J41', 'five parts, as an encrypted token', 'ERR_TOKEN_MALFORMED', () => `${good}.AAAA.AAAA`),
  row('J42', 'token in a token', 'ERR_TOKEN_HEADER', () => withHeader({ cty: 'JWT' })),
  row('J42b', 'token as payload', 'ERR_TOKEN_MALFORMED', () => signCompact(HEADER, good, ed.privateKey)),
  row('J43', 'claim sub twice, the good one last', 'ERR_TOKEN_CLAIMS', () =>
    signCompact(HEADER, `{"sub":"admin",${JSON.stringify(claims).slice(1)}`, ed.privateKey),
  ),
  row('J43b', 'header member alg twice', 'ERR_TOKEN_HEADER', () =>
    signCompact(`${JSON.stringify(HEADER).slice(0, -1)},"alg":"EdDSA"}`, claims, ed.privateKey),
  ),
  row('J43c', 'claim sub twice, the good one first', 'ERR_TOKEN_CLAIMS', () =>
    signCompact(HEADER, `${JSON.stringify(claims).slice(0, -1)},"sub":"admin"}`, ed.privateKey),
  ),
  row('J44', 'jti missing', 'ERR_TOKEN_CLAIMS', () => without('jti')),
  row('J45', 'sub missing', 'ERR_TOKEN_CLAIMS', () => without('sub')),
  row('J45b', 'client_id missing', 'ERR_TOKEN_CLAIMS', () => without('client_id')),
  row('J45c', 'sub of another account than client_id', 'ERR_TOKEN_CLAIMS', () => withClaims({ sub: 'admin' })),
  row('J46', 'payload a list', 'ERR_TOKEN_MALFORMED', () => signCompact(HEADER, '[]', ed.privateKey)),
  row('J46b', 'payload null', 'ERR_TOKEN_MALFORMED', () => signCompact(HEADER, 'null', ed.privateKey)),
  row('J46c', 'payload not JSON', 'ERR_TOKEN_MALFORMED', () => signCompact(HEADER, 'sub=admin', ed.privateKey)),
  row('J47', 'padding appended', 'ERR_TOKEN_MALFORMED', () => `${good}==`),
  row('J48', 'newline inside the signature', 'ERR_TOKEN_MALFORMED', () => spliced('\n')),
  row('J48b', 'space after the signature', 'ERR_TOKEN_MALFORMED', () => `${good} `),
  row('J48c', 'newline after the signature', 'ERR_TOKEN_MALFORMED', () => `${good}\n`),
  row('J49', 'one mebibyte, well signed', 'ERR_TOKEN_TOO_LARGE', () => withClaims({ scope: 'a'.repeat(1024 * 1024) })),
  row('J49b', 'just over the cap, well signed', 'ERR_TOKEN_TOO_LARGE', () => {
    let token = ''
    for (let size = 5_600; token.length <= 8_192; size += 4) token = withClaims({ scope: 'a'.repeat(size) })
    return token
  }),
  row('J50', 'another algorithm under a key that is known', 'ERR_TOKEN_ALGORITHM', () => {
    const { input, signature } = ecdsa({ alg: 'ES256', kid: 'es256' })
    return `${input}.${signature.toString('base64url')}`
  }),
  row('J51', 'ES256K', 'ERR_TOKEN_ALGORITHM', () => withHeader({ alg: 'ES256K' })),
  row('J51b', 'RS256', 'ERR_TOKEN_ALGORITHM', () => {
    const input = `${encode({ ...HEADER, alg: 'RS256' })}.${goodPayload}`
    return `${input}.${sign('sha256', Buffer.from(input), rsa.privateKey).toString('base64url')}`
  }),
  row('J52', 'claim __proto__', 'ERR_TOKEN_CLAIMS', () =>
    signCompact(HEADER, `${JSON.stringify(claims).slice(0, -1)},"__proto__":{"admin":true}}`, ed.privateKey),
  ),
  row('J52b', 'claim constructor', 'ERR_TOKEN_CLAIMS', () => withClaims({ constructor: { prototype: {} } })),
  row('J53', 'ECDSA signature in its other form', 'ERR_TOKEN_ALGORITHM', () => {
    const { input, signature } = ecdsa({ alg: 'ES256', kid: 'es256' })
    return `${input}.${malleate(signature).toString('base64url')}`
  }),
  row('J54', 'non-canonical last character of the signature', 'ERR_TOKEN_MALFORMED', () => lastCharacter(good)),
]

describe('bad JSON Web Tokens (B8)', () => {
  const outbound = vi.fn(async () => {
    throw new Error('an outbound request was made')
  })
  let original: typeof fetch
  beforeAll(() => {
    original = globalThis.fetch
    globalThis.fetch = outbound
  })
  afterEach(() => {
    // J09 to J11: nothing that a token says makes us call anyone.
    expect(outbound).not.toHaveBeenCalled()
  })
  afterAll(() => {
    globalThis.fetch = original
  })

  it('accepts the good token that every case is made from', () => {
    expect(code(good)).toBe('accepted')
    expect(code(signCompact({ ...HEADER, kid: 'second' }, claims, secondEd.privateKey))).toBe('accepted')
    expect(code(withClaims({ nbf: NOW_SECONDS + 5, iat: NOW_SECONDS + 5 }))).toBe('accepted')
    expect(code(withClaims({ exp: NOW_SECONDS + 900 }))).toBe('accepted')
  })

  it('has every row from J01 to J54 once', () => {
    const ids = TABLE.map((one) => one.id)
    expect(new Set(ids).size).toBe(ids.length)
    for (let i = 1; i <= 54; i++) expect(ids).toContain(`J${String(i).padStart(2, '0')}`)
  })

  it.each(TABLE)('$id refuses: $what ($code)', ({ token, code: expected }) => {
    expect(code(token())).toBe(expected)
  })

  it('J53 is a real forgery: the other form of the signature verifies', () => {
    const { input, signature } = ecdsa({ alg: 'ES256', kid: 'es256' })
    expect(verify('sha256', Buffer.from(input), { key: ec.publicKey, dsaEncoding: 'ieee-p1363' }, malleate(signature))).toBe(true)
  })

  it('J54 is a real forgery: the other text decodes to the same signature', () => {
    expect(Buffer.from(lastCharacter(good).split('.')[2] ?? '', 'base64url').equals(Buffer.from(goodSignature, 'base64url'))).toBe(true)
    expect(lastCharacter(good)).not.toBe(good)
  })
})

describe('mutated tokens', () => {
  it('accepts none of thousands of mutations (B8)', () => {
    const character = fc.constantFrom(...Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.+/ \n\t\0é'))
    const at = fc.nat({ max: good.length - 1 })
    const mutation = fc.oneof(
      fc.record({ kind: fc.constant('replace' as const), at, character }),
      fc.record({ kind: fc.constant('insert' as const), at, character }),
      fc.record({ kind: fc.constant('delete' as const), at, character }),
      fc.record({ kind: fc.constant('swap' as const), at, character }),
      fc.record({ kind: fc.constant('truncate' as const), at, character }),
      fc.record({ kind: fc.constant('repeat' as const), at, character }),
    )
    const mutate = (token: string, one: { kind: string; at: number; character: string }): string => {
      const before = token.slice(0, one.at)
      const after = token.slice(one.at)
      switch (one.kind) {
        case 'replace':
          return before + one.character + after.slice(1)
        case 'insert':
          return before + one.character + after
        case 'delete':
          return before + after.slice(1)
        case 'swap':
          return before + (after[1] ?? '') + (after[0] ?? '') + after.slice(2)
        case 'truncate':
          return before
        default:
          return token + after
      }
    }
    let accepted = 0
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
        const token = mutations.reduce(mutate, good)
        if (token === good) return
        if (code(token) === 'accepted') accepted++
      }),
      { numRuns: 6_000, seed: 20_260_701 },
    )
    expect(accepted).toBe(0)
  })

  it('never throws for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 60 }), (header, payload) => {
        expect(code(`${header}.${payload}.`)).toMatch(/^ERR_TOKEN_/)
        expect(code(signCompact(header, payload, ed.privateKey))).toMatch(/^ERR_TOKEN_/)
      }),
      { numRuns: 300, seed: 20_260_702 },
    )
  })

  it('never throws for any claims, well signed', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(claims), 'nbf', 'scope'), fc.jsonValue({ maxDepth: 3 }), (name, value) => {
        const answer = code(withClaims({ [name]: value }))
        if (answer === 'accepted') expect(['jti', 'iat', 'exp', 'nbf', 'scope', 'account_epoch']).toContain(name)
        else expect(answer).toMatch(/^ERR_TOKEN_/)
      }),
      { numRuns: 1_000, seed: 20_260_703 },
    )
  })
})

describe('bad tokens at the door', () => {
  let fixture: Fixture
  beforeAll(async () => {
    fixture = await openFixture({ keys: fakeKeys(ed.privateKey) })
    fixture.clock.setNow(NOW)
    await fixture.account('scorer')
  })
  afterAll(() => fixture.close())

  it('refuses every row at `authenticate` too, before and after the good token is cached, and records each with its reason (B8)', () => {
    const ask = (token: string): string => {
      const answer = fixture.identity.authenticate({ authorization: `Bearer ${token}`, authorizationCount: 1, url: '/' })
      return 'code' in answer ? answer.code : 'accepted'
    }
    for (const when of ['before', 'after']) {
      for (const { id, token, code: inTable } of TABLE) {
        // The server has one key: the others of the table are unknown to it.
        const expected = /^J17b?$/.test(id) ? 'ERR_TOKEN_KEY_UNKNOWN' : inTable
        const recorded = fixture.audit.of('authentication.refused').length
        expect([when, id, ask(token())]).toEqual([when, id, expected])
        const events = fixture.audit.of('authentication.refused').slice(recorded)
        expect(events, id).toMatchObject([{ code: expected, outcome: 'refused', action: 'authenticate', details: { count: 1 } }])
        // Out of the window in which refusals of one kind are counted together, at the same hour.
        fixture.clock.advance(WINDOW_MS)
        fixture.clock.setNow(NOW)
      }
      expect(ask(good)).toBe('accepted')
    }
  })

  it('knows a token of an account that does not exist, and one of an earlier epoch', async () => {
    const token = await fixture.token(
      'scorer',
      (await fixture.identity.serviceAccounts.replaceKey('scorer', { type: 'User', id: 'a' })).privateKeyJwk!,
    )
    const [header] = token.split('.')
    const decoded = JSON.parse(Buffer.from(header ?? '', 'base64url').toString()) as Record<string, unknown>
    const ask = (change: Record<string, unknown>): string => {
      const forged = signCompact(decoded, { ...goodClaims('scorer', fixture.clock.now()), account_epoch: 1, ...change }, ed.privateKey)
      const answer = fixture.identity.authenticate({ authorization: `Bearer ${forged}`, authorizationCount: 1, url: '/' })
      return 'code' in answer ? answer.code : 'accepted'
    }
    expect(ask({})).toBe('accepted')
    expect(ask({ account_epoch: 0 })).toBe('ERR_TOKEN_REVOKED')
    expect(ask({ account_epoch: 2 })).toBe('ERR_TOKEN_REVOKED')
    expect(ask({ sub: 'ghost', client_id: 'ghost' })).toBe('ERR_ACCOUNT_UNKNOWN')
  })
})
