import { type KeyObject, verify } from 'node:crypto'
import type { ErrorCode, JsonObject } from '#foundation/core'
import { parseCompactJws } from './compact-jws.ts'
import { MAX_TOKEN_LIFETIME_SECONDS } from './config.ts'
import { readConfirmation, type TokenBinding } from './services/token-binding.ts'

/** Clocks of issuer and verifier may differ by this much for `iat` and `nbf`. `exp` gets no grace: late is late. */
export const CLOCK_SKEW_SECONDS = 5
const ED25519_SIGNATURE_BYTES = 64

/** A key under which tokens may be verified. The algorithm belongs to the key, never to the token. */
export interface VerificationKey {
  readonly algorithm: string
  readonly publicKey: KeyObject
}

export interface TokenRules {
  readonly issuer: string
  readonly audience: string
  readonly keys: ReadonlyMap<string, VerificationKey>
}

/** An access token whose signature and claims were verified; whether it is revoked is asked elsewhere, on every request. */
export interface AccessToken {
  readonly id: string
  readonly issuer: string
  /** The subject: a service account, or a person. */
  readonly account: string
  /** The OAuth client that the token was issued to: for client credentials the account itself. */
  readonly client: string
  /** Epoch of the account when the token was issued; a token of an earlier epoch is dead. */
  readonly epoch: number
  /** Epoch milliseconds. */
  readonly issuedAt: number
  readonly expiresAt: number
  /** Null for programs. */
  readonly person: PersonClaims | null
  /** What the token is bound to; whether the caller holds that is asked elsewhere, on every request. */
  readonly binding: TokenBinding
  /** Null unless a service acts for the person. */
  readonly actor: TokenActor | null
}

/** The service that acts for a person. @see RFC 8693 §4.1 */
export interface TokenActor {
  readonly account: string
  /** Epoch of the service account when the token was issued. */
  readonly epoch: number
  /** `jti` of the token that this one was exchanged for; revoking that ends this one. */
  readonly parent: string
}

/** What a person's token says of how they signed in. */
export interface PersonClaims {
  readonly sessionId: string
  /** Epoch milliseconds. */
  readonly authTime: number
  /** Claim `acr`. */
  readonly mfaLevel: 1 | 2 | 3
  readonly amr: readonly string[]
}

const HEADER_MEMBERS = new Set(['alg', 'typ', 'kid'])
const PERSON_CLAIMS = ['sid', 'auth_time', 'acr', 'amr'] as const
const CLAIMS = new Set([
  'iss',
  'sub',
  'aud',
  'exp',
  'nbf',
  'iat',
  'jti',
  'client_id',
  'scope',
  'account_epoch',
  'cnf',
  'act',
  ...PERSON_CLAIMS,
])

/**
 * Verifies one of our own access tokens: structure, header, key, signature, claims, in this order, so that a code about
 * claims is only ever given for a token that we signed. Synchronous, no I/O, no outbound request whatever the header says.
 * Never throws for any text.
 * @param now Epoch milliseconds.
 * @see RFC 9068 §4 (JWT profile for access tokens), RFC 8725 §3 (JWT best current practices), RFC 9700 §2.3
 */
export function verifyAccessToken(text: string, rules: TokenRules, now: number): AccessToken | ErrorCode {
  const jws = parseCompactJws(text)
  if (typeof jws === 'string') return jws
  const key = selectKey(jws.header, rules.keys)
  if (typeof key === 'string') return key
  if (jws.signature.byteLength !== ED25519_SIGNATURE_BYTES) return 'ERR_TOKEN_SIGNATURE'
  if (!verify(null, Buffer.from(jws.signingInput, 'latin1'), key.publicKey, jws.signature)) return 'ERR_TOKEN_SIGNATURE'
  return readClaims(jws.payload, rules, now)
}

function selectKey(header: JsonObject, keys: ReadonlyMap<string, VerificationKey>): VerificationKey | ErrorCode {
  // EdDSA only, by exact comparison: no case folding, no `none`, no symmetric algorithm that could be keyed with a public key.
  if (header['alg'] !== 'EdDSA') return 'ERR_TOKEN_ALGORITHM'
  // An allow-list of members refuses jwk, jku, x5u, x5c, crit, b64, zip and whatever is invented next.
  for (const member of Object.keys(header)) if (!HEADER_MEMBERS.has(member)) return 'ERR_TOKEN_HEADER'
  if (header['typ'] !== 'at+jwt') return 'ERR_TOKEN_TYPE'
  const kid = header['kid']
  if (typeof kid !== 'string') return 'ERR_TOKEN_KEY_UNKNOWN'
  const key = keys.get(kid)
  if (key === undefined) return 'ERR_TOKEN_KEY_UNKNOWN'
  if (key.algorithm !== 'EdDSA') return 'ERR_TOKEN_ALGORITHM'
  return key
}

