import type { RedoubtError } from '#foundation/core'

/** One reason to stop, given once, heard by all. Lighter than an AbortSignal, and it carries a typed reason. */
export class Cancellation {
  #reason: RedoubtError | null = null
  #listeners: ((reason: RedoubtError) => void)[] = []

  get reason(): RedoubtError | null {
    return this.#reason
  }

  /** The first reason stays; later ones are ignored. */
  cancel(reason: RedoubtError): void {
    if (this.#reason) return
    this.#reason = reason
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener(reason)
  }

  /** Called at once when the reason is there already. */
  onCancel(listener: (reason: RedoubtError) => void): void {
    if (this.#reason) listener(this.#reason)
    else this.#listeners.push(listener)
  }
}
