/** Ways to spoil a proof of possession, each of which must be refused. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { type ProofChange, publicJwk } from './services.fixtures.ts'
import { type Chance, flipped, joined, parts, spliced } from './spoiled-text.fixtures.ts'

export interface SpoiledProof {
  readonly change: ProofChange
  /** Applied to the text, when the change is not of its contents. */
  readonly text?: (proof: string) => string
}

const strangerKeys = Array.from({ length: 8 }, () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)

/** Proofs: what stands in them is wrong and they are signed by their own key, or it is right and they are not. */
export const PROOF_MUTATIONS: Readonly<Record<string, (chance: Chance, now: number, key: KeyObject) => SpoiledProof>> = {
  'proof: method': (chance) => ({ change: { claims: { htm: chance.of(['POST', 'get', '', null, 'GET ', ['GET']]) } } }),
  'proof: address': (chance) => ({
    change: {
      claims: {
        htu: chance.of([
          'https://gateway.example:8443/',
          'https://gateway.example/v1/models',
          'http://gateway.example:8443/v1/models',
          'https://gateway.example:8443/v1/models/',
          'https://gateway.example:8443//v1/models',
          'https://gateway.example:8443/v1/model%73x',
          'https://user@gateway.example:8443/v1/models',
          'https://gateway.example.evil.example:8443/v1/models',
          '/v1/models',
          '',
          null,
          7,
        ]),
      },
    },
  }),
  'proof: time': (chance, now) => ({
    change: {
      claims: { iat: chance.of([now - 61 - chance.below(1e6), now + 62 + chance.below(1e6), 0, -now, now + 0.5, String(now), null]) },
    },
  }),
  'proof: token digest': (chance) => ({
    change: { claims: { ath: chance.of([undefined, '', 'A'.repeat(43), String(chance.below(1e9)), null, ['x']]) } },
  }),
  'proof: nonce': (chance) => ({ change: { claims: { nonce: chance.of(['', 'A'.repeat(22), String(chance.below(1e9)), null, {}]) } } }),
  'proof: identifier': (chance) => ({ change: { claims: { jti: chance.of([undefined, '', null, 5, 'x'.repeat(257), {}]) } } }),
  'proof: type and algorithm': (chance) => ({
    change: {
      header: chance.of([
        { typ: 'JWT' },
        { typ: 'at+jwt' },
        { typ: null },
        { alg: 'none' },
        { alg: 'HS256' },
        { alg: 'RS256' },
        { alg: 'EdDSA' },
        { alg: 'ES384' },
        { crit: ['x'] },
        { kid: 'x' },
      ]),
    },
  }),
  'proof: key': (chance, _now, key) => ({
    change: {
      header: {
        jwk: chance.of<unknown>([
          undefined,
          null,
          'x',
          {},
          { kty: 'oct', k: 'AAAA' },
          publicJwk(chance.of(strangerKeys)),
          { ...publicJwk(key), d: 'A'.repeat(43) },
          { ...publicJwk(key), y: 'A'.repeat(43) },
          { ...publicJwk(key), crv: 'P-384' },
          { ...publicJwk(key), x: `${String(publicJwk(key)['x'])}=` },
        ]),
      },
    },
  }),
  'proof: signed by another key': (chance) => ({ change: { signer: chance.of(strangerKeys) } }),
  'proof: by another key, which it names': (chance) => {
    const signer = chance.of(strangerKeys)
    return { change: { header: { jwk: publicJwk(signer) }, signer } }
  },
  'proof: bits': (chance) => ({
    change: {},
    text: (proof) => {
      const all = parts(proof)
      const at = chance.below(3)
      all[at] = flipped(all[at]!, chance)
      return joined(...all)
    },
  }),
  'proof: form': (chance) => ({
    change: {},
    text: (proof) => {
      const at = chance.below(proof.length)
      const [header, payload, signature] = parts(proof)
      return chance.of([
        `${proof}=`,
        `${proof},${proof}`,
        proof.slice(0, at),
        spliced(proof, at, 1, chance.of(['+', ' ', ',', 'ä'])),
        `${header}.${signature}.${payload}`,
        `${header}.${payload}.`,
        '',
      ])
    },
  }),
}
