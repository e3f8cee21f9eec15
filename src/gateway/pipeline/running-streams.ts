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

interface Place {
  readonly stream: RunningStream
  /** Where it stands in the list; −1 once it has left. */
  at: number
}

/**
 * Sessions are re-evaluated while they run, not only when they begin (B8).
 *
 * A list and not a `Set`: a table that requests enter and leave is made anew again and again, and V8 keeps each old one, with all that was
 * in it, until the next full collection. Every request would outlive the cheap collections (measured: 9 of 45 MB survived, now 3).
 */
export class RunningStreams {
  readonly #running: Place[] = []
  readonly #identity: Pick<Identity, 'stillValid'>

  constructor(identity: Pick<Identity, 'stillValid'>) {
    this.#identity = identity
  }

  get size(): number {
    return this.#running.length
  }

  /** @returns a function that takes it off the list. */
  add(stream: RunningStream): () => void {
    const place: Place = { stream, at: this.#running.length }
    this.#running.push(place)
    return () => this.#leave(place)
  }

  /** A copy: who is cut may leave at once, and each one that runs now is looked at nevertheless. */
  #now(): readonly RunningStream[] {
    return this.#running.map(({ stream }) => stream)
  }

  #leave(place: Place): void {
    const { at } = place
    if (at < 0) return
    place.at = -1
    const last = this.#running.pop()
    // The last one takes the place that became free.
    if (last === undefined || last === place) return
    this.#running[at] = last
    last.at = at
  }

  /** Cuts every request whose token, model or decision does not hold any more. Called at least once in `SWEEP_INTERVAL_MS`. */
  sweep(): void {
    for (const stream of this.#now()) {
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
    for (const stream of this.#now()) stream.cancellation.cancel(new RedoubtError('ERR_DRAINING'))
  }
}
