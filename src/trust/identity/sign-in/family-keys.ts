import { errors } from 'oidc-provider'
import type { Artifacts } from '../artifacts.ts'

const MODEL = 'FamilyKey'

/**
 * The keys that families of tokens are bound to: once one token of a family was, all that follow are, and a refresh token or code is worth
 * nothing without a proof by the same key.
 * @see RFC 9449 §5 (refresh tokens of public clients), §10 (`dpop_jkt`)
 */
export class FamilyKeys {
  readonly #artifacts: Artifacts
  readonly #seconds: number

  /** @param seconds how long a family lasts at most. */
  constructor(artifacts: Artifacts, seconds: number) {
    this.#artifacts = artifacts
    this.#seconds = seconds
  }

  /** Durable when it resolves. @param thumbprint of the key, as in `cnf.jkt`. */
  bind(grantId: string, thumbprint: string): Promise<void> {
    return this.#artifacts.adapter(MODEL).upsert(grantId, { grantId, thumbprint }, this.#seconds)
  }

  /**
   * @param shown thumbprint of the key whose proof came with the request; empty without one.
   * @throws {errors.InvalidGrant} when the family is bound to another key.
   */
  async demand(grantId: string, shown: string): Promise<void> {
    const bound = (await this.#artifacts.adapter(MODEL).find(grantId))?.['thumbprint']
    if (bound === undefined || bound === shown) return
    throw new errors.InvalidGrant(shown === '' ? MISSING : OTHER)
  }
}

const MISSING = 'bound to a key, and no proof came along'
const OTHER = 'bound to a key, and the proof is by another'
/** What the library reports of the above, as codes of ours. */
export const KEY_REFUSALS = { [MISSING]: 'ERR_DPOP_MISSING', [OTHER]: 'ERR_DPOP_BINDING' } as const
