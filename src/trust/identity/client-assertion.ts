import { createHash, generateKeyPairSync, verify } from 'node:crypto'
import type { ErrorCode, JsonObject } from '#foundation/core'
import { ASSERTION_TYPE } from '#trust/client'
import type { Accounts } from './accounts.ts'
import type { Account } from './service-account.ts'
import type { Artifacts } from './artifacts.ts'
import { parseCompactJws } from './compact-jws.ts'

/** An assertion is made for one request; this is how long its maker may ask it to live, and so how long a replay is remembered. */
const MAX_ASSERTION_LIFETIME_SECONDS = 300
const CLOCK_SKEW_SECONDS = 5
const HEADER_MEMBERS = new Set(['alg', 'typ', 'kid'])
const CLAIMS = new Set(['iss', 'sub', 'aud', 'jti', 'exp', 'iat', 'nbf'])

interface AssertionRules {
  /** Names of the algorithm of the account's key. */
  readonly algorithms: readonly string[]
  /** Exact strings the assertion may name as its one audience: our issuer identifier or the endpoint that is called. */
  readonly audiences: readonly string[]
  /** Epoch milliseconds. */
  readonly now: number
}

/**
 * What we ask of a client assertion beyond its signature: one audience and it is us, short life, an identifier, nothing unknown.
 * @returns null if it is fine, else the reason.
 * @see RFC 7523 §3, RFC 9700 §2.5, RFC 7519 §4.1.3
 */
function judgeAssertion(header: JsonObject, claims: JsonObject, rules: AssertionRules): ErrorCode | null {
  for (const member of Object.keys(header)) if (!HEADER_MEMBERS.has(member)) return 'ERR_CLIENT_AUTHENTICATION'
  if (typeof header['alg'] !== 'string' || !rules.algorithms.includes(header['alg'])) return 'ERR_CLIENT_AUTHENTICATION'
  for (const claim of Object.keys(claims)) if (!CLAIMS.has(claim)) return 'ERR_CLIENT_AUTHENTICATION'
  const { iss, sub, aud, jti, exp, iat, nbf } = claims
  if (typeof iss !== 'string' || iss !== sub) return 'ERR_CLIENT_AUTHENTICATION'
  // An assertion for a list of servers can be forwarded by one of them to the next.
  if (typeof aud !== 'string' || !rules.audiences.includes(aud)) return 'ERR_ASSERTION_AUDIENCE'
  if (typeof jti !== 'string' || jti.length < 8 || jti.length > 256) return 'ERR_CLIENT_AUTHENTICATION'
  const seconds = rules.now / 1000
  if (!Number.isSafeInteger(exp) || (exp as number) <= seconds) return 'ERR_CLIENT_AUTHENTICATION'
  if ((exp as number) > seconds + MAX_ASSERTION_LIFETIME_SECONDS + CLOCK_SKEW_SECONDS) return 'ERR_CLIENT_AUTHENTICATION'
  if (iat !== undefined && (!Number.isSafeInteger(iat) || (iat as number) > seconds + CLOCK_SKEW_SECONDS))
    return 'ERR_CLIENT_AUTHENTICATION'
  if (nbf !== undefined && (!Number.isSafeInteger(nbf) || (nbf as number) > seconds + CLOCK_SKEW_SECONDS))
    return 'ERR_CLIENT_AUTHENTICATION'
  return null
}

/** Used assertions are remembered by issuer and `jti`, not by their bytes: an ECDSA signature has more than one encoding. */
const assertionId = (issuer: string, jti: string): string => createHash('sha256').update(`${issuer}\n${jti}`).digest('base64url')

/** A claimed identifier is remembered past the assertion's expiry by the skew that we grant. */
const assertionExpiry = (exp: number): number => (exp + CLOCK_SKEW_SECONDS) * 1000

interface ClientRules extends Omit<AssertionRules, 'algorithms'> {
  /** Thumbprint of the certificate of this connection. */
  readonly certificate: string | null
}

