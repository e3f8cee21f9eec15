import type { RedoubtError } from '#foundation/core'

/** Whether the server serves what it promised to serve. */
export class Readiness {
  #state: 'starting' | 'ready' | 'failed' | 'draining' = 'starting'
  #reason: RedoubtError | null = null

  get state(): 'starting' | 'ready' | 'failed' | 'draining' {
    return this.#state
  }

  get reason(): RedoubtError | null {
    return this.#reason
  }

  done(): void {
    if (this.#state === 'starting') this.#state = 'ready'
  }

  failed(reason: RedoubtError): void {
    this.#state = 'failed'
    this.#reason = reason
  }

  draining(): void {
    this.#state = 'draining'
  }
}
