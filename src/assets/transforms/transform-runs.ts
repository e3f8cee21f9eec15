import { type Clock, type EntityUid, type ErrorCode, newId, RedoubtError } from '#foundation/core'
import type { TransformVersion } from './transform-version.ts'

/** Of runs that have ended, so that it can be told how. */
const MAX_ENDED = 100

type RunState = 'waiting' | 'running' | 'done' | 'failed' | 'cancelled'

/** A run as it is at the moment. No value of a row is in it. */
export interface TransformRun {
  /** `run_` and 22 characters of base64url. */
  readonly id: string
  readonly transform: Pick<TransformVersion, 'name' | 'version' | 'digest'>
  /** Name of the data set that it makes a version of. */
  readonly target: string
  readonly by: EntityUid
  /** `waiting` for its turn, `running`, or how it ended. */
  readonly state: RunState
  /** Rows sealed so far. */
  readonly rows: number
  /** Epoch milliseconds: when it was asked for. */
  readonly beganAt: number
  /** Null while it goes on. */
  readonly endedAt: number | null
  /** Number of the version that it made; null for none. */
  readonly made: number | null
  /** The code of what ended it; null while it goes on, and for one that came to its end. */
  readonly code: ErrorCode | null
}

/** A run in the hands of whoever carries it out. */
export interface OpenRun {
  readonly id: string
  /** Fires when it is cancelled, with `ERR_TRANSFORM_CANCELLED`. */
  readonly signal: AbortSignal
  /** Its turn has come. */
  begun(): void
  progress(rows: number): void
  /** When nothing of it goes on any more, and what it leaves behind is removed. */
  ended(end: { readonly made: number } | { readonly code: ErrorCode }): void
}

interface Kept {
  run: TransformRun
  readonly abort: AbortController
  readonly over: PromiseWithResolvers<void>
}

/**
 * The runs of this process, in memory: a run does not outlive it. Those that go on, which the caller bounds in number, and of those that
 * have ended the newest hundred.
 */
export class TransformRuns {
  readonly #clock: Clock
  readonly #kept = new Map<string, Kept>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Notes that a run waits for its turn. Whoever calls it calls `ended`, whatever happens. */
  open(transform: TransformVersion, by: EntityUid): OpenRun {
    const { name, version, digest, definition } = transform
    const kept: Kept = {
      run: {
        id: newId('run'),
        transform: { name, version, digest },
        target: definition.to.dataset,
        by: { type: by.type, id: by.id },
        state: 'waiting',
        rows: 0,
        beganAt: this.#clock.now(),
        endedAt: null,
        made: null,
        code: null,
      },
      abort: new AbortController(),
      over: Promise.withResolvers(),
    }
    this.#kept.set(kept.run.id, kept)
    const change = (facts: Partial<TransformRun>): void => void (kept.run = { ...kept.run, ...facts })
    return {
      id: kept.run.id,
      signal: kept.abort.signal,
      begun: () => change({ state: 'running' }),
      progress: (rows) => change({ rows }),
      ended: (end) => {
        const endedAt = this.#clock.now()
        if ('made' in end) change({ state: 'done', endedAt, made: end.made })
        else change({ state: end.code === 'ERR_TRANSFORM_CANCELLED' ? 'cancelled' : 'failed', endedAt, code: end.code })
        this.#forgetOldest()
        kept.over.resolve()
      },
    }
  }

  /** Newest first. */
  list(): readonly TransformRun[] {
    return [...this.#kept.values()].map(({ run }) => run).reverse()
  }

  get(id: string): TransformRun | null {
    return this.#kept.get(id)?.run ?? null
  }

  /**
   * Cancels a run and waits until nothing of it goes on.
   * @returns the run as it ended.
   * @throws {RedoubtError} `ERR_NOT_FOUND` for one that is not known; `ERR_CONFLICT` for one that had ended, or came to its end before the
   *   cancellation reached it: then its version stands.
   */
  async cancel(id: string): Promise<TransformRun> {
    const kept = this.#kept.get(id)
    if (!kept) throw new RedoubtError('ERR_NOT_FOUND', `there is no run \`${id}\`; runs that ended long ago are in the log alone`)
    demandGoesOn(kept.run)
    kept.abort.abort(new RedoubtError('ERR_TRANSFORM_CANCELLED'))
    await kept.over.promise
    if (kept.run.state === 'done') demandGoesOn(kept.run)
    return kept.run
  }

  #forgetOldest(): void {
    const ended = [...this.#kept.values()].filter(({ run }) => run.endedAt !== null).sort((one, other) => one.run.endedAt! - other.run.endedAt!) // prettier-ignore
    for (const { run } of ended.slice(0, Math.max(0, ended.length - MAX_ENDED))) this.#kept.delete(run.id)
  }
}

/** @throws {RedoubtError} `ERR_CONFLICT` that says how it ended. */
export function demandGoesOn({ id, state, target, made, code }: TransformRun): void {
  if (state === 'waiting' || state === 'running') return
  const how = made === null ? (state === 'cancelled' ? 'was cancelled' : `ended with ${code}`) : `made version ${made} of \`${target}\``
  throw new RedoubtError('ERR_CONFLICT', `the run \`${id}\` has ended: it ${how}`)
}
