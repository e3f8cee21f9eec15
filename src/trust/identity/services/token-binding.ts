import type { Clock, EntityUid, ErrorCode, JsonObject } from '#foundation/core'
import type { BindingKind } from '#trust/client'
import type { Credentials, Scheme } from './credentials.ts'
import { DpopMemory } from './dpop-memory.ts'
import { DpopNonces } from './dpop-nonces.ts'
import { type DpopProof, DpopProofs } from './dpop-proof.ts'

export interface TokenBinding {
  readonly kind: BindingKind
  /** Of the key (RFC 7638) or the certificate; empty for `none`. */
  readonly thumbprint: string
}

export const UNBOUND: TokenBinding = { kind: 'none', thumbprint: '' }
const THUMBPRINT = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/
/** Whether the text is a SHA-256 digest in base64url. */
export const isThumbprint = (text: string): boolean => THUMBPRINT.test(text)

/** @returns the binding that the claim `cnf` states, or null when it states anything else than exactly one of those we give. */
export function readConfirmation(cnf: unknown): TokenBinding | null {
  if (cnf === undefined) return UNBOUND
  if (typeof cnf !== 'object' || cnf === null || Array.isArray(cnf)) return null
  const members = Object.entries(cnf)
  const [name, thumbprint] = members[0] ?? []
  if (members.length !== 1 || typeof thumbprint !== 'string' || !isThumbprint(thumbprint)) return null
  if (name === 'jkt') return { kind: 'dpop', thumbprint }
  return name === 'x5t#S256' ? { kind: 'mtls', thumbprint } : null
}

export function confirmationOf({ kind, thumbprint }: TokenBinding): JsonObject {
  if (kind === 'none') return {}
  return { cnf: { [kind === 'dpop' ? 'jkt' : 'x5t#S256']: thumbprint } }
}

export interface BindingOptions {
  readonly issuer: string
  readonly clock: Clock
  /** Whether every proof must carry a nonce of ours, not only those that could be old. */
  readonly nonceRequired: boolean
  /** Epoch milliseconds until which earlier processes may have taken proofs. */
  readonly takenBefore: number
}

/** Whether whoever sends a token is the one it was given to, asked of every request. Synchronous, no I/O. */
export class TokenBindings {
  readonly #issuer: string
  readonly #clock: Clock
  readonly #nonceRequired: boolean
  readonly #proofs = new DpopProofs()
  readonly #nonces: DpopNonces
  readonly #memory: DpopMemory

  constructor({ issuer, clock, nonceRequired, takenBefore }: BindingOptions) {
    this.#issuer = issuer
    this.#clock = clock
    this.#nonceRequired = nonceRequired
    this.#nonces = new DpopNonces(clock)
    this.#memory = new DpopMemory(clock, this.#nonces, takenBefore)
  }

  get nonce(): string {
    return this.#nonces.current()
  }

  /** When a proof was taken last, epoch milliseconds. */
  get proofTakenAt(): number {
    return this.#memory.latest
  }

  /**
   * @param holder the account that acts with the token, with its type.
   * @returns why the token may not be used with what came along, or null. A proof is used up by a yes.
   */
  judge(binding: TokenBinding, token: string, scheme: Scheme, { url, possession }: Credentials, holder: EntityUid): ErrorCode | null {
    const proofs = possession?.proofCount ?? 0
    if (binding.kind !== 'dpop') {
      if (scheme === 'dpop' || proofs > 0) return 'ERR_TOKEN_SCHEME'
      return binding.kind === 'none' || possession?.certificate() === binding.thumbprint ? null : 'ERR_TOKEN_CERTIFICATE'
    }
    if (scheme !== 'dpop') return 'ERR_TOKEN_DOWNGRADE'
    if (possession === undefined || proofs !== 1 || possession.proof === undefined) return 'ERR_DPOP_MISSING'
    const now = this.#clock.now()
    const proof = this.#proofs.verify(possession.proof, {
      method: possession.method,
      url: this.#issuer + pathOf(url),
      accessToken: token,
      thumbprint: binding.thumbprint,
      now,
    })
    if (typeof proof === 'string') return proof
    const code = this.#lacksNonce(proof) ? 'ERR_DPOP_NONCE' : this.#memory.take(proof, `${holder.type}::${holder.id}`, now)
    // A client that is told in time never has to ask twice.
    if (code === null && proof.nonce !== null && proof.nonce !== this.#nonces.current())
      possession.setHeader('dpop-nonce', this.#nonces.current())
    return code
  }

  /**
   * The proof of a request for a token. Its one use is for the caller to claim, durably.
   * @param path of the endpoint.
   */
  proofForToken(path: string, proof: string): DpopProof | ErrorCode {
    const expected = { method: 'POST', url: this.#issuer + path, accessToken: null, thumbprint: null, now: this.#clock.now() }
    const verified = this.#proofs.verify(proof, expected)
    if (typeof verified === 'string') return verified
    if (this.#lacksNonce(verified) || (verified.nonce !== null && !this.#nonces.has(verified.nonce))) return 'ERR_DPOP_NONCE'
    return verified
  }

  #lacksNonce(proof: DpopProof): boolean {
    return this.#nonceRequired && proof.nonce === null
  }
}

function pathOf(url: string): string {
  const cut = url.indexOf('?')
  return cut < 0 ? url : url.slice(0, cut)
}

/** Whether a refusal is answered with a nonce: whoever signs proofs may need one for the next. */
export const wantsNonce = (code: ErrorCode): boolean => code.startsWith('ERR_DPOP_') || code === 'ERR_TOKEN_DOWNGRADE'
