import { randomInt } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { asRedoubtError, type ErrorCode } from '#foundation/core'

/** Tries in all; a request waits at most the sum of the pauses, under two seconds, besides the tries themselves. */
export const MAX_TRIES = 5
const FIRST_PAUSE_MS = 100

/** What may go by itself. A refusal, a disabled key or a ciphertext that is not authentic stays what it is. */
const PASSING: readonly ErrorCode[] = ['ERR_KEYS_PROVIDER_UNAVAILABLE', 'ERR_KEYS_PROVIDER_BUSY']

export type Pause = (ms: number) => Promise<unknown>

/**
 * Repeats a call to a key service that failed for a passing reason: at most five tries, the pauses doubling from 100 ms, each cut
 * at random to between half and the whole of it, so that many servers that were refused together do not come back together.
 */
export async function retried<T>(call: () => Promise<T>, pause: Pause = setTimeout): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await call()
    } catch (thrown) {
      if (tried === MAX_TRIES || !PASSING.includes(asRedoubtError(thrown).code)) throw thrown
      const whole = FIRST_PAUSE_MS * 2 ** (tried - 1)
      await pause(randomInt(whole / 2, whole + 1))
    }
  }
}
