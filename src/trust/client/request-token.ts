import { createPrivateKey, type KeyObject } from 'node:crypto'
import { request } from 'node:https'
import { ERROR_TABLE, type ErrorCode, newId, parseStrictJson, RedoubtError } from '#foundation/core'
import type { PrivateJwk } from './account-file.ts'
import { compactJws } from './compact-jws.ts'
import { signProof } from './proof-key.ts'

/** @see RFC 7523 §2.2 */
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

const MAX_ANSWER_BYTES = 64 * 1024
const DEFAULT_TIMEOUT_MS = 10_000
const ASSERTION_LIFETIME_SECONDS = 60

export interface TokenAsk {
  /** Where the server answers: `https://host[:port]`. */
  readonly baseUrl: string
  /** Issuer identifier, which the assertion names as its audience, if it is not the origin of `baseUrl`. */
  readonly issuer?: string | undefined
  readonly accountId: string
  readonly privateKeyJwk: PrivateJwk
  /** PEM of the certificate authority to trust; the system's own when absent. */
  readonly ca?: string | Uint8Array | undefined
  readonly timeoutMs?: number
  /** Private key (P-256 or Ed25519) that the token shall be bound to; a bearer token without. */
  readonly proofKey?: KeyObject | undefined
}

export interface IssuedAccessToken {
  readonly accessToken: string
  readonly tokenType: 'Bearer' | 'DPoP'
  /** Epoch milliseconds by this host's clock. */
  readonly expiresAt: number
}

/**
 * Gets an access token for a service account: client credentials with private_key_jwt, over verified TLS 1.3.
 * @throws {RedoubtError} `ERR_SERVER_UNREACHABLE` (also when the certificate is not trusted), `ERR_CLIENT_AUTHENTICATION`
 *   when the server does not accept the key, `ERR_TOKEN_REQUEST` for any other refusal.
 * @see RFC 7523 §2.2
 */
export async function requestToken(ask: TokenAsk): Promise<IssuedAccessToken> {
  let { status, answer, nonce } = await askOnce(ask, undefined)
  // RFC 9449 §8: the server wants its nonce in the proof, and has sent it along.
  if (answer['error'] === 'use_dpop_nonce' && nonce !== undefined) ({ status, answer, nonce } = await askOnce(ask, nonce))
  const { access_token: accessToken, expires_in: expiresIn } = answer
  if (status === 200 && typeof accessToken === 'string' && typeof expiresIn === 'number') {
    const tokenType = answer['token_type'] === 'DPoP' ? 'DPoP' : 'Bearer'
    // A server that knows nothing of proofs would give a token to whoever steals it.
    if ((tokenType === 'DPoP') !== (ask.proofKey !== undefined))
      throw new RedoubtError('ERR_TOKEN_REQUEST', 'the server gave a token of another type than was asked for')
    return { accessToken, tokenType, expiresAt: Date.now() + expiresIn * 1000 }
  }
  if (answer['error'] === 'invalid_client')
    throw new RedoubtError('ERR_CLIENT_AUTHENTICATION', `the server does not accept the key of \`${ask.accountId}\``)
  // What is wrong with the server is not mended by asking otherwise.
  const { code } = answer
  if (status >= 500 && typeof code === 'string' && Object.hasOwn(ERROR_TABLE, code))
    throw new RedoubtError(code as ErrorCode, `the server could not give a token: ${ERROR_TABLE[code as ErrorCode].title}`)
  throw new RedoubtError('ERR_TOKEN_REQUEST', `the server refused a token with status ${status}`)
}

interface TokenReply {
  readonly status: number
  readonly answer: Readonly<Record<string, unknown>>
  readonly nonce: string | undefined
}

async function askOnce(ask: TokenAsk, nonce: string | undefined): Promise<TokenReply> {
  const url = new URL('/oauth/token', ask.baseUrl)
  const form = new URLSearchParams({ grant_type: 'client_credentials', ...clientAuthentication(ask) }).toString()
  const address = `${ask.issuer ?? url.origin}/oauth/token`
  const proof = ask.proofKey === undefined ? undefined : signProof(ask.proofKey, { method: 'POST', url: address, nonce })
  const reply = await post(url, form, ask, proof === undefined ? {} : { dpop: proof })
  return { status: reply.status, answer: parse(reply.body), nonce: reply.nonce }
}

