import type { AuditSink, Clock, EntityUid, ErrorCode } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'

/** Refusals of one kind (code and actor) recorded one by one in a window; the rest of the window is one event with a count. */
export const RECORDED_PER_WINDOW = 10
export const WINDOW_MS = 60_000
/** Kinds told apart at once. Beyond this the actor is dropped, so that the table cannot grow with what strangers send. */
const MAX_KINDS = 1_000

interface Window {
  readonly code: ErrorCode
  readonly actor: EntityUid
  readonly startedAt: number
  recorded: number
  suppressed: number
}

export const ANONYMOUS: EntityUid = { type: 'User', id: 'anonymous' }

/**
 * Records refused authentications so that a flood of them can neither fill the disk nor pass unseen: at most
 * `RECORDED_PER_WINDOW + 1` events of one kind a minute, and the counts add up to every refusal.
 * `noteRefusal` is synchronous and never throws: the caller refuses anyway, and nothing is granted that waits for this.
 */
export class RefusalLog {
  readonly #windows = new Map<string, Window>()
  readonly #audit: AuditSink
  readonly #clock: Clock
  readonly #logger: Logger
  #lost = 0

  constructor(audit: AuditSink, clock: Clock, logger: Logger) {
    this.#audit = audit
    this.#clock = clock
    this.#logger = logger
  }

  /** Refusals that could not be recorded because the log was down. */
  get lost(): number {
    return this.#lost
  }

  noteRefusal(code: ErrorCode, knownActor: EntityUid | null): void {
    // Type and id only: callers may pass whole facts.
    const actor = knownActor === null || this.#windows.size >= MAX_KINDS ? ANONYMOUS : { type: knownActor.type, id: knownActor.id }
    const key = `${code} ${actor.type} ${actor.id}`
    const now = this.#clock.monotonic()
    let window = this.#windows.get(key)
    if (window !== undefined && now - window.startedAt >= WINDOW_MS) {
      this.#summarise(key, window)
      window = undefined
    }
    if (window === undefined) {
      window = { code, actor, startedAt: now, recorded: 0, suppressed: 0 }
      this.#windows.set(key, window)
    }
    if (window.recorded < RECORDED_PER_WINDOW) {
      window.recorded++
      this.#record(code, actor, 1, false)
    } else {
      window.suppressed++
    }
  }

  /** Closes the windows that are over, or all of them, and records what each of them suppressed. Call it every few seconds. */
  flush(options: { readonly all?: boolean } = {}): void {
    const now = this.#clock.monotonic()
    for (const [key, window] of this.#windows) {
      if (options.all === true || now - window.startedAt >= WINDOW_MS) this.#summarise(key, window)
    }
  }

  #summarise(key: string, window: Window): void {
    this.#windows.delete(key)
    if (window.suppressed > 0) this.#record(window.code, window.actor, window.suppressed, true)
  }

  #record(code: ErrorCode, actor: EntityUid, count: number, summary: boolean): void {
    this.#audit
      .record({
        type: 'authentication.refused',
        actor,
        action: 'authenticate',
        resource: { type: 'System', id: 'identity' },
        outcome: 'refused',
        code,
        details: summary ? { count, summary: true } : { count },
      })
      .catch((error: unknown) => {
        this.#lost += count
        this.#logger.error({ err: error, code, count }, 'a refused authentication could not be recorded')
      })
  }
}