/** Nobody's keys: what an assertion is verified with when the account it names does not exist or has a key of another kind. */
const DECOYS = {
  Ed25519: generateKeyPairSync('ed25519').publicKey,
  'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey,
}

/**
 * Authenticates a client at one of our endpoints: by private_key_jwt, or by the certificate of the connection if one is registered for
 * the account. An assertion is used up by this, durably, before the promise resolves.
 * Whoever cannot sign for an account learns nothing of it: an account that does not exist costs the same and is refused in the same words.
 * @returns the account, or the reason. Any but `ERR_CLIENT_AUTHENTICATION` is given only to whoever holds the key of the account.
 * @see RFC 7523 §3, RFC 8705 §2
 */
export async function authenticateClient(
  form: URLSearchParams,
  dependencies: { readonly accounts: Accounts; readonly artifacts: Artifacts },
  rules: ClientRules,
): Promise<Account | ErrorCode> {
  const assertion = single(form, 'client_assertion')
  if (assertion === null && !form.has('client_assertion')) return byCertificate(form, dependencies.accounts, rules.certificate)
  if (assertion === null || single(form, 'client_assertion_type') !== ASSERTION_TYPE) return 'ERR_CLIENT_AUTHENTICATION'
  const jws = parseCompactJws(assertion)
  if (typeof jws === 'string') return 'ERR_CLIENT_AUTHENTICATION'
  const { iss, jti, exp } = jws.payload
  if (typeof iss !== 'string') return 'ERR_CLIENT_AUTHENTICATION'
  const named = form.getAll('client_id')
  if (named.length > 1 || (named.length === 1 && named[0] !== iss)) return 'ERR_CLIENT_AUTHENTICATION'
  const account = dependencies.accounts.get(iss)
  // By what the assertion says, not by what the account is: the time that this takes tells nothing of the account.
  const curve = jws.header['alg'] === 'ES256' ? 'P-256' : 'Ed25519'
  const key = account?.publicKeyJwk.crv === curve ? account.publicKey : DECOYS[curve]
  const input = Buffer.from(jws.signingInput, 'latin1')
  const genuine =
    jws.signature.byteLength === 64 &&
    (curve === 'Ed25519'
      ? verify(null, input, key, jws.signature)
      : verify('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, jws.signature))
  if (!genuine || account === null) return 'ERR_CLIENT_AUTHENTICATION'
  if (account.disabled) return 'ERR_ACCOUNT_DISABLED'
  const wrong = judgeAssertion(jws.header, jws.payload, { ...rules, algorithms: account.algorithms })
  if (wrong !== null) return wrong
  const fresh = await dependencies.artifacts.claim('Assertion', assertionId(iss, jti as string), assertionExpiry(exp as number))
  return fresh ? account : 'ERR_ASSERTION_REPLAYED'
}

/** The handshake has shown that the other end holds the key of the certificate; nothing has to be used up. */
function byCertificate(form: URLSearchParams, accounts: Accounts, certificate: string | null): Account | ErrorCode {
  const name = single(form, 'client_id')
  if (name === null || certificate === null) return 'ERR_CLIENT_AUTHENTICATION'
  const account = accounts.get(name)
  if (account === null || account.certificate !== certificate) return 'ERR_CLIENT_AUTHENTICATION'
  return account.disabled ? 'ERR_ACCOUNT_DISABLED' : account
}

/** The account that a request for a token claims to come from, unverified: for counting and for the log. */
export function claimedClient(form: URLSearchParams): string | null {
  const jws = parseCompactJws(single(form, 'client_assertion') ?? '')
  const name = typeof jws === 'string' ? single(form, 'client_id') : jws.payload['iss']
  return typeof name === 'string' && name !== '' && name.length <= 64 ? name : null
}

/** @returns the value of a parameter that is sent exactly once (RFC 6749 §3.2: never more than once), else null. */
export function single(form: URLSearchParams, name: string): string | null {
  const values = form.getAll(name)
  return values.length === 1 ? (values[0] ?? null) : null
}
