import { createHash, verify } from 'node:crypto'
import type { JsonObject } from '#foundation/core'
import type { Account, Accounts } from './accounts.ts'
import type { Artifacts } from './artifacts.ts'
import { parseCompactJws } from './compact-jws.ts'

export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
/** An assertion is made for one request; this is how long its maker may ask it to live, and so how long a replay is remembered. */
const MAX_ASSERTION_LIFETIME_SECONDS = 300
const CLOCK_SKEW_SECONDS = 5
const HEADER_MEMBERS = new Set(['alg', 'typ', 'kid'])
const CLAIMS = new Set(['iss', 'sub', 'aud', 'jti', 'exp', 'iat', 'nbf'])

export interface AssertionRules {
  /** Names of the algorithm of the account's key. */
  readonly algorithms: readonly string[]
  /** Exact strings the assertion may name as its one audience: our issuer identifier or the endpoint that is called. */
  readonly audiences: readonly string[]
  /** Epoch milliseconds. */
  readonly now: number
}

/**
 * What we ask of a client assertion beyond its signature: one audience and it is us, short life, an identifier, nothing unknown.
 * @returns null if it is fine, else the reason in a few words.
 * @see RFC 7523 §3, RFC 9700 §2.5, RFC 7519 §4.1.3
 */
export function judgeAssertion(header: JsonObject, claims: JsonObject, rules: AssertionRules): string | null {
  for (const member of Object.keys(header)) if (!HEADER_MEMBERS.has(member)) return `header member \`${member}\` is not allowed`
  if (typeof header['alg'] !== 'string' || !rules.algorithms.includes(header['alg'])) return 'the algorithm is not that of the key'
  for (const claim of Object.keys(claims)) if (!CLAIMS.has(claim)) return 'a claim is not allowed'
  const { iss, sub, aud, jti, exp, iat, nbf } = claims
  if (typeof iss !== 'string' || iss !== sub) return 'issuer and subject differ'
  // An assertion for a list of servers can be forwarded by one of them to the next.
  if (typeof aud !== 'string' || !rules.audiences.includes(aud)) return 'the audience is not this server alone'
  if (typeof jti !== 'string' || jti.length < 8 || jti.length > 256) return 'the identifier is missing or of unfit length'
  const seconds = rules.now / 1000
  if (!Number.isSafeInteger(exp) || (exp as number) <= seconds) return 'it has expired'
  if ((exp as number) > seconds + MAX_ASSERTION_LIFETIME_SECONDS + CLOCK_SKEW_SECONDS) return 'it lives too long'
  if (iat !== undefined && (!Number.isSafeInteger(iat) || (iat as number) > seconds + CLOCK_SKEW_SECONDS)) return 'it is from the future'
  if (nbf !== undefined && (!Number.isSafeInteger(nbf) || (nbf as number) > seconds + CLOCK_SKEW_SECONDS)) return 'it is not valid yet'
  return null
}

/** Used assertions are remembered by issuer and `jti`, not by their bytes: an ECDSA signature has more than one encoding. */
export const assertionId = (issuer: string, jti: string): string => createHash('sha256').update(`${issuer}\n${jti}`).digest('base64url')

/** A claimed identifier is remembered past the assertion's expiry by the skew that we grant. */
export const assertionExpiry = (exp: number): number => (exp + CLOCK_SKEW_SECONDS) * 1000

/**
 * Authenticates a client by private_key_jwt for the endpoints that are ours (revocation, introspection).
 * The assertion is used up by this, durably, before the promise resolves.
 * @returns the account, or null.
 */
export async function authenticateClient(
  form: URLSearchParams,
  dependencies: { readonly accounts: Accounts; readonly artifacts: Artifacts },
  rules: Omit<AssertionRules, 'algorithms'>,
): Promise<Account | null> {
  const assertion = single(form, 'client_assertion')
  if (assertion === null || single(form, 'client_assertion_type') !== ASSERTION_TYPE) return null
  const jws = parseCompactJws(assertion)
  if (typeof jws === 'string') return null
  const { iss, jti, exp } = jws.payload
  if (typeof iss !== 'string') return null
  const account = dependencies.accounts.get(iss)
  if (account === null || account.disabled) return null
  const named = form.getAll('client_id')
  if (named.length > 1 || (named.length === 1 && named[0] !== account.name)) return null
  const input = Buffer.from(jws.signingInput, 'latin1')
  const genuine =
    account.publicKeyJwk.crv === 'Ed25519'
      ? verify(null, input, account.publicKey, jws.signature)
      : jws.signature.byteLength === 64 && verify('sha256', input, { key: account.publicKey, dsaEncoding: 'ieee-p1363' }, jws.signature)
  if (!genuine || judgeAssertion(jws.header, jws.payload, { ...rules, algorithms: account.algorithms }) !== null) return null
  const fresh = await dependencies.artifacts.claim('Assertion', assertionId(iss, jti as string), assertionExpiry(exp as number))
  return fresh ? account : null
}

/** @returns the value of a parameter that is sent exactly once (RFC 6749 §3.2: never more than once), else null. */
export function single(form: URLSearchParams, name: string): string | null {
  const values = form.getAll(name)
  return values.length === 1 ? (values[0] ?? null) : null
}