/** Form members that authenticate the account by private_key_jwt. @see RFC 7523 §2.2 */
function clientAuthentication(ask: TokenAsk): Record<string, string> {
  const key = createPrivateKey({ key: { ...ask.privateKeyJwk }, format: 'jwk' })
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    iss: ask.accountId,
    sub: ask.accountId,
    aud: ask.issuer ?? new URL(ask.baseUrl).origin,
    jti: newId('assertion'),
    iat: now,
    exp: now + ASSERTION_LIFETIME_SECONDS,
  }
  const assertion = compactJws({}, claims, key)
  return { client_id: ask.accountId, client_assertion_type: ASSERTION_TYPE, client_assertion: assertion }
}

/**
 * Revokes a token of the account; the server refuses it from the next request on.
 * @throws {RedoubtError} `ERR_SERVER_UNREACHABLE`, `ERR_CLIENT_AUTHENTICATION`, `ERR_TOKEN_REQUEST`.
 * @see RFC 7009
 */
export async function revokeToken(ask: TokenAsk, token: string): Promise<void> {
  const form = new URLSearchParams({ token, token_type_hint: 'access_token', ...clientAuthentication(ask) }).toString()
  const { status, body } = await post(new URL('/oauth/revoke', ask.baseUrl), form, ask)
  if (status === 200) return
  if (parse(body)['error'] === 'invalid_client')
    throw new RedoubtError('ERR_CLIENT_AUTHENTICATION', `the server does not accept the key of \`${ask.accountId}\``)
  throw new RedoubtError('ERR_TOKEN_REQUEST', `the server refused the revocation with status ${status}`)
}

interface Reply {
  readonly status: number
  readonly body: Buffer
  /** The server's nonce for the next proof. */
  readonly nonce: string | undefined
}

/** One form over verified TLS 1.3. @throws {RedoubtError} `ERR_SERVER_UNREACHABLE`, `ERR_TOKEN_REQUEST` for an answer that is too large. */
export function post(
  url: URL,
  form: string,
  ask: Pick<TokenAsk, 'ca' | 'timeoutMs'>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const unreachable = (cause: unknown): void =>
      reject(
        cause instanceof RedoubtError
          ? cause
          : new RedoubtError('ERR_SERVER_UNREACHABLE', `no server answers at \`${url.origin}\``, { cause }),
      )
    const call = request(
      url,
      {
        method: 'POST',
        headers: {
          ...headers,
          'content-type': 'application/x-www-form-urlencoded',
          accept: 'application/json',
          'content-length': Buffer.byteLength(form),
        },
        minVersion: 'TLSv1.3',
        // Said outright: the variable NODE_TLS_REJECT_UNAUTHORIZED turns off what is only a default.
        rejectUnauthorized: true,
        agent: false,
        signal: AbortSignal.timeout(ask.timeoutMs ?? DEFAULT_TIMEOUT_MS),
        ...(ask.ca === undefined ? {} : { ca: Buffer.from(ask.ca) }),
      },
      (answer) => {
        const chunks: Buffer[] = []
        let received = 0
        answer.on('data', (chunk: Buffer) => {
          received += chunk.byteLength
          if (received > MAX_ANSWER_BYTES) call.destroy(new RedoubtError('ERR_TOKEN_REQUEST', 'the answer of the server is too large'))
          else chunks.push(chunk)
        })
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks), nonce: [answer.headers['dpop-nonce']].flat()[0] }),
        )
        answer.on('error', unreachable)
      },
    )
    call.on('error', unreachable)
    call.end(form)
  })
}

/** The members of a JSON answer; none for anything else. */
export function parse(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value = parseStrictJson(body, { maxBytes: MAX_ANSWER_BYTES, maxDepth: 4 })
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>
  } catch {
    // Not JSON: the status says what there is to say.
  }
  return {}
}
