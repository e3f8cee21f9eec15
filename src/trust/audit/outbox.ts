import { RedoubtError } from '#foundation/core'
import type { CheckpointSink, ConsistencySource } from './checkpoint-sinks.ts'

export interface SinkState {
  readonly name: string
  /** Size of the latest checkpoint that arrived; −1 before the first. */
  readonly size: number
  readonly failures: number
  /** Message of the latest failure; null after a success. */
  readonly problem: string | null
  /** The latest failure was a refusal: the place was reached, and does not accept the checkpoint. */
  readonly refused: boolean
}

interface Place {
  readonly sink: CheckpointSink
  size: number
  failures: number
  problem: string | null
  refused: boolean
  busy: boolean
}

/** Pushes the newest checkpoint to each outside place, one push at a time for each, and tries again with the next one. */
export class Outbox {
  readonly #log: ConsistencySource
  readonly #cosigned: (note: string, lines: string) => void
  readonly #places: readonly Place[]
  #newest: { readonly note: string; readonly size: number } | null = null
  #running: Promise<unknown>[] = []

  constructor(sinks: readonly CheckpointSink[], log: ConsistencySource, cosigned: (note: string, lines: string) => void) {
    this.#log = log
    this.#cosigned = cosigned
    this.#places = sinks.map((sink) => ({ sink, size: -1, failures: 0, problem: null, refused: false, busy: false }))
  }

  states(): readonly SinkState[] {
    return this.#places.map(({ sink, size, failures, problem, refused }) => ({ name: sink.name, size, failures, problem, refused }))
  }

  offer(note: string, size: number): void {
    this.#newest = { note, size }
    this.retry()
  }

  /** Pushes to every place that is idle and does not hold the newest checkpoint yet. */
  retry(): void {
    for (const place of this.#places) {
      if (place.busy || this.#newest === null || place.size >= this.#newest.size) continue
      place.busy = true
      const run = this.#push(place).finally(() => {
        place.busy = false
        this.#running = this.#running.filter((each) => each !== run)
      })
      this.#running.push(run)
    }
  }

  /** Resolves when no push is under way, or after the time. */
  async settled(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)))
    const idle = (async () => {
      while (this.#running.length > 0) await Promise.all(this.#running)
    })()
    await Promise.race([idle, timeout])
    clearTimeout(timer)
  }

  async #push(place: Place): Promise<void> {
    while (this.#newest !== null && place.size < this.#newest.size) {
      const { note, size } = this.#newest
      try {
        const lines = await place.sink.push(note, this.#log)
        place.size = size
        place.problem = null
        place.refused = false
        if (typeof lines === 'string') this.#cosigned(note, lines)
      } catch (cause) {
        place.failures++
        place.problem = cause instanceof Error ? cause.message : 'unknown'
        place.refused = cause instanceof RedoubtError && cause.code === 'ERR_AUDIT_CHECKPOINT_INVALID'
        return
      }
    }
  }
}
