import type { AlertSink, Clock } from '#foundation/core'

const CHECK_MS = 5_000
/** An outside place may be restarted; longer than this and nobody outside sees what is recorded. */
export const OUTSIDE_GRACE_MS = 60_000

/** What is looked at of the log's health. */
export interface LogHealth {
  readonly ok: boolean
  readonly outside: readonly { readonly name: string; readonly problem: string | null; readonly refused: boolean }[]
}

export interface LogWatch {
  /** Looks now; happens by itself too. */
  check(): void
  close(): void
}

/** Raises what the log cannot record of itself: that it takes nothing, and that a place outside does not get, or does not accept, its checkpoints. */
export function watchLog(options: {
  readonly health: () => LogHealth
  readonly alerts: AlertSink
  readonly clock: Clock
  /** 0: only `check` looks. */
  readonly checkMs?: number
}): LogWatch {
  const { health, alerts, clock, checkMs = CHECK_MS } = options
  /** Since when a place has had a problem, on the monotonic clock. */
  const since = new Map<string, number>()

  const check = (): void => {
    const { ok, outside } = health()
    if (!ok)
      alerts.raise({
        kind: 'log.unwritable',
        severity: 'critical',
        summary: 'the log does not take entries; what cannot be recorded is refused',
        subject: { type: 'Log', id: 'audit' },
        key: 'unwritable',
        details: {},
      })
    for (const { name, problem, refused } of outside) {
      if (problem === null) {
        since.delete(name)
        continue
      }
      const began = since.get(name) ?? clock.monotonic()
      since.set(name, began)
      if (clock.monotonic() - began < OUTSIDE_GRACE_MS) continue
      alerts.raise({
        kind: refused ? 'log.outside-refuses' : 'log.outside-unreachable',
        severity: refused ? 'critical' : 'warning',
        summary: refused
          ? `the outside place ${name} does not accept the checkpoints: the log may have been changed, here or there`
          : `the outside place ${name} has not received a checkpoint for more than a minute`,
        subject: { type: 'Log', id: 'audit' },
        key: name,
        details: { place: name },
      })
    }
  }
  const timer = checkMs === 0 ? null : setInterval(check, checkMs)
  timer?.unref()
  return { check, close: () => timer !== null && clearInterval(timer) }
}
