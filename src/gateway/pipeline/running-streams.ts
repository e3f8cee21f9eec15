import { asRedoubtError, RedoubtError } from '#foundation/core'
import { type Identity, type Principal, schemeOf } from '#trust/identity'
import type { Cancellation } from './cancellation.ts'
import type { Call } from './surface.ts'

/** Half of the second within which a revoked token or a quarantined model must end a running stream. */
export const SWEEP_INTERVAL_MS = 500

export interface RunningStream {
  readonly principal: Principal
  readonly call: Call
  readonly cancellation: Cancellation
  /** Decides anew, as of now: null while the request may go on. */
  readonly decideAgain: () => RedoubtError | null
}

/** Sessions are re-evaluated while they run, not only when they begin (B8). */
export class RunningStreams {
  readonly #running = new Set<RunningStream>()
  readonly #identity: Pick<Identity, 'stillValid'>

  constructor(identity: Pick<Identity, 'stillValid'>) {
    this.#identity = identity
  }

  get size(): number {
    return this.#running.size
  }

  /** @returns a function that takes it off the list. */
  add(stream: RunningStream): () => void {
    this.#running.add(stream)
    return () => void this.#running.delete(stream)
  }

  /** Cuts every request whose token, model or decision does not hold any more. Called at least once in `SWEEP_INTERVAL_MS`. */
  sweep(): void {
    for (const stream of this.#running) {
      const reason = this.reasonToEnd(stream)
      if (reason) stream.cancellation.cancel(reason)
    }
  }

  /**
   * Why a request may not go on as of now: its token, its model, then the decision. A check that fails has not said that it
   * may, and must not keep the others from being looked at.
   */
  reasonToEnd({ principal, call, decideAgain }: RunningStream): RedoubtError | null {
    try {
      const code = this.#identity.stillValid(principal)
      return code
        ? new RedoubtError(code, undefined, { scheme: schemeOf(principal.tokenBinding) })
        : (call.stillServable() ?? decideAgain())
    } catch (thrown) {
      return asRedoubtError(thrown)
    }
  }

  /** Cuts all of them, when the server ends. */
  cutAll(): void {
    for (const stream of this.#running) stream.cancellation.cancel(new RedoubtError('ERR_DRAINING'))
  }
}
