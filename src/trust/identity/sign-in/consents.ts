import type { Artifacts } from '../artifacts.ts'

const CONSENT = 'Consent'
/** A yes is asked for again after half a year. */
const CONSENT_SECONDS = 182 * 24 * 60 * 60

/** What a person has let a client of the house do before, so that it is not asked at every sign-in. */
export class Consents {
  readonly #artifacts: Artifacts

  constructor(artifacts: Artifacts) {
    this.#artifacts = artifacts
  }

  /** @param epoch of the person: whoever's rights changed is asked again, for the page named the old ones. */
  async given(userId: string, epoch: number, clientId: string): Promise<boolean> {
    const found = await this.#artifacts.adapter(CONSENT).find(`${userId} ${clientId}`)
    return found !== undefined && found['epoch'] === epoch
  }

  async remember(userId: string, epoch: number, clientId: string): Promise<void> {
    await this.#artifacts.adapter(CONSENT).upsert(`${userId} ${clientId}`, { epoch }, CONSENT_SECONDS)
  }
}
