/** Ways to spoil an access token, each of which must be refused. Pure functions of a seeded generator. */
import { type KeyObject, sign } from 'node:crypto'
import { encode, signCompact } from '../identity.fixtures.ts'
import { publicJwk } from './services.fixtures.ts'
import { type Chance, flipped, joined, parts, spliced } from './spoiled-text.fixtures.ts'

export interface Material {
  /** Valid tokens, all different. */
  readonly tokens: readonly string[]
  /** Things that are signed, and are no access tokens. */
  readonly others: readonly string[]
  /** The key under which tokens are valid, and one under which they are not. */
  readonly ours: KeyObject
  readonly attacker: KeyObject
  /** Epoch seconds. */
  readonly now: number
}

type Mutation = (chance: Chance, material: Material) => string

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const decoded = (part: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as Record<string, unknown>

/** The claims of another account, whole: worth something if we had signed them. */
const OTHER_ACCOUNT = { sub: 'admin', client_id: 'admin' }

/** Claims that no token of ours has. */
const CLAIMS: readonly ((now: number) => Record<string, unknown>)[] = [
  () => ({ sub: 'admin' }),
  () => ({ sub: 'user_root', acr: '3', amr: ['hwk'], sid: 'ses_x', auth_time: 1 }),
  () => ({ aud: 'https://elsewhere.example' }),
  () => ({ aud: ['https://gateway.example:8443', 'https://elsewhere.example'] }),
  () => ({ iss: 'https://elsewhere.example' }),
  () => ({ iss: 'https://gateway.example:8443/' }),
  (now) => ({ exp: now - 1 }),
  (now) => ({ iat: now - 600, exp: now - 1 }),
  (now) => ({ exp: now + 86_400 }),
  (now) => ({ exp: String(now + 600) }),
  () => ({ exp: null }),
  () => ({ exp: 1e300 }),
  () => ({ iat: -1 }),
  (now) => ({ iat: now + 3600 }),
  (now) => ({ nbf: now + 3600 }),
  () => ({ jti: '' }),
  () => ({ jti: ['a'] }),
  () => ({ account_epoch: 99 }),
  () => ({ account_epoch: '0' }),
  () => ({ cnf: { jkt: 'x' } }),
  () => ({ cnf: {} }),
  () => ({ cnf: null }),
  () => ({ cnf: [] }),
  () => ({ act: { sub: 'scorer', epoch: 0, parent: 'at_x' } }),
  () => ({ act: 'scorer' }),
  () => ({ roles: ['administrator'] }),
  () => ({ admin: true }),
  () => ({ scope: 7 }),
]

const HEADERS: readonly Record<string, unknown>[] = [
  { alg: 'none' },
  { alg: 'None' },
  { alg: 'HS256' },
  { alg: 'ES256' },
  { alg: 'Ed25519' },
  { alg: ['EdDSA'] },
  { alg: null },
  { typ: 'JWT' },
  { typ: 'dpop+jwt' },
  { typ: 'application/at+jwt' },
  { typ: 'AT+JWT' },
  { typ: null },
  { kid: '../../etc/passwd' },
  { kid: '__proto__' },
  { kid: '' },
  { kid: 1 },
  { crit: ['b64'], b64: false },
  { jku: 'https://attacker.example/keys' },
  { x5u: 'https://attacker.example/cert' },
  { x5c: ['MIIB'] },
  { zip: 'DEF' },
]

const signedInput = (input: string, key: KeyObject): string => `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`

/** No signature is looked at: refused by form, header or size. */
const CHEAP: Readonly<Record<string, Mutation>> = {
  'base64: padding'(chance, { tokens }) {
    const all = parts(chance.of(tokens))
    all[chance.below(3)] += chance.of(['=', '==', '%3D', '===='])
    return joined(...all)
  },
  'base64: another alphabet'(chance, { tokens }) {
    const token = chance.of(tokens)
    return spliced(token, chance.below(token.length), 1, chance.of(['+', '/', ' ', '\t', '\n', '\0', 'ä', '😀', '%', '"']))
  },
  'base64: unused bits of the last character'(chance, { tokens }) {
    const [header, payload, signature] = parts(chance.of(tokens))
    const last = ALPHABET.indexOf(signature.at(-1)!)
    return joined(header, payload, signature.slice(0, -1) + ALPHABET[last ^ (1 + chance.below(15))]!)
  },
  'form: cut short'(chance, { tokens }) {
    const token = chance.of(tokens)
    return token.slice(0, chance.below(token.length - 86))
  },
  'form: segments dropped, doubled, emptied'(chance, { tokens }) {
    const [header, payload, signature] = parts(chance.of(tokens))
    const shapes = [
      `${header}.${payload}`,
      `${header}..${signature}`,
      `.${payload}.${signature}`,
      `${header}.${payload}.${signature}.${signature}`,
    ]
    return chance.of([
      ...shapes,
      header,
      `${header}.${payload}.${signature}.`,
      `..`,
      `${header}.${payload}.${signature}..`,
      `{"payload":"${payload}"}`,
    ])
  },
  'form: too large'(chance, { tokens }) {
    return chance.of(tokens) + chance.of(ALPHABET.split('')).repeat(8_192 + chance.below(500))
  },
  'header: changed'(chance, { tokens }) {
    const [header, payload, signature] = parts(chance.of(tokens))
    return joined(encode({ ...decoded(header), ...chance.of(HEADERS) }), payload, chance.of([signature, '']))
  },
  'header: a member left out or doubled'(chance, { tokens }) {
    const [header, payload, signature] = parts(chance.of(tokens))
    const { alg, typ, kid } = decoded(header) as Record<string, string>
    const texts = [
      { alg, typ },
      { alg, kid },
      { typ, kid },
    ].map((value) => JSON.stringify(value))
    const doubled = `{"alg":"EdDSA","typ":"at+jwt","kid":"${kid}","alg":"none"}`
    return joined(encode(chance.of([...texts, doubled, '[]', '""', 'null', '{', '1'])), payload, signature)
  },
  'header: a key of the attacker’s own, and its signature'(chance, { tokens, attacker }) {
    const [header, payload] = parts(chance.of(tokens))
    const jwk = publicJwk(attacker)
    return joined(encode({ ...decoded(header), jwk }), payload, 'A'.repeat(85) + chance.of(['A', 'Q', 'g', 'w']))
  },
  'kind: something else that is signed'(chance, { others }) {
    return chance.of(others)
  },
  'payload: JSON that is none, or names a claim twice'(chance, { tokens }) {
    const [header, payload, signature] = parts(chance.of(tokens))
    const text = Buffer.from(payload, 'base64url').toString('utf8')
    const texts = [
      `${text.slice(0, -1)},"sub":"admin"}`,
      `${text.slice(0, -1)},"__proto__":{}}`,
      `${text} `.replace(' ', '}'),
      `[${text}]`,
      '[]',
      '7',
      'null',
      '{'.repeat(40),
    ]
    return joined(header, encode(chance.of(texts)), signature)
  },
}

/** A signature check each. */
const SIGNED: Readonly<Record<string, Mutation>> = {
  'bits: header'(chance, { tokens }) {
    const [header, payload, signature] = parts(chance.of(tokens))
    return joined(flipped(header, chance), payload, signature)
  },
  'bits: payload'(chance, { tokens }) {
    const [header, payload, signature] = parts(chance.of(tokens))
    return joined(header, flipped(payload, chance), signature)
  },
  'bits: signature'(chance, { tokens }) {
    const [header, payload, signature] = parts(chance.of(tokens))
    return joined(header, payload, flipped(signature, chance))
  },
  'segments: of two tokens'(chance, { tokens }) {
    const [one, other] = [chance.of(tokens), chance.of(tokens)]
    const [header, payload, signature] = parts(one)
    const [, payload2, signature2] = parts(other)
    // Two draws of the same token would give it back.
    if (one === other)
      return joined(header, payload2, signature2.slice(0, 40) + signature2.slice(40).split('').reverse().join('').slice(0, 45) + 'A')
    return chance.below(2) === 0 ? joined(header, payload2, signature) : joined(header, payload, signature2)
  },
  'claims: changed, signature kept'(chance, { tokens, now }) {
    const [header, payload, signature] = parts(chance.of(tokens))
    const claims = chance.below(8) === 0 ? OTHER_ACCOUNT : chance.of(CLAIMS)(now)
    return joined(header, encode({ ...decoded(payload), ...claims }), signature)
  },
  'binding: taken off, signature kept'(chance, { tokens }) {
    const [header, payload, signature] = parts(chance.of(tokens))
    const { cnf: _cnf, ...rest } = decoded(payload)
    return joined(header, encode({ ...rest, jti: `at_${chance.below(1_000_000)}` }), signature)
  },
  'claims: changed, signed by another key'(chance, { tokens, attacker, now }) {
    const [header, payload] = parts(chance.of(tokens))
    const claims = chance.below(8) === 0 ? OTHER_ACCOUNT : chance.of(CLAIMS)(now)
    return signedInput(`${header}.${encode({ ...decoded(payload), ...claims })}`, attacker)
  },
  'claims: kept, signed by another key'(chance, { tokens, attacker }) {
    const [header, payload] = parts(chance.of(tokens))
    return signedInput(`${header}.${payload}`, attacker)
  },
  'claims: unacceptable, signed by us'(chance, { tokens, ours, now }) {
    const [header, payload] = parts(chance.of(tokens))
    return signCompact(decoded(header), { ...decoded(payload), ...chance.of(CLAIMS)(now) }, ours)
  },
  'claims: one left out, signed by us'(chance, { tokens, ours }) {
    const [header, payload] = parts(chance.of(tokens))
    const claims = decoded(payload)
    delete claims[chance.of(['iss', 'sub', 'aud', 'exp', 'iat', 'jti', 'client_id', 'account_epoch'])]
    return signCompact(decoded(header), claims, ours)
  },
}

export const TOKEN_MUTATIONS = { cheap: CHEAP, signed: SIGNED }