function readClaims(claims: JsonObject, rules: TokenRules, now: number): AccessToken | ErrorCode {
  for (const claim of Object.keys(claims)) if (!CLAIMS.has(claim)) return 'ERR_TOKEN_CLAIMS'
  const { iss, sub, aud, exp, nbf, iat, jti, client_id: clientId, scope, account_epoch: epoch } = claims
  if (!isText(iss) || !isText(sub) || !isText(jti) || !isText(clientId)) return 'ERR_TOKEN_CLAIMS'
  if (!isSeconds(exp) || !isSeconds(iat) || !(nbf === undefined || isSeconds(nbf))) return 'ERR_TOKEN_CLAIMS'
  if (!Number.isSafeInteger(epoch) || !(scope === undefined || typeof scope === 'string')) return 'ERR_TOKEN_CLAIMS'
  if (aud === undefined) return 'ERR_TOKEN_CLAIMS'
  const person = PERSON_CLAIMS.some((claim) => claims[claim] !== undefined) ? personClaims(claims) : null
  // A program speaks for itself, a person through a client; nothing in between.
  if (person === undefined || (person === null) !== (sub === clientId)) return 'ERR_TOKEN_CLAIMS'
  const binding = readConfirmation(claims['cnf'])
  const actor = readActor(claims['act'])
  if (binding === null || actor === undefined || (actor !== null && (person === null || actor.account !== clientId)))
    return 'ERR_TOKEN_CLAIMS'
  if (iss !== rules.issuer) return 'ERR_TOKEN_ISSUER'
  // One audience, as a string: a token that also opens another server is not ours to accept.
  if (aud !== rules.audience) return 'ERR_TOKEN_AUDIENCE'
  const seconds = now / 1000
  if (iat > seconds + CLOCK_SKEW_SECONDS) return 'ERR_TOKEN_NOT_YET_VALID'
  if (nbf !== undefined && nbf > seconds + CLOCK_SKEW_SECONDS) return 'ERR_TOKEN_NOT_YET_VALID'
  if (exp - iat > MAX_TOKEN_LIFETIME_SECONDS || exp <= iat) return 'ERR_TOKEN_LIFETIME'
  if (exp <= seconds) return 'ERR_TOKEN_EXPIRED'
  return {
    id: jti,
    issuer: iss,
    account: sub,
    client: clientId,
    epoch: epoch as number,
    issuedAt: iat * 1000,
    expiresAt: exp * 1000,
    person,
    binding,
    actor,
  }
}

const LEVELS: Readonly<Record<string, PersonClaims['mfaLevel']>> = { '1': 1, '2': 2, '3': 3 }
const MAX_METHODS = 16

/** All four, or undefined. @see RFC 9068 §2.2.1 (authentication information), RFC 8176 (amr) */
function personClaims({ sub, sid, auth_time: authTime, acr, amr, iat }: JsonObject): PersonClaims | undefined {
  if (!isText(sub) || !sub.startsWith('user_') || !isText(sid) || !isSeconds(authTime) || typeof acr !== 'string') return undefined
  if (!Array.isArray(amr) || amr.length === 0 || amr.length > MAX_METHODS || !amr.every(isText)) return undefined
  const mfaLevel = Object.hasOwn(LEVELS, acr) ? LEVELS[acr] : undefined
  if (mfaLevel === undefined || authTime > (iat as number) + CLOCK_SKEW_SECONDS) return undefined
  return { sessionId: sid, authTime: authTime * 1000, mfaLevel, amr }
}

/** Null when nobody acts for the subject, undefined for anything but what we give. */
function readActor(act: unknown): TokenActor | null | undefined {
  if (act === undefined) return null
  if (typeof act !== 'object' || act === null || Array.isArray(act) || Object.keys(act).length !== 3) return undefined
  const { sub, epoch, parent } = act as JsonObject
  return isText(sub) && Number.isSafeInteger(epoch) && isText(parent) ? { account: sub, epoch: epoch as number, parent } : undefined
}

const isText = (value: unknown): value is string => typeof value === 'string' && value.length > 0 && value.length <= 256
const isSeconds = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
