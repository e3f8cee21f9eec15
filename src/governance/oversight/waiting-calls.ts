import type { ReviewState } from '#foundation/core'

/** Each holds a connection and what its request needs. */
const MAX_WAITING = 256

interface WaitingCall {
  readonly id: string
  readonly answer: (state: ReviewState) => void
}

/** Calls that stay open until a reviewer has decided, for a while. In memory: a call does not outlive the process, its review does. */
export class WaitingCalls {
  #calls: readonly WaitingCall[] = []
  #closed = false

  get size(): number {
    return this.#calls.length
  }

  /** Resolves with the state that `tell` gives, or `waiting` after `waitMs`, when the client leaves, or at once when too many wait. */
  wait(id: string, waitMs: number, onGone: (left: () => void) => void): Promise<ReviewState> {
    if (this.#closed || waitMs <= 0 || this.#calls.length >= MAX_WAITING) return Promise.resolve('waiting')
    return new Promise((resolve) => {
      const answer = (state: ReviewState): void => {
        clearTimeout(timer)
        this.#calls = this.#calls.filter((one) => one !== call)
        resolve(state)
      }
      const call: WaitingCall = { id, answer }
      const timer = setTimeout(() => answer('waiting'), waitMs)
      this.#calls = [...this.#calls, call]
      onGone(() => answer('waiting'))
    })
  }

  /** A review has come to its end. */
  tell(id: string, state: ReviewState): void {
    for (const call of this.#calls) if (call.id === id) call.answer(state)
  }

  /** Whoever waits is told that the review waits: it will be there after a restart. */
  close(): void {
    this.#closed = true
    for (const call of this.#calls) call.answer('waiting')
  }
}
