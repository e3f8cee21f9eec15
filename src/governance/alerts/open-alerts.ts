import { type Alert, type Clock, newId } from '#foundation/core'
import { severityRank } from './alert.ts'

/** Keys of one kind told apart in a window; the rest of them is one alert with the key `*`. */
export const MAX_KEYS_PER_KIND = 100
/** Alerts told apart in a window; the rest of them is one alert of the kind `alerts.overflow`. */
export const MAX_OPEN = 2_000
export const EVERYTHING_ELSE = '*'
export const OVERFLOW = 'alerts.overflow'
const SELF = { type: 'System', id: 'alerts' } as const

/** An alert whose window may still be open. */
export interface OpenAlert {
  readonly id: string
  alert: Alert
  count: number
  /** Epoch milliseconds. */
  readonly firstAt: number
  lastAt: number
  /** Raised, or raised to a higher severity, since it was last saved: it has to be recorded and sent. */
  news: boolean
}

/**
 * Makes one alert of all that are raised with the same kind and key within a window that begins with the first of them. Windows
 * do not slide, so that what goes on is told again. Takes bounded memory however many kinds and keys there are.
 */
export class OpenAlerts {
  readonly #clock: Clock
  readonly #windowMs: number
  readonly #open = new Map<string, OpenAlert>()
  readonly #keysOf = new Map<string, number>()
  /** No window ends before. */
  #sweepAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, windowMs: number) {
    this.#clock = clock
    this.#windowMs = windowMs
  }

  get size(): number {
    return this.#open.size
  }

  /** Takes up an alert of an earlier run whose window may still be open. */
  resume(alert: OpenAlert): void {
    if (this.#open.size < MAX_OPEN && this.#isOpen(alert.firstAt)) this.#add(alert)
  }

  /** @returns the alert that this one is, or has become part of. */
  note(alert: Alert): OpenAlert {
    const now = this.#clock.now()
    const known = this.#find(alert)
    if (known) return repeat(known, alert, now)
    if (this.#isFull(alert)) {
      this.#sweep(now)
      if (this.#isFull(alert)) return this.note(this.#open.size >= MAX_OPEN ? overflow(alert) : folded(alert))
    }
    const opened: OpenAlert = { id: newId('alr'), alert, count: 1, firstAt: now, lastAt: now, news: true }
    this.#add(opened)
    return opened
  }

  /** Whether there is no room for one more alert of its kind. The two that stand for all others have theirs. */
  #isFull({ kind, key }: Alert): boolean {
    if (kind === OVERFLOW && key === EVERYTHING_ELSE) return false
    return this.#open.size >= MAX_OPEN || (key !== EVERYTHING_ELSE && (this.#keysOf.get(kind) ?? 0) >= MAX_KEYS_PER_KIND)
  }

  #find(alert: Alert): OpenAlert | null {
    const found = this.#open.get(keyOf(alert))
    return found && this.#isOpen(found.firstAt) ? found : null
  }

  // Either side: a clock that was set back must not keep a window of the future open for good.
  #isOpen(firstAt: number): boolean {
    return Math.abs(this.#clock.now() - firstAt) < this.#windowMs
  }

  #add(opened: OpenAlert): void {
    const key = keyOf(opened.alert)
    if (!this.#open.has(key)) this.#keysOf.set(opened.alert.kind, (this.#keysOf.get(opened.alert.kind) ?? 0) + 1)
    this.#open.set(key, opened)
    this.#sweepAt = Math.min(this.#sweepAt, opened.firstAt + this.#windowMs)
  }

  /** Forgets what is over; looks at all of them only when one can be. */
  #sweep(now: number): void {
    if (now < this.#sweepAt && this.#sweepAt - now <= this.#windowMs) return
    this.#sweepAt = Number.POSITIVE_INFINITY
    for (const [key, { alert, firstAt }] of this.#open) {
      if (this.#isOpen(firstAt)) {
        this.#sweepAt = Math.min(this.#sweepAt, firstAt + this.#windowMs)
        continue
      }
      this.#open.delete(key)
      const left = (this.#keysOf.get(alert.kind) ?? 1) - 1
      if (left === 0) this.#keysOf.delete(alert.kind)
      else this.#keysOf.set(alert.kind, left)
    }
  }
}

// A line break cannot stand in an admitted kind or key.
const keyOf = ({ kind, key }: Alert): string => `${kind}\n${key}`

function repeat(known: OpenAlert, alert: Alert, now: number): OpenAlert {
  known.count++
  known.lastAt = now
  if (severityRank(alert.severity) > severityRank(known.alert.severity)) {
    known.alert = { ...alert, key: known.alert.key }
    known.news = true
  }
  return known
}

const folded = ({ kind, severity }: Alert): Alert => ({
  kind,
  severity,
  summary: `more alerts of the kind ${kind} than are told apart`,
  subject: SELF,
  key: EVERYTHING_ELSE,
  details: { toldApart: MAX_KEYS_PER_KIND },
})

const overflow = ({ severity }: Alert): Alert => ({
  kind: OVERFLOW,
  severity,
  summary: 'more alerts at once than are told apart',
  subject: SELF,
  key: EVERYTHING_ELSE,
  details: { toldApart: MAX_OPEN },
})
