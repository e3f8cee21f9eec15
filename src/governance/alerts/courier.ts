import { type AlertSeverity, type Clock, RedoubtError } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import { severityRank } from './alert.ts'
import { type AlertMessage, type AlertPlace, DeliveryProblem, problemText } from './place.ts'
import type { AlertStore } from './store.ts'

const FIRST_RETRY_MS = 5_000
const LAST_RETRY_MS = 600_000

/** @param attempts failed so far, ≥ 1. @returns how long to wait: 5 s, doubling to 10 minutes. */
export const retryDelayMs = (attempts: number): number => Math.min(FIRST_RETRY_MS * 2 ** Math.min(attempts - 1, 20), LAST_RETRY_MS)

/** How the deliveries to one place go. */
export interface PlaceHealth {
  readonly name: string
  readonly waiting: number
  /** Failures in a row. */
  readonly failures: number
  /** Of the latest failure; null after a success. */
  readonly problem: string | null
  /** Since the server started. */
  readonly delivered: number
  readonly givenUp: number
}

/**
 * Sends what waits for one place, one message at a time, and tries again until the place has taken it or `maxAttempts` are spent.
 * At least once: what a crash or a failing disk leaves in doubt is sent again under the same id.
 */
export class Courier {
  readonly place: AlertPlace
  readonly #store: AlertStore
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #maxAttempts: number
  readonly #stop = new AbortController()
  #running: Promise<void> | null = null
  /** On the monotonic clock: a place that fails is left alone for a while, whatever waits for it. */
  #restUntil = Number.NEGATIVE_INFINITY
  #failures = 0
  #problem: string | null = null
  #delivered = 0
  #givenUp = 0
  #ended = false

  constructor(options: {
    readonly place: AlertPlace
    readonly store: AlertStore
    readonly clock: Clock
    readonly logger: Logger
    readonly maxAttempts: number
  }) {
    this.place = options.place
    this.#store = options.store
    this.#clock = options.clock
    this.#logger = options.logger
    this.#maxAttempts = options.maxAttempts
  }

  /** Whether a delivery came to an end since this was last asked. */
  takeEnded(): boolean {
    const ended = this.#ended
    this.#ended = false
    return ended
  }

  takes(severity: AlertSeverity): boolean {
    return severityRank(severity) >= severityRank(this.place.minSeverity)
  }

  health(): PlaceHealth {
    return {
      name: this.place.name,
      waiting: this.#store.waiting(this.place.name),
      failures: this.#failures,
      problem: this.#problem,
      delivered: this.#delivered,
      givenUp: this.#givenUp,
    }
  }

  /** Sends what is due, until nothing is or one fails. Never rejects; a second call joins the first. */
  run(): Promise<void> {
    this.#running ??= this.#send()
      .catch((error: unknown) => this.#trouble('the outbox of alerts cannot be read or written', error))
      .finally(() => (this.#running = null))
    return this.#running
  }

  /**
   * One attempt with a message that is in no outbox, when the place is free. Changes nothing for what waits.
   * @returns why the place did not take it; null when it did.
   */
  async probe(message: AlertMessage): Promise<string | null> {
    // Calls to a place come one at a time.
    while (this.#running !== null) await this.#running
    let problem: string | null = null
    this.#running = this.place
      .deliver(message, this.#stop.signal)
      .catch((thrown: unknown) => {
        problem = problemText(thrown)
      })
      .finally(() => (this.#running = null))
    await this.#running
    return problem
  }

  /** Ends what is under way; it waits in the outbox for the next start. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #send(): Promise<void> {
    while (!this.#stop.signal.aborted && this.#clock.monotonic() >= this.#restUntil) {
      const message = this.#store.due(this.place.name, this.#clock.now(), LAST_RETRY_MS)
      if (!message) return
      try {
        await this.place.deliver(message, this.#stop.signal)
      } catch (thrown) {
        if (this.#stop.signal.aborted) return
        this.#failed(message, thrown)
        continue
      }
      this.#store.delivered(message.id)
      this.#delivered++
      this.#ended = true
      this.#failures = 0
      this.#problem = null
    }
  }

  #failed(message: { readonly id: string; readonly attempts: number }, thrown: unknown): void {
    const attempts = message.attempts + 1
    const problem = problemText(thrown)
    this.#failures++
    this.#problem = problem
    this.#restUntil = this.#clock.monotonic() + retryDelayMs(this.#failures)
    this.#logger.warn({ place: this.place.name, message: message.id, attempts, problem }, 'an alert could not be delivered')
    if (attempts < this.#maxAttempts && !(thrown instanceof DeliveryProblem && thrown.final)) {
      this.#store.failed(message.id, problem, this.#clock.now() + retryDelayMs(attempts))
      return
    }
    this.#store.givenUp(message.id, problem)
    this.#givenUp++
    this.#ended = true
  }

  #trouble(what: string, error: unknown): void {
    this.#failures++
    this.#problem = error instanceof RedoubtError ? error.code : 'ERR_STORAGE_IO'
    this.#restUntil = this.#clock.monotonic() + retryDelayMs(this.#failures)
    this.#logger.error({ place: this.place.name, err: error }, what)
  }
}
