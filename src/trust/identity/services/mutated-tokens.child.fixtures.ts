/** A worker of `mutated-tokens.system.ts`: spoils tokens and proofs by a seed, presents each to the room, counts the answers. */
import { generateKeyPairSync, hash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { assertion, encode, ISSUER, openFixture, signCompact } from '../identity.fixtures.ts'
import { PROOF_MUTATIONS } from './proof-mutations.fixtures.ts'
import { Chance } from './spoiled-text.fixtures.ts'
import { type Material, TOKEN_MUTATIONS } from './token-mutations.fixtures.ts'
import { bearer, boundCaller, codeOf, makeProof, mint, PATH, proofKey, SETTLED_MS } from './services.fixtures.ts'

export interface MutationWork {
  readonly seed: number
  readonly cheapTokens: number
  readonly signedTokens: number
  readonly proofs: number
}

export interface MutationResult {
  readonly presented: number
  /** Refusals by code. */
  readonly codes: Record<string, number>
  /** How many of each kind were presented. */
  readonly kinds: Record<string, number>
  /** What was accepted, with how it was made: must be empty. */
  readonly accepted: readonly string[]
  /** Good tokens and proofs that were presented in between, and how many of them were taken. */
  readonly controls: { readonly presented: number; readonly accepted: number }
}

const CONTROL_EVERY = 5_000
const TOKENS = 64

async function run({ seed, cheapTokens, signedTokens, proofs }: MutationWork): Promise<MutationResult> {
  const chance = new Chance(seed)
  const fixture = await openFixture()
  fixture.clock.advance(SETTLED_MS)
  const { privateKeyJwk } = await fixture.account('scorer')
  await fixture.account('admin')
  const { privateKey: attacker } = generateKeyPairSync('ed25519')
  const now = Math.floor(fixture.clock.now() / 1000)
  const keys = Array.from({ length: 8 }, () => proofKey())
  const callers = keys.map((key) => boundCaller(fixture, 'scorer', key))
  const plain = Array.from({ length: TOKENS }, () => mint(fixture, 'scorer'))
  const proof = makeProof(keys[0]!, { method: 'GET', url: ISSUER + PATH, token: plain[0]!, now: fixture.clock.now() })
  const [header = '', payload = ''] = plain[0]!.split('.')
  const material: Material = {
    tokens: [...plain, ...callers.map(({ token }) => token)],
    others: [
      proof,
      assertion('scorer', privateKeyJwk, fixture.clock.now()),
      signCompact({ alg: 'EdDSA', typ: 'JWT', kid: 'x' }, { sub: 'scorer' }, fixture.signingKey),
      signCompact({ alg: 'EdDSA', typ: 'at+jwt', cty: 'JWT' }, plain[1], fixture.signingKey),
      JSON.stringify({ payload, protected: header, signature: '' }),
      `${encode({ alg: 'dir', enc: 'A256GCM' })}..AAAA.${encode('x')}.AAAA`,
    ],
    ours: fixture.signingKey,
    attacker,
    now,
  }
  const codes: Record<string, number> = {}
  const kinds: Record<string, number> = {}
  const accepted: string[] = []
  const controls = { presented: 0, accepted: 0 }
  const valid = new Set(material.tokens)
  let presented = 0

  const note = (kind: string, code: string | null, what: string): void => {
    presented++
    kinds[kind] = (kinds[kind] ?? 0) + 1
    if (code === null) accepted.push(`${kind}: ${what}`)
    else codes[code] = (codes[code] ?? 0) + 1
    if (presented % CONTROL_EVERY === 0) {
      controls.presented += 2
      if (codeOf(fixture.identity.authenticate(bearer(chance.of(plain)))) === null) controls.accepted++
      if (codeOf(chance.of(callers).ask()) === null) controls.accepted++
    }
  }
  const present = (mutations: (typeof TOKEN_MUTATIONS)['cheap'], count: number): void => {
    const names = Object.keys(mutations)
    for (let i = 0; i < count; i++) {
      const kind = names[i % names.length]!
      const token = mutations[kind]!(chance, material)
      // A bound token that came out whole is refused as Bearer too; one that is not bound must not come out whole.
      if (valid.has(token)) throw new Error(`the mutation \`${kind}\` gave a token back as it was`)
      const scheme = chance.below(4) === 0 ? 'DPoP' : 'Bearer'
      note(kind, codeOf(fixture.identity.authenticate({ ...bearer(token), authorization: `${scheme} ${token}` })), token)
    }
  }
  present(TOKEN_MUTATIONS.cheap, cheapTokens)
  present(TOKEN_MUTATIONS.signed, signedTokens)

  const names = Object.keys(PROOF_MUTATIONS)
  for (let i = 0; i < proofs; i++) {
    const kind = names[i % names.length]!
    const caller = chance.of(callers)
    const { change, text } = PROOF_MUTATIONS[kind]!(chance, now, caller.key)
    const made = makeProof(caller.key, { method: 'GET', url: ISSUER + PATH, token: caller.token, now: fixture.clock.now() }, change)
    const spoiled = text === undefined ? made : text(made)
    if (text !== undefined && spoiled === made) throw new Error(`the mutation \`${kind}\` gave a proof back as it was`)
    note(kind, codeOf(caller.ask({}, { proof: spoiled })), spoiled)
  }
  // A proof that is right in everything and was used before.
  const used = makeProof(keys[0]!, { method: 'GET', url: ISSUER + PATH, token: callers[0]!.token, now: fixture.clock.now() })
  callers[0]!.ask({}, { proof: used })
  for (let i = 0; i < 1_000; i++) note('proof: used before', codeOf(callers[0]!.ask({}, { proof: used })), hash('sha256', used))
  await fixture.close()
  return { presented, codes, kinds, accepted, controls }
}

if (parentPort !== null) {
  const port = parentPort
  port.postMessage(await run(workerData as MutationWork))
}
